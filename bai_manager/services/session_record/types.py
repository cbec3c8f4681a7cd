"""What records tell of sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.status import SessionStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionMatch:
    """A session that fits a name or id, or the beginning of one."""

    id: UUID
    name: str
    status: SessionStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphNode:
    """A session and what it depends on directly; ``status_changed`` is its last step."""

    session_id: UUID
    session_name: str
    status: SessionStatus
    status_changed: datetime | None
    depends_on: list[UUID]


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineEntry:
    """Something that happened to a session.

    ``source`` is ``session``, a kernel's host name (``main1``), or ``audit``; ``what`` is the
    status entered or the operation; ``who`` is an e-mail.
    """

    at: datetime
    source: str
    what: str
    detail: str | None
    who: str | None
