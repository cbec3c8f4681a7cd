"""Months and periods that usage is asked for (``reference/value-types.md`` §17).

Months are ``202611`` or ``2026-11``, days ``20261101`` or ``2026-11-01``; both begin at midnight
in a time zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidValue

if TYPE_CHECKING:
    from datetime import tzinfo

MOST_DAYS: Final = 100

_MONTH: Final = re.compile(r"(?P<year>[0-9]{4})-?(?P<month>[0-9]{2})")
_DAY: Final = re.compile(
    r"(?P<year>[0-9]{4})(?P<dash>-?)(?P<month>[0-9]{2})(?P=dash)(?P<day>[0-9]{2})"
)


class InvalidPeriod(InvalidValue):
    noun = "period"


class InvalidTimeZone(InvalidValue):
    noun = "time zone"


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` up to, and without, ``end``; both in UTC."""

    start: datetime
    end: datetime


def parse_month(text: str, zone: tzinfo = UTC) -> Period:
    """One calendar month. Raises ``InvalidPeriod``."""
    matched = _MONTH.fullmatch(text.strip())
    if matched is None:
        raise InvalidPeriod(text, "it is not YYYY-MM", example="2026-11", noun="month")
    year, month = int(matched["year"]), int(matched["month"])
    try:
        start = datetime(year, month, 1, tzinfo=zone)
        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    except ValueError as error:
        raise InvalidPeriod(text, str(error), example="2026-11", noun="month") from None
    return Period(start.astimezone(UTC), end.astimezone(UTC))


def parse_period(first: str, last: str, zone: tzinfo = UTC) -> Period:
    """From the first through the last day, at most 100 of them. Raises ``InvalidPeriod``."""
    start, end = _midnight(first, zone), _midnight(last, zone) + timedelta(days=1)
    days = (end.date() - start.date()).days
    if days < 1:
        raise InvalidPeriod(last, f"it lies before {first}", example=first, noun="last day")
    if days > MOST_DAYS:
        raise InvalidPeriod(
            f"{first} to {last}",
            f"it has {days} days, more than {MOST_DAYS}",
            example="20261101 to 20261130",
        )
    return Period(start.astimezone(UTC), end.astimezone(UTC))


def parse_zone(name: str) -> tzinfo:
    """``UTC``, or a name of the IANA database. Raises ``InvalidTimeZone``."""
    if name.upper() == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - seldom another than UTC

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise InvalidTimeZone(
            name, "the time zones of this machine have none of that name", example="Asia/Seoul"
        ) from None


def _midnight(text: str, zone: tzinfo) -> datetime:
    matched = _DAY.fullmatch(text.strip())
    if matched is None:
        raise InvalidPeriod(text, "it is not YYYY-MM-DD", example="2026-11-01", noun="day")
    try:
        return datetime(
            int(matched["year"]), int(matched["month"]), int(matched["day"]), tzinfo=zone
        )
    except ValueError as error:
        raise InvalidPeriod(text, str(error), example="2026-11-01", noun="day") from None
