"""How values look to a person: ages, durations, lists, colours. Never parsed by anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum

from bai_manager.types.duration import humanized

NOTHING = "-"

_OLD = timedelta(days=60)

_STYLES = {
    "green": "running alive active ready healthy success ok accepted mounted created",
    "yellow": (
        "pending scheduled preparing building pulling prepared creating terminating restarting "
        "resizing suspended running_degraded performing cloning delete-pending delete-ongoing "
        "provisioning unhealthy degraded scaling deploying stopping destroying inactive "
        "before-verification undefined"
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
        return humanized(value)
    if isinstance(value, dict):
        return ", ".join(f"{k}={human_text(v, now)}" for k, v in value.items()) or NOTHING
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(human_text(item, now) for item in value) or NOTHING
    return str(value)


def time_text(time: datetime) -> str:
    """RFC 3339 in UTC to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age_text(time: datetime, now: datetime) -> str:
    """``5m ago``, ``in 2h``; the date alone beyond 60 days."""
    age = now - time
    if abs(age) >= _OLD:
        return time.astimezone(UTC).strftime("%Y-%m-%d")
    text = humanized(timedelta(seconds=int(abs(age).total_seconds())), parts=1)
    return f"in {text}" if age < timedelta(0) else f"{text} ago"
