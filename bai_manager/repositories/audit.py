"""``audit_logs``: one row per run of an action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects.postgresql import insert

from bai_manager.actions.monitors.base import OperationStatus, Outcome, Run
from bai_manager.models.audit import audit_logs

if TYPE_CHECKING:
    from bai_manager.repositories.database import Database

_UNKNOWN = "(unknown)"


class AuditRepository:
    """Writes the row of a run before it starts and completes it afterwards.

    The row's ``id`` is the action id, so completing is one idempotent statement whether the
    first row was written or not. A run that was killed keeps its ``running`` row.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_started(self, run: Run) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(insert(audit_logs).values(_started(run)))

    async def record_finished(self, run: Run, outcome: Outcome) -> None:
        finished = {
            "entity_id": outcome.entity_id or _UNKNOWN,
            "description": outcome.description,
            "duration": outcome.duration,
            "status": outcome.status.value,
        }
        async with self._database.transaction() as connection:
            await connection.execute(
                insert(audit_logs)
                .values(_started(run) | finished)
                .on_conflict_do_update(index_elements=[audit_logs.c.id], set_=finished)
            )


def _started(run: Run) -> dict[str, object]:
    action = run.action
    return {
        "id": run.action_id,
        "action_id": run.action_id,
        "entity_type": action.entity_type.value,
        "operation": action.operation.value,
        "entity_id": action.entity_id() or _UNKNOWN,
        "request_id": _UNKNOWN,
        "created_at": run.started_at,
        "triggered_by": str(run.actor.user_id) if run.actor else None,
        "description": "Running",
        "status": OperationStatus.RUNNING.value,
    }
