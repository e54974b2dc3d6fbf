"""A board at the other end of a line of bytes."""

from nomul.sw.driver.base import BoardBase, Progress
from nomul.sw.driver.link import ByteLink
from nomul.sw.driver.memory import BoardError
from nomul.sw.driver.records import BoardInfo, ImageResult, PushResult, RunResult
from nomul.sw.driver.runs import ImageRuns
from nomul.sw.driver.transport import Transport
from nomul.sw.driver.update import MemoryUpdate

__all__ = ["Board", "BoardError", "BoardInfo", "ImageResult", "Progress", "PushResult", "RunResult"]


class Board(MemoryUpdate, ImageRuns, BoardBase):
    """A board at the other end of a link; a context manager that closes the link.

    Parameters
    ----------
    link : ByteLink
        To the board; nothing is sent before the first call.
    timeout : float
        Seconds of silence after which something is taken for lost; must exceed the longest run of a network.
    window : int
        Requests under way at a time, 1 to 4.
    """

    def __init__(self, link: ByteLink, *, timeout: float = 1.0, window: int = 4):
        super().__init__(Transport(link, timeout=timeout, window=window))
        self._link = link

    def close(self) -> None:
        """Closes the link; the board keeps what it holds."""
        self._link.close()
