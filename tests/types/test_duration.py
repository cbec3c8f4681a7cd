from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types.duration import Duration, humanized, parse_time, parse_timedelta
from bai_manager.types.errors import InvalidDuration, InvalidTime

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEOUL = timezone(timedelta(hours=9))
NOW = datetime(2026, 3, 31, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("2h", 7200),
        ("7d", 7 * 86400),
        ("1w", 7 * 86400),
        ("5m", 300),
        ("1.5h", 5400),
        ("0.25s", 0.25),
        ("90", 90),
        ("1.5", 1.5),
        ("0", 0),
        ("2h30m", 9000),
        ("1d 12h", 129600),
        (" 5 M ", 300),
    ],
)
def test_a_duration_is_numbers_with_units_and_seconds_without(text: str, seconds: float) -> None:
    assert parse_timedelta(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "d",
        "5x",
        "1.5mo",
        "0.5yr",
        "-5m",
        "1e3s",
        "inf",
        "5m-",
        "\u0665m",
        "1h 5",
        "9" * 12 + "w",
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidDuration) as caught:
        Duration.parse(text)
    assert repr(text) in caught.value.message
    assert "1.5h" in (caught.value.hint or "")


def test_a_negative_duration_is_read_where_it_is_allowed() -> None:
    assert Duration.parse("-1mo2d", negative=True) == Duration(-1, -timedelta(days=2))


def test_months_have_no_fixed_length() -> None:
    with pytest.raises(InvalidDuration, match="no fixed length"):
        parse_timedelta("2mo")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("1mo", (2026, 1, 31), (2026, 2, 28)),
        ("1mo", (2024, 1, 31), (2024, 2, 29)),
        ("1yr", (2024, 2, 29), (2025, 2, 28)),
        ("1yr2mo", (2025, 11, 15), (2027, 1, 15)),
        ("1mo", (2026, 11, 30), (2026, 12, 30)),
        ("1mo1d", (2026, 1, 31), (2026, 3, 1)),
    ],
)
def test_months_follow_the_calendar(
    text: str, start: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    moment = datetime(*start, 8, tzinfo=UTC)
    assert Duration.parse(text).add_to(moment) == datetime(*end, 8, tzinfo=UTC)


def test_months_are_subtracted_across_years() -> None:
    assert Duration.parse("3mo").subtract_from(NOW) == NOW.replace(year=2025, month=12)


@pytest.mark.parametrize("text", ["99999yr", "9000yr", "999999999999s"])
def test_no_duration_leaves_the_calendar(text: str) -> None:
    with pytest.raises(InvalidDuration, match="leaves the calendar"):
        Duration.parse(text).add_to(NOW)


@given(st.builds(Duration, st.integers(0, 5000), st.timedeltas(timedelta(), timedelta(days=10000))))
@quick
def test_durations_survive_their_text(duration: Duration) -> None:
    assert Duration.parse(str(duration)) == duration


@pytest.mark.parametrize(
    ("delta", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(milliseconds=350), "0.35s"),
        (timedelta(seconds=45.9), "45s"),
        (timedelta(minutes=5), "5m"),
        (timedelta(days=2, hours=3, minutes=9), "2d 3h"),
        (timedelta(days=100), "100d"),
        (-timedelta(hours=1, minutes=1), "-1h 1m"),
    ],
)
def test_people_see_the_two_largest_units(delta: timedelta, text: str) -> None:
    assert humanized(delta) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("2d", NOW - timedelta(days=2)),
        ("2d ago", NOW - timedelta(days=2)),
        ("-2d", NOW - timedelta(days=2)),
        ("+2h", NOW + timedelta(hours=2)),
        ("+ 2h30m", NOW + timedelta(hours=2.5)),
        ("1mo", datetime(2026, 2, 28, 12, 30, 15, tzinfo=UTC)),
        ("today", datetime(2026, 3, 31, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 3, 30, tzinfo=UTC)),
        ("tomorrow", datetime(2026, 4, 1, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31t08:00:00z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31 08:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00.25+09:00", datetime(2026, 1, 30, 23, 0, 0, 250000, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_date_a_moment_or_a_distance_from_now(text: str, expected: datetime) -> None:
    moment = parse_time(text, NOW)
    assert moment == expected
    assert moment.tzinfo is UTC


def test_times_without_zone_are_in_the_zone_of_now() -> None:
    here = NOW.astimezone(SEOUL)
    assert parse_time("2026-01-31 09:00", here) == datetime(2026, 1, 31, tzinfo=UTC)
    assert parse_time("today", here) == datetime(2026, 3, 30, 15, tzinfo=UTC)


def test_a_distance_may_lie_ahead() -> None:
    assert parse_time("2h", NOW, ahead=True) == NOW + timedelta(hours=2)
    assert parse_time("2h ago", NOW, ahead=True) == NOW - timedelta(hours=2)
    assert parse_time("-2h", NOW, ahead=True) == NOW - timedelta(hours=2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90",
        "soon",
        "2026-13-01",
        "2026-02-30",
        "20260131",
        "9999yr",
        "1.5mo",
        "2026-01-31T25:00",
    ],
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidTime) as caught:
        parse_time(text, NOW)
    assert repr(text) in caught.value.message
    assert "2026-01-31T08:00:00Z" in (caught.value.hint or "")
