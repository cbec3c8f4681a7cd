"""A progress bar, with Rich."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from bai_manager.cli.output.options import terminal_size
from bai_manager.cli.output.people import plain_console
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bai_manager.cli.output.options import OutputOptions


class Bar:
    """One task of a Rich progress display."""

    def __init__(self, progress: Progress, task: TaskID, expected: float) -> None:
        self._progress = progress
        self._task = task
        self._expected = expected

    def advance(self, amount: float = 1) -> None:
        self._progress.advance(self._task, amount)

    def expect(self, amount: float) -> None:
        self._expected += amount
        self._progress.update(self._task, total=self._expected)

    def describe(self, text: str) -> None:
        self._progress.update(self._task, description=printable(text))


@contextmanager
def bar(options: OutputOptions, text: str, total: float | None, *, in_bytes: bool) -> Iterator[Bar]:
    """Show a bar on stderr, and remove it at the end."""
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *_counters(total, in_bytes=in_bytes),
        console=plain_console(options, options.stderr, terminal_size(options.stderr).columns),
        transient=True,
    ) as progress:
        yield Bar(progress, progress.add_task(printable(text), total=total), total or 0)


def _counters(total: float | None, *, in_bytes: bool) -> list[ProgressColumn]:
    if in_bytes:
        return [DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn()]
    return [] if total is None else [MofNCompleteColumn(), TimeRemainingColumn()]
