"""Starts that are tried again, and given back to the queue after the last try.

The rules are *retry_preparing* and *retry_creating* of ``reference/state-machines.md`` §7.3, with
two differences: a session that waits again has only its PENDING entry in its history, so that no
later status is older than an earlier one; and one with a kernel that runs is not given back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Integer, and_, cast, func, literal, null, select, update
from sqlalchemy.dialects.postgresql import JSONB

from bai_manager.models.session import kernels, sessions
from bai_manager.repositories.agent_sums import resync_agents
from bai_manager.repositories.transitions import all_kernels_in, locked
from bai_manager.types.status import (
    KERNEL_RESOURCE_REQUESTED,
    KernelStatus,
    SessionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta
    from uuid import UUID

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

MOST_TRIES: Final = 5
_NOT_YET_RUNNING: Final = KERNEL_RESOURCE_REQUESTED


async def stuck_again(
    connection: AsyncConnection,
    step: tuple[Collection[SessionStatus], Collection[KernelStatus]],
    *,
    busy: Collection[UUID] = (),
    older_than: timedelta,
    now: datetime,
) -> list[UUID]:
    """Find sessions with a kernel that has been in the step for longer; returns those to try again.

    A kernel that its agent is BUSY with is not stuck. Their time begins anew. It is
    ``kernels.status_changed``: that of the step itself, not of what an agent told since.
    """
    statuses, of_kernels = step
    in_step = kernels.c.status.in_(of_kernels)
    silent = and_(in_step, kernels.c.status_changed < now - older_than, kernels.c.id.not_in(busy))
    stuck = await locked(
        connection,
        and_(
            sessions.c.status.in_(statuses),
            sessions.c.id.in_(select(kernels.c.session_id).where(silent)),
        ),
    )
    again = await _one_try_more(connection, stuck) if stuck else []
    if again:
        await connection.execute(
            update(kernels)
            .where(kernels.c.session_id.in_(again), in_step)
            .values(status_changed=now)
        )
    return again


async def _one_try_more(connection: AsyncConnection, session_ids: Collection[UUID]) -> list[UUID]:
    """Count a try of each session, under lock; returns those that have it.

    The others had their last: they go back to PENDING and their kernels lose their agents,
    unless some kernel of theirs runs.
    """
    tries = func.coalesce(cast(_scheduler()["retries"].astext, Integer), 0)
    counted = await connection.execute(
        update(sessions)
        .where(sessions.c.id.in_(session_ids))
        .values(status_data=_with_retries(tries + 1))
        .returning(
            sessions.c.id,
            tries.label("tries"),
            all_kernels_in(_NOT_YET_RUNNING).label("none_runs"),
        )
    )
    again: list[UUID] = []
    spent: list[UUID] = []
    for row in counted:
        (spent if row.tries >= MOST_TRIES and row.none_runs else again).append(row.id)
    if spent:
        await _give_back(connection, spent)
    return again


async def _give_back(connection: AsyncConnection, session_ids: Collection[UUID]) -> None:
    of_them = kernels.c.session_id.in_(session_ids)
    held = await connection.scalars(
        select(kernels.c.agent).where(of_them, kernels.c.agent.is_not(None)).distinct()
    )
    agent_ids = list(held)
    await connection.execute(
        update(sessions)
        .where(sessions.c.id.in_(session_ids))
        .values(
            status=SessionStatus.PENDING,
            status_history=_pending_entry(sessions),
            status_data=_with_retries(literal(0)),
            agent_ids=[],
        )
    )
    await connection.execute(
        update(kernels)
        .where(of_them)
        .values(
            status=KernelStatus.PENDING,
            status_history=_pending_entry(kernels),
            agent=null(),
            agent_addr=null(),
        )
    )
    await resync_agents(connection, agent_ids)


def _scheduler() -> ColumnElement[object]:
    return func.coalesce(sessions.c.status_data["scheduler"], literal({}, JSONB), type_=JSONB)


def _with_retries(tries: ColumnElement[int]) -> ColumnElement[object]:
    """``status_data`` with ``scheduler.retries`` set."""
    kept = func.coalesce(sessions.c.status_data, literal({}, JSONB))
    counted = _scheduler().op("||")(func.jsonb_build_object("retries", tries))
    return kept.op("||")(func.jsonb_build_object("scheduler", counted))


def _pending_entry(table: Table) -> ColumnElement[object]:
    return func.jsonb_build_object("PENDING", table.c.status_history["PENDING"])
