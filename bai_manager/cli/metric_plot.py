"""The axes and lines of a chart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.text import Text

from bai_manager.cli.metric_canvas import AsciiCanvas, BrailleCanvas, Canvas, Point
from bai_manager.cli.metric_units import amount_text, ticks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bai_manager.services.metric.actions import ContainerMetricActionResult
    from bai_manager.services.metric.types import SeriesData

STYLES: Final = ("cyan", "magenta", "green", "yellow", "blue", "red")

_NARROWEST: Final = 20
_ROWS_A_TICK: Final = 3
_CELLS_A_TIME: Final = 10
_MARKS: Final = 3
_GAP: Final = 1.5
"""Of a step: where points are farther apart, samples are missing, and so is the line."""
_DAY: Final = 86400
_TIME_STEPS: Final = (
    *(1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 20, 30)),
    *(3600 * hours for hours in (1, 2, 3, 4, 6, 8, 12)),
    *(_DAY * days for days in (1, 2, 4, 7, 14, 28, 91, 182, 364)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """Cells that may be filled, and whether they may hold more than ASCII."""

    width: int
    height: int
    unicode: bool


def style_of(line: int | None) -> str:
    """The Rich style of a line, by its number."""
    return "" if line is None else STYLES[line % len(STYLES)]


class Plot:
    """Lines above a time axis and beside one of amounts; amounts begin at 0."""

    def __init__(
        self,
        result: ContainerMetricActionResult,
        lines: Sequence[SeriesData],
        letters: Sequence[str],
        space: Space,
    ) -> None:
        self._lines = lines
        self._unicode = space.unicode
        self._start, self._end = result.start.timestamp(), result.end.timestamp()
        self._step = result.step.total_seconds()
        finite = [value for line in lines for value in line.values if math.isfinite(value)]
        low, high = min(0.0, *finite), max(0.0, *finite)
        most = max(2, space.height // _ROWS_A_TICK)
        self._ticks = ticks(low, high if high > low else low + 1, result.unit, most)
        self._labels = [amount_text(tick, result.unit) for tick in self._ticks]
        self._margin = max(map(len, self._labels))
        width = max(space.width - self._margin - 2, _NARROWEST)
        self._canvas: Canvas = (
            BrailleCanvas(width, space.height)
            if space.unicode
            else AsciiCanvas(width, space.height, letters if len(lines) > 1 else "*")
        )
        for number, line in enumerate(lines):
            self._draw(number, line)
        if len(lines) > 1:
            for number, line in enumerate(lines):
                self._mark(number, line, letters[number])

    def text(self) -> Iterator[Text]:
        """The rows of the canvas with amounts beside them, then the time axis."""
        rows = [round(self._y(tick) * (self._canvas.height - 1)) for tick in self._ticks]
        labels = dict(zip(rows, self._labels, strict=True))
        for number, cells in enumerate(self._canvas.rows()):
            at_tick = number in labels
            edge = ("┤" if at_tick else "│") if self._unicode else ("+" if at_tick else "|")
            line = Text(f"{labels.get(number, ''):>{self._margin}} {edge}")
            for owner, run in groupby(cells, key=lambda cell: cell.line):
                line.append("".join(cell.text for cell in run), style=style_of(owner))
            line.rstrip()
            yield line
        yield from self._time_axis()

    def _time_axis(self) -> Iterator[Text]:
        corner, rule, mark = "└─┬" if self._unicode else "+-+"
        width = self._canvas.width
        before = self._margin + 2
        axis = [rule] * width
        labels = [" "] * (before + width)
        free_from = 0
        for moment, text in self._times():
            column = round(self._x(moment) * (width - 1))
            axis[column] = mark
            begin = min(before + column - len(text) // 2, len(labels) - len(text))
            if begin >= free_from:
                labels[begin : begin + len(text)] = text
                free_from = begin + len(text) + 1
        yield Text(f"{'':>{before - 1}}{corner}{''.join(axis)}")
        yield Text("".join(labels).rstrip())

    def _times(self) -> list[tuple[float, str]]:
        """Round times within the range, in UTC, and how they are written."""
        wanted = max(self._end - self._start, 1) / max(2, self._canvas.width // _CELLS_A_TIME)
        step = next((step for step in _TIME_STEPS if step >= wanted), _TIME_STEPS[-1])
        first = math.ceil(self._start / step) * step
        count = math.floor((self._end - first) / step) + 1
        return [(first + n * step, _time_text(first + n * step, step)) for n in range(count)]

    def _draw(self, number: int, line: SeriesData) -> None:
        run: list[Point] = []
        before = -math.inf
        for time, value in zip(line.times, line.values, strict=True):
            known = math.isfinite(value)
            if not known or time - before > self._step * _GAP:
                self._canvas.draw(number, run)
                run = []
            if known:
                run.append(Point(self._x(time), self._y(value)))
                before = time
        self._canvas.draw(number, run)

    def _mark(self, number: int, line: SeriesData, letter: str) -> None:
        """Letters at places of its own for each line, so that lines on each other show both."""
        known = [
            (time, value)
            for time, value in zip(line.times, line.values, strict=True)
            if math.isfinite(value)
        ]
        for mark in range(_MARKS):
            part = (mark + (number + 0.5) / len(self._lines)) / _MARKS
            time, value = known[int(part * len(known))]
            self._canvas.mark(number, self._x(time), self._y(value), letter)

    def _x(self, time: float) -> float:
        if self._end <= self._start:
            return 0.5
        return min(max((time - self._start) / (self._end - self._start), 0.0), 1.0)

    def _y(self, value: float) -> float:
        low, high = self._ticks[0], self._ticks[-1]
        return (high - value) / (high - low)


def _time_text(time: float, step: int) -> str:
    """The date where a day begins, or where nothing but days are marked; else the time of day."""
    moment = datetime.fromtimestamp(time, UTC)
    if step >= _DAY or time % _DAY == 0:
        return f"{moment:%m-%d}"
    return f"{moment:%H:%M}" if step >= 60 else f"{moment:%H:%M:%S}"  # noqa: PLR2004 - a minute
