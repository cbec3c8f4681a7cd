"""The points in time of a range query, and how a long range is cut."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.clients.prometheus.errors import RangeTooFine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

MOST_POINTS: Final = 11_000
"""Of one series in one answer; Prometheus refuses more (``reference/prometheus.md`` §4)."""
MOST_PARTS: Final = 500

_NICE_STEPS: Final = (
    *(5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600 * hours for hours in (1, 2, 3, 6, 12)),
    *(86400 * days for days in (1, 2, 7, 14, 28)),
)


@dataclass(frozen=True, slots=True)
class Grid:
    """``count`` points from ``start`` (Unix milliseconds) on, ``step`` milliseconds apart."""

    start: int
    step: int
    count: int

    @classmethod
    def between(cls, start: datetime, end: datetime, step: timedelta) -> Grid:
        """Every multiple of ``step`` from ``start`` to ``end``; the last before, if none is within.

        The same moments come again in the next query, so results can be laid side by side.
        Raises ``RangeTooFine``.
        """
        width = round(step.total_seconds() * 1000)
        last = math.floor(end.timestamp() * 1000) // width
        first = min(-(-math.ceil(start.timestamp() * 1000) // width), last)
        count = last - first + 1
        if count > MOST_POINTS * MOST_PARTS:
            raise RangeTooFine(count, MOST_POINTS * MOST_PARTS)
        return cls(first * width, width, count)

    @property
    def end(self) -> int:
        """The last point, Unix milliseconds."""
        return self.start + (self.count - 1) * self.step

    def parts(self) -> Iterator[Grid]:
        """The same points in runs that Prometheus accepts, in order."""
        for first in range(0, self.count, MOST_POINTS):
            yield Grid(
                self.start + first * self.step, self.step, min(MOST_POINTS, self.count - first)
            )


def nice_step(length: float, points: int, shortest: float) -> int:
    """Seconds between points of a range of ``length`` seconds, so that there are about ``points``.

    A step that clocks show, never below ``shortest``; beyond four weeks, whole weeks.
    """
    wanted = max(length / points, shortest)
    for step in _NICE_STEPS:
        if step >= wanted:
            return step
    week = 7 * 86400
    return math.ceil(wanted / week) * week
