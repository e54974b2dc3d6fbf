"""What a person sees: progress bars on standard error, results on standard output.

Bars appear only on a terminal, so that a pipe or a log gets no control codes.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

__all__ = ["ProgressCallback", "RateColumn", "progress", "say", "show_table", "working"]


class ProgressCallback(Protocol):
    """Called with what is done, how much there is in all, and what else there is to say."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Moves the bar."""
        ...


#: Width of tables that go to a pipe or a file, where nothing must be cut off.
_WIDE = 1000

_NUMBER = re.compile(r"(-?\d+(\.\d+)?)?")


class RateColumn(ProgressColumn):
    """How fast it goes, in `unit` a second, over the last half minute."""

    def __init__(self, unit: str):
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The rate, or nothing while it is not known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._unit}/s" if speed >= 10 else
                    f"{speed:.2f} {self._unit}/s")


@contextmanager
def progress(description: str, unit: str = "") -> Iterator[ProgressCallback]:
    """A progress bar; yields the function that moves it: ``callback(done, total, note)``.

    With a `unit`, the bar says what it counts, and how many of them are done in a second.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               *((TextColumn(unit), RateColumn(unit)) if unit else ()), TimeElapsedColumn(),
               TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=None, note="")

        def update(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield update


@contextmanager
def working(description: str) -> Iterator[None]:
    """A spinner and the time that has passed, for work that cannot say how far it is."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as spinner:
        spinner.add_task(description, total=None)
        yield


def say(text: str = "") -> None:
    """Prints one line of result at once."""
    print(text, flush=True)


def show_table(rows: Sequence[Sequence[object]], header: Sequence[str] = ()) -> None:
    """Prints a table: columns of numbers to the right, others to the left.

    Parameters
    ----------
    rows : sequence of sequences
        Cells, shown by `str`.
    header : sequence of str
        Names of the columns; none by default.
    """
    table = Table(box=None, show_header=bool(header), pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index in range(len(rows[0]) if rows else len(header)):
        numbers = all(_NUMBER.fullmatch(str(row[index])) for row in rows)
        table.add_column(header[index] if header else "", justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    if sys.stdout.isatty():
        Console(markup=False, highlight=False).print(table)
    else:
        console = Console(width=_WIDE, markup=False, highlight=False)
        with console.capture() as capture:
            console.print(table)
        say("\n".join(line.rstrip() for line in capture.get().splitlines()))
