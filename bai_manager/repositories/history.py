"""``status_history``: status name → the latest time it was entered (``value-types.md`` §1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, literal_column, select

from bai_manager.models.session import sessions

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, ScalarSelect, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.types.choice import Choice
    from bai_manager.types.clock import Clock


async def time_under_lock(
    connection: AsyncConnection, session_id: UUID | ScalarSelect[UUID], clock: Clock
) -> datetime:
    """Lock a session, and with it its kernels, and read the clock.

    A time read before the wait for the lock could be earlier than what the history has by then.
    """
    await connection.execute(
        select(sessions.c.id).where(sessions.c.id == session_id).with_for_update(key_share=True)
    )
    return clock()


def with_history(table: Table, status: Choice, now: datetime) -> ColumnElement[object]:
    """The row's history with one more entry; for ``values(status_history=…)`` of an UPDATE."""
    return func.coalesce(table.c.status_history, literal_column("'{}'::jsonb")).op("||")(
        func.jsonb_build_object(status.name, now.isoformat())
    )
