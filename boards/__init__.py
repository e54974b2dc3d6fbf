"""The boards that nomul makes complete designs for."""

from nomul.boards.base import Board, BoardError
from nomul.boards.orangecrab import OrangeCrab
from nomul.boards.ulx3s import Ulx3s25f, Ulx3s85f

__all__ = ["BOARDS", "Board", "BoardError", "find_board"]

#: Every board, in the order of `nomul boards`.
BOARDS: tuple[Board, ...] = (Ulx3s85f(), Ulx3s25f(), OrangeCrab())


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
    raise BoardError(f"unknown board {name!r}; known are {', '.join(board.name for board in BOARDS)}")
