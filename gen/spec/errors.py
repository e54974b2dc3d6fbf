"""The one exception that a user is meant to see."""

__all__ = ["NomulError"]


class NomulError(Exception):
    """A mistake that the user can mend; the message is one line: what, where, which values are allowed, what to do.

    The command line prints the message without a traceback and exits with a code that is not 0.
    Subsystems derive their own class (`ConfigError`, `ContainerError`, `LinkError`, ...).
    """
