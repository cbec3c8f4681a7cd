"""``audit_logs``: one row per run of an action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, select
from sqlalchemy.dialects.postgresql import insert

from bai_manager.actions.monitors.base import OperationStatus
from bai_manager.models.audit import audit_logs
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.query import Field, apply_query
from bai_manager.services.audit.types import AuditData
from bai_manager.types.query import ID, TEXT, TIME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.actions.monitors.base import Outcome, Run
    from bai_manager.repositories.database import Database
    from bai_manager.types.query import Query

_UNKNOWN = "(unknown)"

AUDIT_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, audit_logs.c.id),
    "action_id": Field(ID, audit_logs.c.action_id),
    "entity_type": Field(TEXT, audit_logs.c.entity_type),
    "entity_id": Field(TEXT, audit_logs.c.entity_id),
    "operation": Field(TEXT, audit_logs.c.operation),
    "status": Field(TEXT, audit_logs.c.status),
    "description": Field(TEXT, audit_logs.c.description),
    "created_at": Field(TIME, audit_logs.c.created_at),
    "triggered_by": Field(TEXT, audit_logs.c.triggered_by),
    "user_email": Field(TEXT, users.c.email),
}


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

    async def list_logs(self, query: Query, *, owner: str | None) -> list[AuditData]:
        """Rows, newest first; those of one access key's user, or all."""
        statement = select(
            audit_logs.c.id,
            audit_logs.c.action_id,
            audit_logs.c.entity_type,
            audit_logs.c.operation,
            audit_logs.c.entity_id,
            audit_logs.c.status,
            audit_logs.c.description,
            audit_logs.c.created_at,
            audit_logs.c.duration,
            audit_logs.c.triggered_by,
            users.c.email.label("user_email"),
        ).select_from(
            audit_logs.outerjoin(users, cast(users.c.uuid, Text) == audit_logs.c.triggered_by)
        )
        if owner is not None:
            user = select(keypairs.c.user).where(keypairs.c.access_key == owner)
            statement = statement.where(users.c.uuid == user.scalar_subquery())
        statement = apply_query(
            statement,
            query,
            AUDIT_FIELDS,
            default_order=(audit_logs.c.created_at.desc(), audit_logs.c.id),
        )
        async with self._database.transaction() as connection:
            rows = await connection.execute(statement)
            return [AuditData(**row._mapping) for row in rows]  # noqa: SLF001 - a public name


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
