"""Several boards at once: the same network on all of them, images for whichever is free."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np

from nomul.gen.spec.errors import NomulError
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.driver.base import BoardBase, Model, Progress
from nomul.sw.driver.memory import BoardError
from nomul.sw.driver.models import encoded
from nomul.sw.driver.records import BoardInfo, PushResult, RunResult

__all__ = ["Boards"]


class _StoppedError(Exception):
    """Another board has failed, or nobody waits any more."""


class Boards:
    """What a `Board` does, with several; a context manager that closes them all.

    Each board is served by a thread of its own while a call lasts. When one fails, the others stop after what is on
    its way, and the error names its port.

    Parameters
    ----------
    boards : sequence of BoardBase
        At least one; they may have different configurations.
    """

    def __init__(self, boards: Sequence[BoardBase]):
        self.boards = tuple(boards)

    def __enter__(self) -> "Boards":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Boards: {', '.join(map(repr, self.boards))}>"

    def close(self) -> None:
        """Closes all of them."""
        for board in self.boards:
            board.close()

    def info(self) -> list[BoardInfo]:
        """Who each of them is; raises as `BoardBase.info` does."""
        return [board.info() for board in self.boards]

    def push(self, model: Model, progress: Progress | None = None) -> list[PushResult]:
        """Loads a network onto all of them; arguments, results and errors as of `BoardBase.push`."""
        done, totals = [0] * len(self.boards), [0] * len(self.boards)
        results: dict[int, PushResult] = {}

        def work(number: int, tell: Callable[[Any], None]) -> None:
            tell(self.boards[number].push(model, lambda *progress: tell(progress)))

        for number, event in self._together(work):
            if isinstance(event, PushResult):
                results[number] = event
                continue
            done[number], totals[number] = event
            if progress:
                progress(sum(done), sum(totals))
        return [results[number] for number in range(len(self.boards))]

    def use(self, model: Model) -> None:
        """Says which network they hold already; raises as `BoardBase.use` does."""
        for board in self.boards:
            board.use(model)

    def run(self, images: np.ndarray, progress: Progress | None = None) -> RunResult:
        """Runs images, each on the board that is ready for it first; the results are in the order of the images.

        Arguments, results and errors as of `BoardBase.run`.
        """
        network = self._network()
        codes = encoded(images, network)
        logits = np.zeros((len(codes), network.classes), np.int16)
        top, cycles = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
        left, lock, finished = iter(range(len(codes))), threading.Lock(), 0

        def work(number: int, tell: Callable[[Any], None]) -> None:
            taken: list[int] = []

            def mine() -> Iterator[np.ndarray]:
                while True:
                    tell(None)
                    with lock:
                        image = next(left, None)
                    if image is None:
                        return
                    taken.append(image)
                    yield codes[image]

            for place, result in enumerate(self.boards[number].stream(mine())):
                tell((taken[place], result))

        for _, event in self._together(work):
            if event is None:
                continue
            image, (logits[event[0]], top[event[0]], cycles[event[0]]) = event
            finished += 1
            if progress:
                progress(finished, len(codes))
        return RunResult(logits, top, cycles)

    def cycles(self) -> dict[str, int]:
        """What the cycles of the first board's last run went into, as `BoardAccess.cycles` says."""
        return self.boards[0].cycles()

    def _network(self) -> CompiledNetwork:
        networks = {board.pushed().network_hash for board in self.boards}
        if len(networks) > 1:
            raise BoardError("the boards hold different networks: push one to all of them")
        return self.boards[0].pushed()

    def _together(self, work: Callable[[int, Callable[[Any], None]], None]) -> Iterator[tuple[int, Any]]:
        """Calls `work` for all boards' numbers at once; yields what each tells, here in the caller's thread."""
        events: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        stop = threading.Event()

        def run(number: int) -> None:
            def tell(event: Any) -> None:
                if stop.is_set():
                    raise _StoppedError
                events.put((number, event))

            try:
                work(number, tell)
                events.put((number, _StoppedError()))
            except BaseException as error:
                stop.set()
                events.put((number, error))

        failure: tuple[int, BaseException] | None = None
        with ThreadPoolExecutor(len(self.boards), "board") as threads:
            for number in range(len(self.boards)):
                threads.submit(run, number)
            try:
                left = len(self.boards)
                while left:
                    number, event = events.get()
                    if isinstance(event, BaseException):
                        left -= 1
                        if failure is None and not isinstance(event, _StoppedError):
                            failure = number, event
                    elif failure is None:
                        yield number, event
            finally:
                stop.set()
        if failure is not None:
            number, error = failure
            if isinstance(error, NomulError):
                raise BoardError(f"{self.boards[number].port}: {error}") from None
            raise error
