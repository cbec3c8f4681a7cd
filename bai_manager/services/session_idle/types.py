"""What idle checks say of sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.idle import IdleCheck


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleSession:
    """A running session with its checks by name, as a manager's ``idle_checks``."""

    session_id: UUID
    name: str
    user_email: str | None
    last_access: datetime | None
    idle_checks: Mapping[str, IdleCheck]


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedSession:
    session_id: UUID
    name: str
    user_email: str | None
    reason: str
