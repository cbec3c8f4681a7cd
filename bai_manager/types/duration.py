"""Durations and points in time, as people write them (``reference/value-types.md`` §8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidDuration, InvalidTime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from bai_manager.types.json import JsonObject

_EXAMPLE: Final = "90s, 5m, 1.5h, 2h30m, 7d, 1w, 2mo or 1yr"
_TIME_EXAMPLE: Final = "2026-01-31T08:00:00Z, 2026-01-31, 2d (ago), +2h (from now), now or today"
_UNITS_OF_PEOPLE: Final = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_UNITS: Final = {"w": timedelta(weeks=1), **_UNITS_OF_PEOPLE}
_MONTHS: Final = {"yr": 12, "mo": 1}
_NUMBER: Final = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
_PART: Final = re.compile(
    rf"(?P<number>{_NUMBER.pattern})\s*(?P<unit>yr|mo|[wdhms])\s*", re.ASCII | re.IGNORECASE
)
_PARTS: Final = re.compile(
    rf"(?:{_NUMBER.pattern}\s*(?:yr|mo|[wdhms])\s*)+", re.ASCII | re.IGNORECASE
)
_RELATIVE: Final = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<duration>\d.*?)(?P<ago>\s+ago)?", re.ASCII | re.IGNORECASE
)
_CALENDAR: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII | re.IGNORECASE,
)
_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time; months have no fixed length and count from a given day."""

    months: int
    rest: timedelta

    @classmethod
    def parse(cls, text: str, *, negative: bool = False) -> Self:
        """Read ``90s``, ``1.5h``, ``2h30m``, ``2mo``; a number alone is seconds.

        Whole numbers only for ``mo`` and ``yr``. A leading ``-`` is refused unless ``negative``.
        Raises ``InvalidDuration``.
        """
        body = text.strip()
        sign = 1
        if body.startswith("-"):
            if not negative:
                raise InvalidDuration(text, "it is negative", example=_EXAMPLE)
            sign, body = -1, body[1:].lstrip()
        if _NUMBER.fullmatch(body):
            body += "s"
        if not _PARTS.fullmatch(body):
            raise InvalidDuration(
                text, "write numbers with a unit out of yr, mo, w, d, h, m, s", example=_EXAMPLE
            )
        try:
            return cls(sign * _months(text, body), sign * _rest(body))
        except OverflowError:
            raise InvalidDuration(text, "it is too long", example=_EXAMPLE) from None

    @classmethod
    def json_schema(cls) -> JsonObject:
        return {"type": "string"}

    def fixed(self) -> timedelta:
        """Return the length, which calendar months do not have: then ``InvalidDuration``."""
        if self.months:
            raise InvalidDuration(
                str(self), "months and years have no fixed length", example="30d or 52w"
            )
        return self.rest

    def add_to(self, moment: datetime) -> datetime:
        """Move forward, months first; the day is cut to the length of the month reached."""
        try:
            return _shifted(moment, self.months) + self.rest
        except (OverflowError, ValueError):
            raise InvalidDuration(
                str(self), f"from {moment.date()} it leaves the calendar", example=_EXAMPLE
            ) from None

    def subtract_from(self, moment: datetime) -> datetime:
        return Duration(-self.months, -self.rest).add_to(moment)

    def to_json(self) -> str:
        return str(self)

    def __str__(self) -> str:
        """``1yr2mo 3d 4h``: what ``parse`` reads back, to the microsecond."""
        years, months = divmod(abs(self.months), 12)
        texts = [f"{years}yr" if years else "", f"{months}mo" if months else ""]
        texts.extend(_texts(abs(self.rest), _UNITS))
        sign = "-" if self.months < 0 or self.rest < timedelta() else ""
        return sign + (" ".join(filter(None, texts)) or "0s")


def parse_timedelta(text: str) -> timedelta:
    """Read a duration of fixed length. Raises ``InvalidDuration``."""
    return Duration.parse(text).fixed()


def humanized(delta: timedelta, parts: int = 2) -> str:
    """Write the largest units of a duration, cut to ``parts`` of them: ``2d 3h``, ``45s``."""
    if abs(delta) < timedelta(seconds=1):
        return f"{delta.total_seconds():.2g}s"
    whole = timedelta(seconds=int(abs(delta).total_seconds()))
    texts = _texts(whole, _UNITS_OF_PEOPLE)[:parts]
    return ("-" if delta < timedelta() else "") + " ".join(texts)


def parse_time(text: str, now: datetime, *, ahead: bool = False) -> datetime:
    """Read a point in time; the result is in UTC.

    ``2026-01-31T08:00:00+09:00`` (RFC 3339; seconds may be left out, and the zone, which is then
    that of ``now``), ``2026-01-31`` (midnight), ``now``, ``today``, ``yesterday``, ``tomorrow``,
    ``2d``, ``2d ago`` and ``-2d`` (before now), ``+2h`` (after now). With ``ahead``, a duration
    without sign lies after now. Raises ``InvalidTime``.
    """
    body = text.strip()
    try:
        moment = _relative(body, now, ahead=ahead) if body else None
        if moment is None and _CALENDAR.fullmatch(body):
            moment = datetime.fromisoformat(body.upper())
            moment = moment.replace(tzinfo=moment.tzinfo or now.tzinfo)
        if moment is None:
            raise InvalidTime(text, "it is no date, time or duration", example=_TIME_EXAMPLE)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidTime(text, str(error), example=_TIME_EXAMPLE) from None
    except InvalidDuration as error:
        raise InvalidTime(text, str(error.details["reason"]), example=_TIME_EXAMPLE) from None


def _relative(body: str, now: datetime, *, ahead: bool) -> datetime | None:
    word = body.casefold()
    if word == "now":
        return now
    if word in _DAYS:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=_DAYS[word])
    matched = _RELATIVE.fullmatch(body)
    if matched is None or not _PARTS.fullmatch(matched["duration"]):
        return None
    duration = Duration.parse(matched["duration"])
    after = not matched["ago"] and (matched["sign"] == "+" or (ahead and not matched["sign"]))
    return duration.add_to(now) if after else duration.subtract_from(now)


def _shifted(moment: datetime, months: int) -> datetime:
    if not months:
        return moment
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    following = divmod(year * 12 + month + 1, 12)
    last = (date(following[0], following[1] + 1, 1) - timedelta(days=1)).day
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def _months(text: str, body: str) -> int:
    months = 0
    for part in _PART.finditer(body):
        if (unit := part["unit"].lower()) in _MONTHS:
            if "." in part["number"]:
                raise InvalidDuration(text, f"{unit} takes a whole number", example=_EXAMPLE)
            months += int(part["number"]) * _MONTHS[unit]
    return months


def _rest(body: str) -> timedelta:
    rest = timedelta()
    for part in _PART.finditer(body):
        if unit := _UNITS.get(part["unit"].lower()):
            number = part["number"]
            rest += unit * (float(number) if "." in number else int(number))
    return rest


def _texts(delta: timedelta, units: Mapping[str, timedelta]) -> list[str]:
    """Write a duration of zero or more in units, largest first, without those that are 0."""
    texts = []
    for name, unit in units.items():
        number, delta = divmod(delta, unit)
        fraction = f".{delta.microseconds:06d}".rstrip(".0") if name == "s" else ""
        if number or fraction:
            texts.append(f"{number}{fraction}{name}")
    return texts
