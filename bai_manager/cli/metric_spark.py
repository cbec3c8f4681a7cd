"""Sparklines: the last while of a metric in one cell of a table."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from bai_manager.cli.metric_units import amount_text
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_rows
from bai_manager.cli.session_columns import LIST_COLUMNS
from bai_manager.services.metric.actions import ContainerMetricAction, ContainerMetricOptionalLabel
from bai_manager.services.metric.errors import NoSamples
from bai_manager.services.metric.types import Dimension
from bai_manager.services.session.types import SessionData
from bai_manager.types.duration import parse_timedelta
from bai_manager.types.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.metric.actions import ContainerMetricActionResult
    from bai_manager.types.clock import Clock

BLOCKS: Final = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS: Final = "_.-=+*%#"

_POINTS: Final = 20
_FEW: Final = 100
_MOST_AT_ONCE: Final = timedelta(days=366)


class InvalidSpark(InvalidValue):
    noun = "sparkline"


@dataclass(frozen=True, kw_only=True, slots=True)
class SparkedSession(SessionData):
    """A session with the last while of one metric; ``spark`` has None where there was no sample."""

    spark: list[float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spark:
    """What ``--spark`` asks for."""

    metric: str
    over: timedelta

    @classmethod
    def parse(cls, text: str) -> Spark:
        """``cpu_util:1h``; an hour when no time is given. Raises ``InvalidSpark``."""
        metric, _, over = text.partition(":")
        if not metric:
            raise InvalidSpark(text, "it names no metric", example="cpu_util:1h")
        length = parse_timedelta(over or "1h")
        if not timedelta() < length <= _MOST_AT_ONCE:
            raise InvalidSpark(text, "the time is not one up to a year", example="cpu_util:1h")
        return cls(metric=metric, over=length)


def sparkline(values: Sequence[float | None], blocks: str = BLOCKS) -> str:
    """One character a value, from 0 to the highest; a blank where there is none."""
    known = [value for value in values if value is not None]
    top = max(known, default=0) or 1
    last = len(blocks) - 1
    return "".join(
        " " if value is None else blocks[min(last, max(0, math.ceil(value / top * last)))]
        for value in values
    )


async def emit_sparked(
    processor: ActionProcessor, output: OutputOptions, sessions: Sequence[SessionData], text: str
) -> None:
    """List sessions with what ``--spark`` asks for. Raises ``InvalidSpark``."""
    rows, column = await _with_sparks(processor, sessions, Spark.parse(text), output.clock)
    emit_rows(
        output,
        (*cast("tuple[Column[SparkedSession], ...]", LIST_COLUMNS), column),
        rows,
        name=lambda session: session.name,
        noun="sessions",
    )


async def _with_sparks(
    processor: ActionProcessor, sessions: Sequence[SessionData], spark: Spark, clock: Clock
) -> tuple[list[SparkedSession], Column[SparkedSession]]:
    """The sessions with what they used, from one query, and the column that shows it."""
    now = clock()
    action = ContainerMetricAction(
        metric_name=spark.metric,
        labels=ContainerMetricOptionalLabel(
            sessions=tuple(str(session.id) for session in sessions) if len(sessions) <= _FEW else ()
        ),
        by=(Dimension.SESSION,),
        start=now - spark.over,
        end=now,
        step=timedelta(seconds=max(5, math.ceil(spark.over.total_seconds() / _POINTS))),
    )
    result = None
    if sessions:
        with suppress(NoSamples):  # of none of them: every cell is empty
            result = await processor.run(action)
    values = _by_session(result) if result else {}
    rows = [_sparked(session, values.get(str(session.id), [])) for session in sessions]
    return rows, _column(spark, result)


def _by_session(result: ContainerMetricActionResult) -> dict[str, list[float | None]]:
    """Session id → its values, one for each point of the range."""
    step, start = result.step.total_seconds(), result.start.timestamp()
    count = round((result.end.timestamp() - start) / step) + 1
    found: dict[str, list[float | None]] = {}
    for series in result.result:
        cells = found.setdefault(series.labels.session_id or "", [None] * count)
        for time, value in zip(series.times, series.values, strict=True):
            index = round((time - start) / step)
            if math.isfinite(value) and 0 <= index < count:
                cells[index] = value
    return found


def _sparked(session: SessionData, values: list[float | None]) -> SparkedSession:
    own = {field.name: getattr(session, field.name) for field in fields(session)}
    return SparkedSession(**own, spark=values)


def _column(spark: Spark, result: ContainerMetricActionResult | None) -> Column[SparkedSession]:
    def human(session: SparkedSession) -> str:
        known = [value for value in session.spark if value is not None]
        if not known or result is None:
            return "-"
        return f"{sparkline(session.spark)} {amount_text(known[-1], result.unit)}"

    return Column(
        "spark",
        lambda session: session.spark,
        title=spark.metric.replace("_", " "),
        human=human,
    )
