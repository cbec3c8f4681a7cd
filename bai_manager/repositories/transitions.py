"""What the scheduler's steps share: rows under lock, conditional moves, kernels by condition.

Rows are locked in one order everywhere: a session, then its kernels, then agents by id; so no two
processes wait for each other.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, literal, select, update

from bai_manager.models.agent import agents
from bai_manager.models.session import kernels, sessions
from bai_manager.repositories.history import with_history
from bai_manager.sokovan.kernels import KernelRow, SessionRow
from bai_manager.types.status import (
    KERNEL_DEAD,
    KernelStatus,
    SessionStatus,
    SessionType,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database

_K = KernelStatus


class Phase(IntEnum):
    """The advisory lock of each group of steps (``reference/state-machines.md`` §7.1)."""

    PENDING = 230
    PREPARING = 231
    CREATING = 232
    TERMINATING = 233


@asynccontextmanager
async def in_phase(
    database: Database, phase: Phase, *, patience: timedelta = timedelta(0)
) -> AsyncIterator[AsyncConnection]:
    """A transaction in which nobody else takes a step of the same phase.

    Raises ``DatabaseBusy`` when somebody else has not finished after ``patience`` (0: no bound).
    """
    async with database.transaction() as connection:
        limit = f"{round(patience.total_seconds() * 1000)}ms"
        lock = select(
            func.set_config("lock_timeout", limit, True),
            func.pg_advisory_xact_lock(phase.value),
        )
        await connection.execute(lock)
        yield connection


async def locked(connection: AsyncConnection, where: ColumnElement[bool]) -> list[UUID]:
    """The sessions that match, which nobody else changes until the transaction has ended."""
    found = await connection.scalars(
        select(sessions.c.id).where(where).order_by(sessions.c.id).with_for_update(key_share=True)
    )
    return list(found)


async def move_sessions(
    connection: AsyncConnection,
    session_ids: Collection[UUID],
    status: SessionStatus,
    now: datetime,
    *conditions: ColumnElement[bool],
    **values: object,
) -> list[UUID]:
    """Those of the sessions that meet the conditions enter the status; returns them."""
    if not session_ids:
        return []
    moved = await connection.scalars(
        update(sessions)
        .where(sessions.c.id.in_(session_ids), *conditions)
        .values(status=status, status_history=with_history(sessions, status, now), **values)
        .returning(sessions.c.id)
    )
    return list(moved)


async def terminate_kernels(
    connection: AsyncConnection, session_id: UUID, reason: str, now: datetime, **values: object
) -> None:
    await connection.execute(
        update(kernels)
        .where(
            kernels.c.session_id == session_id,
            kernels.c.status.not_in(KERNEL_DEAD | {_K.TERMINATING, _K.ERROR}),
        )
        .values(
            status=_K.TERMINATING,
            status_info=reason,
            status_history=with_history(kernels, _K.TERMINATING, now),
            **values,
        )
    )


def all_kernels_in(statuses: Collection[KernelStatus]) -> ColumnElement[bool]:
    """Whether no kernel of the session is in another status."""
    return ~exists(
        select(literal(1)).where(
            kernels.c.session_id == sessions.c.id, kernels.c.status.not_in(statuses)
        )
    )


async def kernel_rows(connection: AsyncConnection, where: ColumnElement[bool]) -> list[KernelRow]:
    rows = await connection.execute(
        select(
            kernels.c.id,
            kernels.c.session_id,
            kernels.c.session_type,
            kernels.c.status,
            kernels.c.status_info,
            kernels.c.agent,
            kernels.c.agent_addr,
            kernels.c.cluster_role,
            sessions.c.status.label("session_status"),
            sessions.c.batch_timeout,
            kernels.c.startup_command,
            agents.c.status.label("agent_status"),
        )
        .select_from(
            kernels.join(sessions, sessions.c.id == kernels.c.session_id).outerjoin(
                agents, agents.c.id == kernels.c.agent
            )
        )
        .where(where)
        .order_by(kernels.c.created_at, kernels.c.cluster_idx)
    )
    return [
        KernelRow(
            id=row.id,
            session_id=row.session_id,
            session_type=SessionType.parse(row.session_type),
            status=KernelStatus.parse(row.status),
            status_info=row.status_info,
            session_status=SessionStatus.parse(row.session_status),
            agent=row.agent,
            agent_addr=row.agent_addr,
            agent_status=row.agent_status,
            is_main=row.cluster_role == "main",
            startup_command=row.startup_command,
            batch_timeout=row.batch_timeout,
        )
        for row in rows
    ]


async def session_rows(connection: AsyncConnection, where: ColumnElement[bool]) -> list[SessionRow]:
    rows = await connection.execute(
        select(sessions.c.id, sessions.c.session_type).where(where).order_by(sessions.c.created_at)
    )
    found = [(row.id, SessionType.parse(row.session_type)) for row in rows]
    return [
        SessionRow(
            id=session_id,
            session_type=session_type,
            kernels=await kernel_rows(connection, kernels.c.session_id == session_id),
        )
        for session_id, session_type in found
    ]
