"""The one place where the wall clock is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, zone-aware, UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the clock
