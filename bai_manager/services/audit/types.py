"""What an audit row looks like from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditData:
    """One ``audit_logs`` row; ``duration`` is None while it runs, or if it was killed."""

    id: UUID
    action_id: UUID
    entity_type: str
    operation: str
    entity_id: str | None
    status: str
    description: str
    created_at: datetime
    duration: timedelta | None
    triggered_by: str | None
    user_email: str | None
