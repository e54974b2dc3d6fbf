"""The boards that nomul makes complete designs for."""

from collections.abc import Sequence
from typing import TypeVar

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

_Target = TypeVar("_Target", bound=Board | IhpSg13g2)


def find_board(name: str) -> Board:
    """The board of this name.

    Raises
    ------
    BoardError
        If there is none; lists those that there are.
    """
    if name in [chip.name for chip in CHIPS]:
        raise BoardError(f"{name} is no board but a process for chips: `nomul generate --board {name}` writes the "
                         "design, and `nomul bench chip` measures it")
    return _find("board", name, BOARDS)


def find_chip(name: str) -> IhpSg13g2:
    """The process of this name.

    Raises
    ------
    BoardError
        If there is none; lists those that there are.
    """
    return _find("process", name, CHIPS)


def find_target(name: str) -> Board | IhpSg13g2:
    """The board or the process of this name: whatever designs can be generated for.

    Raises
    ------
    BoardError
        If there is neither; lists those that there are.
    """
    known: tuple[Board | IhpSg13g2, ...] = (*BOARDS, *CHIPS)
    return _find("board", name, known)


def _find(kind: str, name: str, among: Sequence[_Target]) -> _Target:
    for each in among:
        if each.name == name:
            return each
    raise BoardError(f"unknown {kind} {name!r}; known are {', '.join(each.name for each in among)}")
