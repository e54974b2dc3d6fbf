"""Boards by the names of their ports."""

import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from nomul.gen.spec.config import Config
from nomul.sw.driver.base import BoardBase
from nomul.sw.driver.board import Board
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.several import Boards
from nomul.sw.driver.transport import NoAnswerError, Transport

__all__ = ["BAUD_RATES", "PROVIDERS", "open_board", "open_boards"]

#: What opens ports that are no serial ports: module and function by the first part of the port's name. The function
#: takes the rest behind the colon ("" without one) and the options of `open_board`, and returns a board. Modules are
#: imported when such a port is asked for, so that the driver itself needs none of them.
PROVIDERS = {"virtual": "nomul.cosim.virtual_port:open_virtual", "pynq": "nomul.sw.driver.pynq_port:open_pynq"}

#: Rates at which a board may answer, the most likely first.
BAUD_RATES = (1_000_000, 3_000_000, 1_500_000, 2_000_000, 115_200)
#: Seconds that each of them is listened to, first and then again.
_PROBES = (0.2, 0.2, 1.0)


def open_board(port: str, baud: int | None = None, *, config: Config | None = None, **options: Any) -> BoardBase:
    """The board at a port; asks it nothing but whether it is there.

    Parameters
    ----------
    port : str
        A serial port such as /dev/ttyUSB0 or COM3; "virtual:BOARD" is a simulated one (`nomul boards` lists them), and
        "virtual" one of `config`, or a small one; "pynq:FILE.bit" is an AXI peripheral on the chip that this runs on.
    baud : int, optional
        Of a serial port; by default the first of `BAUD_RATES` at which the board answers.
    config : Config, optional
        What the board's accelerator was generated from, if it is no preset.
    options
        Those of `Board`: `timeout`, `window`.

    Raises
    ------
    LinkError
        If the port cannot be opened, or nothing answers at any rate.
    """
    scheme, _, rest = port.partition(":")
    if scheme in PROVIDERS:
        module, _, function = PROVIDERS[scheme].partition(":")
        provide: Callable[..., BoardBase] = getattr(importlib.import_module(module), function)
        board = provide(rest, config=config, **options)
    else:
        board = _serial_board(port, baud, options)
        board.config = config
    board.port = port
    return board


def open_boards(ports: Sequence[str], baud: int | None = None, *, config: Config | None = None,
                **options: Any) -> Boards:
    """The boards at several ports, each opened as `open_board` does; `nomul.sw.driver.several` says what they do.

    Raises
    ------
    LinkError
        If a port is named twice, or one cannot be opened.
    """
    if twice := [port for port in ports if ports.count(port) > 1 and port.partition(":")[0] not in PROVIDERS]:
        raise LinkError(f"port {twice[0]} is named twice: a board can be used once at a time")
    boards: list[BoardBase] = []
    try:
        for port in ports:
            boards.append(open_board(port, baud, config=config, **options))
    except BaseException:
        Boards(boards).close()
        raise
    return Boards(boards)


def _serial_board(port: str, baud: int | None, options: dict[str, Any]) -> Board:
    # Here, because other links need no pyserial.
    from nomul.sw.driver.serial_port import SerialLink

    link = SerialLink(port, baud or BAUD_RATES[0])
    board = Board(link, **options)
    board.baud = baud
    if baud is not None:
        return board
    heard = False
    try:
        for timeout in _PROBES:
            for board.baud in BAUD_RATES:
                link.set_baud(board.baud)
                transport = Transport(link, timeout=timeout, tries=1)
                with suppress(NoAnswerError):
                    transport.synchronize()
                    return board
                heard |= transport.heard
        rates = ", ".join(map(str, BAUD_RATES))
        if heard:
            raise LinkError(f"what answers at {port} is no nomul accelerator at any of {rates} baud: load a bitstream "
                            "of `nomul build` (`nomul program`), or give the rate that it was built for (--baud)")
        raise LinkError(f"no answer from the board at {port} at any of {rates} baud: is it powered, and programmed "
                        "with a nomul bitstream (`nomul program`)? If its rate is another one, give it (--baud)")
    except BaseException:
        link.close()
        raise
