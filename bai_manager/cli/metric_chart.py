"""Line charts for a terminal: a title, axes with units, the lines, a legend with figures.

Lines are told apart by letters on them and in the legend; colour repeats what the letters say.
"""

from __future__ import annotations

import math
from datetime import UTC
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Final

from rich.text import Text

from bai_manager.cli.metric_plot import Plot, Space, style_of
from bai_manager.cli.metric_units import amount_text
from bai_manager.cli.output.options import terminal_size
from bai_manager.cli.output.people import plain_console
from bai_manager.types.duration import humanized
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.metric.actions import ContainerMetricActionResult
    from bai_manager.services.metric.types import MetricUnit, SeriesData

LETTERS: Final = ascii_uppercase + ascii_lowercase
MOST_LINES: Final = len(LETTERS)

_LOWEST: Final = 8
_HIGHEST: Final = 24
_AROUND_PLOT: Final = 6
"""Lines of title, axis, times, the legend's head and a prompt of two lines."""
_WIDEST_NAME: Final = 60
_NARROWEST_NAME: Final = 8
_GAP: Final = "  "
_WITHOUT_BRAILLE: Final = frozenset({"dumb", "linux", "vt100", "vt220"})


def show_chart(
    output: OutputOptions,
    result: ContainerMetricActionResult,
    *,
    limit: int,
    ascii_only: bool,
    lines_of_terminal: int,
) -> None:
    """Draw on stdout; says on stderr which series are left out."""
    lines = highest(result.result, limit)
    unicode = not ascii_only and shows_unicode(output)
    height = lines_of_terminal - _AROUND_PLOT - len(lines)
    space = Space(
        width=output.line_width or 80,
        height=max(_LOWEST, min(height, _HIGHEST)),
        unicode=unicode,
    )
    console = plain_console(output, output.stdout)
    for line in chart(result, lines, space):
        console.print(line, soft_wrap=True)
    output.stdout.flush()
    if len(result.result) > len(lines):
        output.note(
            f"Showing {len(lines)} of {len(result.result)} series, those highest on average."
            " More with --limit, all with -o tsv."
        )


def shows_unicode(output: OutputOptions) -> bool:
    """Whether the terminal can be expected to have Braille and block characters."""
    encoding = (getattr(output.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    return encoding.startswith("utf") and output.environ.get("TERM") not in _WITHOUT_BRAILLE


def height_of(output: OutputOptions) -> int:
    """Lines of the terminal that stdout is."""
    return terminal_size(output.stdout).lines


def highest(series: Sequence[SeriesData], limit: int) -> list[SeriesData]:
    """The ``limit`` series that are highest on average, in that order; those without a number
    are left out.
    """
    known = [one for one in series if any(map(math.isfinite, one.values))]
    return sorted(known, key=lambda one: (-_mean(_finite(one)), one.name))[:limit]


def chart(
    result: ContainerMetricActionResult, lines: Sequence[SeriesData], space: Space
) -> Iterator[Text]:
    """The whole picture, line by line, none longer than the space is wide."""
    yield _title(result, space)
    yield from Plot(result, lines, LETTERS, space).text()
    yield from _legend(result.unit, lines, space)


def subject(result: ContainerMetricActionResult) -> str:
    """``mem, bytes`` or ``mem capacity, bytes``."""
    name = printable(result.metric_name)
    if result.value_type.value != "current":
        name = f"{name} {result.value_type.value}"
    return f"{name}, {result.unit.value}" if result.unit.value else name


def period(result: ContainerMetricActionResult) -> str:
    """``2026-11-23 03:30 to 09:30 UTC, every 2m``."""
    start, end = result.start.astimezone(UTC), result.end.astimezone(UTC)
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M} to {until} UTC, every {humanized(result.step)}"


def _title(result: ContainerMetricActionResult, space: Space) -> Text:
    title = Text(subject(result), style="bold")
    title = Text.assemble(title, f"{_GAP}{period(result)}")
    title.truncate(space.width)
    return title


def _legend(unit: MetricUnit, lines: Sequence[SeriesData], space: Space) -> Iterator[Text]:
    """Letter, a piece of the line, name, and what it amounts to."""
    figures = [
        [amount_text(statistic(_finite(line)), unit) for statistic in _STATISTICS.values()]
        for line in lines
    ]
    widths = [max(map(len, column)) for column in zip(_STATISTICS, *figures, strict=True)]
    sample = ("⠒⠒" if space.unicode else "--") if len(lines) > 1 else ""
    before = f"A {sample} " if sample else ""
    room = space.width - len(before) - sum(widths) - len(_GAP) * len(widths)
    names = [Text(printable(line.name, limit=_WIDEST_NAME)) for line in lines]
    widest = max(_NARROWEST_NAME, min(room, max(name.cell_len for name in names)))
    yield Text(
        " " * (len(before) + widest) + "".join(_right(list(_STATISTICS), widths)), style="dim"
    )
    for number, (name, row) in enumerate(zip(names, figures, strict=True)):
        name.truncate(widest, overflow="ellipsis" if space.unicode else "crop", pad=True)
        head = Text(f"{LETTERS[number]} {sample} " if sample else "", style=style_of(number))
        yield Text.assemble(head, name, *_right(row, widths))


def _right(texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [f"{_GAP}{text:>{width}}" for text, width in zip(texts, widths, strict=True)]


def _finite(series: SeriesData) -> list[float]:
    return [value for value in series.values if math.isfinite(value)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


_STATISTICS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "last": lambda values: values[-1],
    "mean": _mean,
    "max": max,
}
