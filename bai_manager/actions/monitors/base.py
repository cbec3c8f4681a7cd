"""What watches actions run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from bai_manager.actions.actor import Actor
    from bai_manager.actions.base import Action, ActionResult


class OperationStatus(StrEnum):
    """``audit_logs.status``."""

    SUCCESS = "success"
    ERROR = "error"
    UNKNOWN = "unknown"
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run of one action; ``actor`` is None for the local operator or before authentication."""

    action_id: UUID
    action: Action[ActionResult]
    actor: Actor | None
    started_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a run ended; ``error_code`` is None on success."""

    status: OperationStatus
    description: str
    duration: timedelta
    entity_id: str | None
    error_code: str | None = None


class Monitor(Protocol):
    """Sees every run; what it raises never fails the action."""

    async def started(self, run: Run) -> None: ...

    async def finished(self, run: Run, outcome: Outcome) -> None: ...


class AuditLog(Protocol):
    """Where runs are recorded; unlike a monitor, a write does not run without it."""

    async def record_started(self, run: Run) -> None: ...

    async def record_finished(self, run: Run, outcome: Outcome) -> None:
        """Complete the row of the run, or write it whole when there is none yet."""
