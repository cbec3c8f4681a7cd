"""Series as long rows: one value a line, whatever the format, and quickly where it is a line."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bai_manager.cli.output import encode
from bai_manager.cli.output.columns import Column, time_column
from bai_manager.cli.output.options import Format
from bai_manager.cli.output.rows import mark_dry_run, row_writer
from bai_manager.services.metric.types import SeriesPoint
from bai_manager.types.jsonable import rfc3339, to_jsonable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.output.writers import RowWriter
    from bai_manager.services.metric.actions import ContainerMetricActionResult
    from bai_manager.services.metric.types import SeriesData

POINT_COLUMNS: tuple[Column[SeriesPoint], ...] = (
    time_column("time", lambda point: point.time),
    Column("value", lambda point: point.value),
    Column("metric", lambda point: point.metric),
    Column("value_type", lambda point: point.value_type),
    Column("unit", lambda point: point.unit),
    Column("agent_id", lambda point: point.agent_id),
    Column("kernel_id", lambda point: point.kernel_id),
    Column("session_id", lambda point: point.session_id),
    Column("user_id", lambda point: point.user_id),
    Column("project_id", lambda point: point.project_id),
)
_LEADING: Final = 2
"""Columns that differ from point to point: time and value."""
_MOST_TIMES: Final = 20_000


def name_of(point: SeriesPoint) -> str:
    return point.metric


class PointWriter:
    """Writes the points of each series as it comes: lines as text that is made once a series.

    Other formats, and chosen columns, go the way of all rows. Both give the same bytes.
    """

    def __init__(self, output: OutputOptions) -> None:
        self._output = output
        self._times: dict[float, str] = {}
        self._header = ""
        self._rows: RowWriter[SeriesPoint] | None = None
        self._lines = None if output.columns is not None else _LINES.get(output.chosen_format)
        if self._lines is None or (output.stdout.isatty() and self._lines is _csv_lines):
            self._lines = None
            self._rows = row_writer(output, POINT_COLUMNS, name=name_of, noun="values")
        elif self._lines is not _json_lines and not output.no_header:
            self._header = _line_of(output)([column.name for column in POINT_COLUMNS])

    def take(self, query: ContainerMetricActionResult, series: SeriesData) -> None:
        """Write one series, or a part of it, and hand it on at once."""
        if self._rows is not None:
            for point in points(query, series):
                self._rows.write(point)
        elif self._lines is not None and series.times:
            first = next(points(query, series))
            before, between, after = self._lines(first)
            texts = zip(self._texts_of(series.times), map(_number, series.values), strict=True)
            nothing = "null" if self._lines is _json_lines else ""
            written = "".join(
                f"{before}{time}{between}{value or nothing}{after}" for time, value in texts
            )
            self._output.stdout.write(self._header + written)
            self._output.stdout.flush()
            self._header = ""

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()
        else:
            self._output.stdout.write(self._header)
            self._output.stdout.flush()
        mark_dry_run(self._output)

    def _texts_of(self, times: list[float]) -> Iterator[str]:
        """The times of most series are the same ones."""
        if len(self._times) > _MOST_TIMES:
            self._times.clear()
        for time in times:
            text = self._times.get(time)
            if text is None:
                text = self._times[time] = rfc3339(_moment(time))
            yield text


def points(query: ContainerMetricActionResult, series: SeriesData) -> Iterator[SeriesPoint]:
    """Each value of a series; NaN and infinity are no value."""
    labels = series.labels
    for time, value in zip(series.times, series.values, strict=True):
        yield SeriesPoint(
            time=_moment(time),
            value=_plain(value),
            metric=query.metric_name,
            value_type=query.value_type,
            unit=query.unit,
            agent_id=labels.agent_id,
            kernel_id=labels.kernel_id,
            session_id=labels.session_id,
            user_id=labels.user_id,
            project_id=labels.project_id,
        )


def _moment(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)


def _plain(value: float) -> float | None:
    """Whole numbers without a fraction, so that bytes are integers."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) else value


def _number(value: float) -> str:
    plain = _plain(value)
    return "" if plain is None else repr(plain)


def _json_lines(first: SeriesPoint) -> tuple[str, str, str]:
    same = {column.name: to_jsonable(column.value(first)) for column in POINT_COLUMNS[_LEADING:]}
    return '{"time": "', '", "value": ', f", {encode.json_text(same)[1:]}\n"


def _tsv_lines(first: SeriesPoint) -> tuple[str, str, str]:
    return "", "\t", f"\t{encode.tsv_line(_same_cells(first))}"


def _csv_lines(first: SeriesPoint) -> tuple[str, str, str]:
    return "", ",", f",{encode.csv_line(_same_cells(first))}"


def _same_cells(first: SeriesPoint) -> list[str]:
    return [encode.machine_text(column.value(first)) for column in POINT_COLUMNS[_LEADING:]]


_LINES: Final[Mapping[Format, Callable[[SeriesPoint], tuple[str, str, str]]]] = {
    Format.JSONL: _json_lines,
    Format.TSV: _tsv_lines,
    Format.CSV: _csv_lines,
}


def _line_of(output: OutputOptions) -> Callable[[list[str]], str]:
    return encode.csv_line if output.chosen_format is Format.CSV else encode.tsv_line
