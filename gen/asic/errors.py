"""What can go wrong for a user who measures a design on standard cells."""

from nomul.gen.spec.errors import NomulError

__all__ = ["AsicError"]


class AsicError(NomulError):
    """A cell library, a design or a stimulus that can't be measured; the message says which and what to do."""
