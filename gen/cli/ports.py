"""Reaching boards: serial ports, or virtual boards that live as long as the command."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from nomul.gen.cli.files import ArgumentError
from nomul.gen.cli.screen import working
from nomul.gen.spec.config import Config

if TYPE_CHECKING:
    from nomul.sw.compiled import CompiledNetwork
    from nomul.sw.driver.base import BoardBase
    from nomul.sw.driver.several import Boards
    from nomul.sw.network import IntegerNetwork

__all__ = ["VIRTUAL", "connect", "connect_all", "is_virtual"]

#: The port name that stands for a simulated board; a board's name may follow behind a colon.
VIRTUAL = "virtual"


def is_virtual(port: str) -> bool:
    """Whether a port is a simulated board that begins with this command, and so holds nothing yet."""
    return port.partition(":")[0] == VIRTUAL


def connect(port: str, config: Config | None = None, *, baud: int | None = None) -> "BoardBase":
    """The board at `port`; `config` is that of a simulated one, or helps with one that is no preset."""
    from nomul.sw.driver.ports import open_board

    first = " (the first time for a configuration, its simulator is built)" if is_virtual(port) else ""
    with working(f"open {port}{first}"):
        return open_board(port, baud, config=config)


@contextmanager
def connect_all(ports: Sequence[str], model: "CompiledNetwork | IntegerNetwork", config: str | None, *,
                baud: int | None = None) -> "Iterator[Boards]":
    """Boards for a model, closed at the end.

    Parameters
    ----------
    ports : sequence of str
        Each as `connect` takes it.
    model : CompiledNetwork or IntegerNetwork
        A virtual board without a name has the configuration that a program is for.
    config : str, optional
        Name or file of the boards' configuration.
    baud : int, optional
        Of serial ports.

    Raises
    ------
    ArgumentError
        If a serial port is named twice.
    """
    from nomul.gen.presets import load_config
    from nomul.sw.compiled import CompiledNetwork
    from nomul.sw.driver.several import Boards

    for port in ports:
        if ports.count(port) > 1 and not is_virtual(port):
            raise ArgumentError(f"--port {port} is given twice: a board can be used once at a time")
    given = load_config(config) if config else None
    own = model.config if isinstance(model, CompiledNetwork) else None
    with ExitStack() as stack:
        yield Boards([stack.enter_context(connect(port, given or own if port == VIRTUAL else given, baud=baud))
                      for port in ports])
