"""The boards that nomul makes complete designs for."""

from nomul.boards.arty import ArtyA735
from nomul.boards.base import Board, BoardError
from nomul.boards.hx8k_evn import Hx8kEvn
from nomul.boards.icebreaker import IceBreaker
from nomul.boards.ihp_sg13g2 import IhpSg13g2
from nomul.boards.orangecrab import OrangeCrab
from nomul.boards.pynq import PynqZ2
from nomul.boards.tang_nano import TangNano9k
from nomul.boards.ulx3s import Ulx3s25f, Ulx3s85f

__all__ = ["BOARDS", "CHIPS", "Board", "BoardError", "find_board", "find_chip", "find_target"]

#: Every board, in the order of `nomul boards`.
BOARDS: tuple[Board, ...] = (
    Ulx3s85f(), Ulx3s25f(), OrangeCrab(), IceBreaker(), TangNano9k(), Hx8kEvn(), ArtyA735(), PynqZ2())

#: Every process that there are chips for: designs that nobody can load, but have made.
CHIPS: tuple[IhpSg13g2, ...] = (IhpSg13g2(macros=False), IhpSg13g2(macros=True))


def find_board(name: str) -> Board:
    """The board of this name.

    Raises
    ------
    BoardError
        If there is none; lists those that there are.
    """
    for board in BOARDS:
        if board.name == name:
            return board
    if name in [chip.name for chip in CHIPS]:
        raise BoardError(f"{name} is no board but a process for chips: `nomul generate --board {name}` writes the "
                         "design, and `nomul bench chip` measures it")
    raise BoardError(f"unknown board {name!r}; known are {', '.join(board.name for board in BOARDS)}")


def find_chip(name: str) -> IhpSg13g2:
    """The process of this name.

    Raises
    ------
    BoardError
        If there is none; lists those that there are.
    """
    for chip in CHIPS:
        if chip.name == name:
            return chip
    raise BoardError(f"unknown process {name!r}; known are {', '.join(chip.name for chip in CHIPS)}")


def find_target(name: str) -> Board | IhpSg13g2:
    """The board or the process of this name: whatever designs can be generated for.

    Raises
    ------
    BoardError
        If there is neither; lists those that there are.
    """
    known: dict[str, Board | IhpSg13g2] = {board.name: board for board in BOARDS}
    known |= {chip.name: chip for chip in CHIPS}
    if name not in known:
        raise BoardError(f"unknown board {name!r}; known are {', '.join(known)}")
    return known[name]
