"""Where series go that come one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bai_manager.services.metric.actions import ContainerMetricActionResult
    from bai_manager.services.metric.types import SeriesData


class SeriesSink(Protocol):
    """Takes what a query finds while it is still under way."""

    def take(self, query: ContainerMetricActionResult, series: SeriesData) -> None:
        """One series, or what a part of a long range has of it; ``query`` says what of."""


class NullSink:
    """For callers that do not stream."""

    def take(self, query: ContainerMetricActionResult, series: SeriesData) -> None:
        """Let it go."""
