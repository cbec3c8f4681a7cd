"""How values look to a person: ages, sizes, slots, colours. Never parsed by anything."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

from bai_manager.cli.output.encode import machine_text

NOTHING = "-"

_SIZE_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_OLD = timedelta(days=60)

_STYLES = {
    "green": (
        "running running_degraded alive active ready healthy success ok accepted mounted degraded "
        "provisioned scheduled_ok"
    ),
    "yellow": (
        "pending scheduled preparing prepared pulling creating terminating restarting performing "
        "cloning delete-pending delete-ongoing provisioning unhealthy destroying inactive "
        "before-verification undefined stopping scaling deploying"
    ),
    "red": "error failure failed lost delete-error failed_to_start",
    "dim": "terminated cancelled canceled deleted delete-complete destroyed stopped rejected",
}
_STATUS_STYLES = {word: style for style, words in _STYLES.items() for word in words.split()}


def status_style(word: str) -> str:
    """Find the Rich style of a status word in any case; none for a word not known."""
    return _STATUS_STYLES.get(word.lower(), "")


def human_text(value: object, now: datetime | None = None) -> str:  # noqa: PLR0911 - one a type
    """``value`` for a person, not yet made safe to show.

    With ``now``, times are ages; without, RFC 3339 to the second.
    """
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return time_text(value) if now is None else age_text(value, now)
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={human_text(v, now)}" for k, v in value.items()) or NOTHING
    if isinstance(value, (list, tuple, AbstractSet)):
        return ", ".join(human_text(item, now) for item in value) or NOTHING
    return machine_text(value)


def size_text(size: float | Decimal) -> str:
    """Bytes with a binary unit and at most two decimals (``reference/value-types.md`` §3)."""
    exact = Decimal(size)
    if not exact.is_finite():
        return "unlimited"
    if abs(exact) < 1024:  # noqa: PLR2004 - the first unit
        return f"{int(exact)} B"
    for unit in _SIZE_UNITS:
        exact /= 1024
        if abs(exact) < 1024 or unit == _SIZE_UNITS[-1]:  # noqa: PLR2004 - the next unit
            break
    return f"{_plain(exact)} {unit}"


def human_slots(slots: Mapping[str, object]) -> str:
    """``cpu=2 mem=4 GiB cuda.device=1``; a slot whose name has ``mem`` counts bytes (§2.1)."""
    return " ".join(f"{name}={_slot_text(name, value)}" for name, value in slots.items()) or NOTHING


def _slot_text(name: str, value: object) -> str:
    if not isinstance(value, (str, int, float, Decimal)):
        return human_text(value)
    try:
        amount = Decimal(value)
    except ArithmeticError:
        return str(value)
    if not amount.is_finite():
        return "unlimited" if amount.is_infinite() else str(value)
    return size_text(amount) if "mem" in name else _plain(amount)


def _plain(number: Decimal) -> str:
    """At most two decimals, no trailing zeros, no exponent."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def time_text(time: datetime) -> str:
    """RFC 3339 in UTC to the second."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age_text(time: datetime, now: datetime) -> str:
    """``5m ago``, ``in 2h``; the date alone beyond 60 days."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    age = now - aware
    if abs(age) >= _OLD:
        return aware.astimezone(UTC).strftime("%Y-%m-%d")
    text = duration_text(abs(age)).split()[0]
    return f"in {text}" if age < timedelta(0) else f"{text} ago"


def duration_text(duration: timedelta) -> str:
    """Write the two largest units: ``2d 3h``, ``5m``, ``0s``."""
    seconds = int(abs(duration).total_seconds())
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        parts.append(f"{count}{unit}")
    first = next((i for i, part in enumerate(parts) if part[0] != "0"), len(parts) - 1)
    shown = [part for part in parts[first : first + 2] if part[0] != "0"] or ["0s"]
    return ("-" if duration < timedelta(0) else "") + " ".join(shown)
