"""What the compiler says when a configuration cannot run a network."""

from collections.abc import Mapping

from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError

__all__ = ["CompileError", "check_fits"]


class CompileError(NomulError):
    """A network that a configuration cannot run; the message names layer, rule and the field to change."""


def check_fits(field: str, needs: Mapping[str, int], config: Config, remedy: str = "") -> None:
    """Refuses a network that needs more of a memory than there is.

    Parameters
    ----------
    field : str
        The configuration's field for the memory's size.
    needs : mapping
        What the network needs up to each of its layers.
    remedy : str
        What else helps than to raise the field, after a comma.

    Raises
    ------
    CompileError
        Which names the first layer that does not fit, by how much, and what would be enough for all.
    """
    available = getattr(config, field)
    for layer, needed in needs.items():
        if needed > available:
            most = max(needs.values())
            in_all = f", and {most} in all" if most > needed else ""
            raise CompileError(f"layer {layer!r} does not fit: up to it the network needs {field} {needed}, "
                               f"{needed - available} more than the configuration's {available}{in_all}: raise {field} "
                               f"to {most}{remedy} or make the network smaller")
