"""Charts as SVG and PNG files, by matplotlib (the optional extra ``plot``)."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from bai_manager.cli.metric_chart import highest, period, subject
from bai_manager.cli.metric_units import amount_text, ticks
from bai_manager.errors import BackendAIError
from bai_manager.services.metric.errors import PlottingMissing
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bai_manager.services.metric.actions import ContainerMetricActionResult
    from bai_manager.services.metric.types import SeriesData

_INCHES: Final = (11.0, 5.5)
_DOTS_PER_INCH: Final = 144
_TICKS: Final = 6
_LEGEND_COLUMNS: Final = 3
_LONGEST_NAME: Final = 48
_STYLE: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bai-manager",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "font.size": 10,
}


class PictureNotWritten(BackendAIError):
    """The file of a picture cannot be written."""

    error_code = "metric_create_unavailable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A chart that was written to a file."""

    file: str
    metric: str
    series: int


def write_picture(
    result: ContainerMetricActionResult, file: Path, *, kind: str, limit: int
) -> Picture:
    """Draw the highest series into a file, which is replaced as a whole.

    ``kind`` is svg or png. Raises ``PlottingMissing`` and ``PictureNotWritten``.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - half a second, for pictures only
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise PlottingMissing(
            "Pictures are drawn by matplotlib, which is not installed.",
            hint="Install bai-manager[plot].",
        ) from error
    lines = highest(result.result, limit)
    unfinished = file.with_name(f".{file.name}.{uuid4().hex[:8]}")
    with mpl.rc_context(_STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.simplefilter("ignore")  # a name may hold what the font does not have
        figure = Figure(figsize=_INCHES, layout="constrained")
        _draw(figure, result, lines)
        try:
            figure.savefig(
                unfinished,
                format=kind,
                dpi=_DOTS_PER_INCH,
                metadata={"Date": None} if kind == "svg" else None,
            )
            unfinished.replace(file)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise PictureNotWritten(
                f"{file} cannot be written: {error.strerror}.",
                hint="Name a file in a folder that exists and is yours.",
            ) from error
    return Picture(file=str(file), metric=result.metric_name, series=len(lines))


def _draw(figure: Figure, result: ContainerMetricActionResult, lines: Sequence[SeriesData]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415

    axes: Axes = figure.subplots()
    drawn = [axes.plot(*_curve(line, result), linewidth=1.4)[0] for line in lines]  # type: ignore[arg-type]
    axes.set_title(
        f"{subject(result)}   {period(result)}", loc="left", fontsize=11, parse_math=False
    )
    values = [value for line in lines for value in line.values if value == value]  # noqa: PLR0124
    low, high = min(0.0, *values), max(0.0, *values)
    marks = ticks(low, high if high > low else low + 1, result.unit, _TICKS)
    axes.set_yticks(marks, [amount_text(mark, result.unit) for mark in marks])
    axes.set_ylim(marks[0], marks[-1])
    axes.set_xlim(result.start, result.end)  # type: ignore[arg-type]
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    legend = figure.legend(
        drawn,
        [f" {printable(line.name, limit=_LONGEST_NAME)}" for line in lines],
        loc="outside lower left",
        ncols=_LEGEND_COLUMNS,
        frameon=False,
        fontsize=9,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _curve(
    line: SeriesData, result: ContainerMetricActionResult
) -> tuple[list[datetime], list[float]]:
    """Points with a gap wherever one is missing."""
    step = result.step.total_seconds()
    times: list[datetime] = []
    values: list[float] = []
    before: float | None = None
    for time, value in zip(line.times, line.values, strict=True):
        if before is not None and time - before > step * 1.5:
            times.append(datetime.fromtimestamp(before + step, UTC))
            values.append(float("nan"))
        times.append(datetime.fromtimestamp(time, UTC))
        values.append(value)
        before = time
    return times, values
