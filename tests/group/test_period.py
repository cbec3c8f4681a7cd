"""Months and periods (``reference/value-types.md`` §17)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bai_manager.types.period import (
    InvalidPeriod,
    InvalidTimeZone,
    Period,
    parse_month,
    parse_period,
    parse_zone,
)


@pytest.mark.parametrize("text", ["202611", "2026-11", " 2026-11 "])
def test_a_month_is_written_with_or_without_a_dash(text: str) -> None:
    assert parse_month(text) == Period(
        datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    )


def test_december_ends_with_the_year() -> None:
    assert parse_month("2026-12").end == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "0000-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidPeriod):
        parse_month(text)


def test_a_month_begins_at_midnight_of_the_zone() -> None:
    month = parse_month("2026-03", ZoneInfo("America/New_York"))
    assert month.start == datetime(2026, 3, 1, 5, tzinfo=UTC)
    assert month.end == datetime(2026, 4, 1, 4, tzinfo=UTC)  # summer time has begun


@pytest.mark.parametrize(("first", "last"), [("20261101", "20261101"), ("2026-11-01", "20261101")])
def test_the_last_day_is_included(first: str, last: str) -> None:
    period = parse_period(first, last)
    assert period.end - period.start == timedelta(days=1)


@given(st.dates(min_value=datetime(1990, 1, 1).date(), max_value=datetime(2200, 1, 1).date()))  # noqa: DTZ001
def test_a_hundred_days_are_the_most(first: object) -> None:
    began = datetime.fromisoformat(f"{first}T00:00:00+00:00")
    last = began + timedelta(days=99)
    period = parse_period(f"{began:%Y%m%d}", f"{last:%Y%m%d}")
    assert (period.end - period.start).days == 100
    too_late = last + timedelta(days=1)
    with pytest.raises(InvalidPeriod):
        parse_period(f"{began:%Y%m%d}", f"{too_late:%Y%m%d}")


def test_the_hour_that_summer_time_takes_is_no_day_less() -> None:
    zone = ZoneInfo("America/New_York")
    period = parse_period("20260301", "20260608", zone)
    assert period.end - period.start == timedelta(days=100) - timedelta(hours=1)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("20261102", "20261101"),
        ("20261131", "20261201"),
        ("2026-1101", "20261201"),
        ("20261101", "tomorrow"),
        ("", ""),
    ],
)
def test_what_is_no_period_is_refused(first: str, last: str) -> None:
    with pytest.raises(InvalidPeriod):
        parse_period(first, last)


def test_a_zone_is_utc_or_one_of_the_machine() -> None:
    assert parse_zone("utc") is UTC
    assert parse_zone("Asia/Seoul") == ZoneInfo("Asia/Seoul")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "America", "/etc/localtime"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidTimeZone):
        parse_zone(name)
