"""What an idle checker says of a session (``reference/value-types.md`` §15)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bai_manager.types.json import JsonObject

LIFETIME: Final = "session_lifetime"
NETWORK: Final = "network_timeout"
UTILIZATION: Final = "utilization"
CHECKERS: Final = (LIFETIME, NETWORK, UTILIZATION)


class CheckState(StrEnum):
    """``counting`` ends at the end of the remaining time; ``watched``: use decides, from now on.

    ``over``: the checker ends the session. ``endless``: no limit applies to this session.
    ``off``: the checker is not enabled. ``unknown``: a fact is missing, so nothing is ended.
    """

    COUNTING = "counting"
    WATCHED = "watched"
    OVER = "over"
    ENDLESS = "endless"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleCheck:
    """The first three as the manager tells them: seconds, -1 when they are over, None without.

    ``remaining_time_type`` is ``expire_after``, or ``grace_period`` for the checker that only
    begins to decide then. ``told_by`` is ``manager`` or ``rules``.
    """

    remaining: float | None
    remaining_time_type: str
    extra: JsonObject | None
    state: CheckState
    told_by: str
    why: str | None = None
