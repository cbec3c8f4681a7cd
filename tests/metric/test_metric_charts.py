"""Charts fit, say what they show, and can be read without colour and without Unicode."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bai_manager.cli.metric_chart import chart, highest
from bai_manager.cli.metric_pictures import write_picture
from bai_manager.cli.metric_plot import Space
from bai_manager.cli.metric_spark import ASCII_BLOCKS, sparkline
from bai_manager.cli.metric_units import amount_text, ticks
from bai_manager.services.metric.actions import ContainerMetricActionResult
from bai_manager.services.metric.types import (
    Labels,
    MetricKind,
    MetricUnit,
    SeriesData,
    ValueType,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = datetime(2026, 11, 23, 22, tzinfo=UTC)
HOURS = 6
STEP = timedelta(minutes=2)
COUNT = HOURS * 30 + 1


def series(name: str, value: Callable[[int], float | None]) -> SeriesData:
    points = [
        (START.timestamp() + number * 120, found)
        for number in range(COUNT)
        if (found := value(number)) is not None
    ]
    return SeriesData(
        labels=Labels(session_id=name),
        name=name,
        times=[time for time, _ in points],
        values=[found for _, found in points],
    )


def result(
    *all_series: SeriesData, unit: MetricUnit = MetricUnit.BYTES
) -> ContainerMetricActionResult:
    return ContainerMetricActionResult(
        metric_name="mem",
        value_type=ValueType.CURRENT,
        kind=MetricKind.GAUGE,
        unit=unit,
        start=START,
        end=START + timedelta(hours=HOURS),
        step=STEP,
        result=list(all_series),
    )


def drawn(
    *all_series: SeriesData,
    width: int = 80,
    unicode: bool = True,
    unit: MetricUnit = MetricUnit.BYTES,
) -> list[str]:
    asked = result(*all_series, unit=unit)
    space = Space(width=width, height=12, unicode=unicode)
    return [line.plain for line in chart(asked, highest(asked.result, 20), space)]


def wave(number: int) -> float:
    return 2**30 * (1 + math.sin(number / 20))


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int, unicode: bool) -> None:
    many = [series(f"train-{number} of somebody" * 3, wave) for number in range(20)]
    assert max(map(len, drawn(*many, width=width, unicode=unicode))) <= width


def test_axes_have_units_and_the_title_says_what_and_when() -> None:
    lines = drawn(series("train-1", wave))
    assert lines[0] == "mem, bytes  2026-11-23 22:00 to 2026-11-24 04:00 UTC, every 2m"
    amounts = [line.partition("┤")[0].strip() for line in lines if "┤" in line]
    assert amounts[0] == "2 GiB"
    assert amounts[-1] == "0 bytes"
    times = next(line for line in lines[1:] if "11-24" in line)
    assert times.split() == ["22:00", "23:00", "11-24", "01:00", "02:00", "03:00", "04:00"]


def test_without_unicode_there_is_only_ascii() -> None:
    text = "\n".join(drawn(series("a", wave), series("b", lambda _: 2**29), unicode=False))
    assert text.isascii()
    assert {"A", "B"} <= set(text)


def test_lines_are_told_apart_without_colour() -> None:
    lines = drawn(series("low", lambda _: 1e9), series("high", lambda _: 2e9))
    assert [line[0] for line in lines if line.endswith("GiB") or "MiB" in line[-8:]][-2:] == [
        "A",
        "B",
    ]
    picture = "".join(line.partition("┤" if "┤" in line else "│")[2] for line in lines[1:13])
    assert picture.count("A") == picture.count("B") == 3


def test_a_letter_is_in_the_row_of_its_line() -> None:
    lines = drawn(series("flat", lambda _: 1.3e9), series("other", lambda _: 1e8))[1:13]
    row = next(line for line in lines if "A" in line)
    assert row.count("A") == 3
    assert sum(0x2800 < ord(character) <= 0x28FF for character in row) > 60


def test_missing_samples_are_gaps() -> None:
    whole = drawn(series("a", lambda _: 1e9))
    holed = drawn(series("a", lambda number: None if 60 < number < 120 else 1e9))
    count = [sum(ord(c) > 0x2800 for c in "".join(lines[1:13])) for lines in (whole, holed)]
    assert count[1] < count[0] * 0.75


def test_no_numbers_are_gaps_too() -> None:
    nan = drawn(series("a", lambda number: math.nan if 60 < number < 120 else 1e9))
    none = drawn(series("a", lambda number: None if 60 < number < 120 else 1e9))
    assert nan[1:13] == none[1:13]


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e-9, 1e300])
def test_a_flat_line_of_any_height_is_drawn(value: float) -> None:
    lines = drawn(series("a", lambda _: value), unit=MetricUnit.NONE)
    assert any(ord(character) > 0x2800 for character in "".join(lines))


def test_a_single_point_is_a_dot() -> None:
    lines = drawn(series("a", lambda number: 1e9 if number == 90 else None))
    assert sum(ord(character) > 0x2800 for character in "".join(lines[1:13])) == 1


def test_a_hostile_name_is_shown_and_not_obeyed() -> None:
    text = "\n".join(drawn(series("\x1b[31mred\n[bold]", wave)))
    assert "\x1b" not in text
    assert r"\x1b[31mred\n[bold]" in text


def test_the_highest_on_average_are_chosen() -> None:
    rows = [series(str(number), lambda _, value=number: value) for number in range(30)]  # type: ignore[misc]
    assert [one.name for one in highest(rows, 3)] == ["29", "28", "27"]
    assert highest([series("none", lambda _: math.nan)], 3) == []


@pytest.mark.parametrize(
    ("low", "high", "unit", "expected"),
    [
        (0, 100, MetricUnit.PERCENT, [0, 20, 40, 60, 80, 100]),
        (0, 3 * 2**30, MetricUnit.BYTES, [0, 2**30, 2 * 2**30, 3 * 2**30]),
        (0, 0.03, MetricUnit.NONE, [0, 0.01, 0.02, 0.03]),
        (-5, 5, MetricUnit.NONE, [-5, 0, 5]),
    ],
)
def test_amounts_beside_the_axis_are_round(
    low: float, high: float, unit: MetricUnit, expected: list[float]
) -> None:
    assert ticks(low, high, unit, 6)[: len(expected)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1536, MetricUnit.BYTES, "1.5 KiB"),
        (3000, MetricUnit.BYTES_PER_SECOND, "2.93 KiB/s"),
        (9.999999999, MetricUnit.CORE_PERCENT, "10%"),
        (12.3456, MetricUnit.NONE, "12.35"),
        (250, MetricUnit.MILLISECONDS, "250 ms"),
        (math.inf, MetricUnit.BYTES, "-"),
        (None, MetricUnit.BYTES, "-"),
    ],
)
def test_amounts_have_their_unit(value: float | None, unit: MetricUnit, text: str) -> None:
    assert amount_text(value, unit) == text


def test_a_sparkline_goes_from_nothing_to_the_highest() -> None:
    assert sparkline([0, 50, 100, None]) == "▁▅█ "
    assert sparkline([0, 100], ASCII_BLOCKS) == "_#"
    assert sparkline([0, 0]) == "▁▁"


@pytest.mark.parametrize(("kind", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_pictures_hold_every_series(tmp_path: Path, kind: str, magic: bytes) -> None:
    hostile = "$x_{"
    asked = result(series("train-1", wave), series(hostile, lambda _: 1e9))
    file = tmp_path / f"mem.{kind}"
    written = write_picture(asked, file, kind=kind, limit=20)
    assert written.series == 2
    content = file.read_bytes()
    assert content.startswith(magic)
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]
    if kind == "svg":
        assert b"train-1" in content
        assert hostile.encode() in content
