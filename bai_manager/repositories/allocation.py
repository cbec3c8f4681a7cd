"""The PENDING phase: what a pass decided, written (``reference/state-machines.md`` §7.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import Float, and_, cast, extract, false, func, literal, not_, select, update
from sqlalchemy.dialects.postgresql import JSONB

from bai_manager.models.base import Timestamp
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.session import kernels, sessions
from bai_manager.repositories.agent_sums import resync_agents
from bai_manager.repositories.history import with_history
from bai_manager.repositories.transitions import move_sessions
from bai_manager.types.lifecycle import SchedulerStatusInfo
from bai_manager.types.status import KernelStatus, SessionStatus

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.sokovan.scheduling import ScheduleOutcome
    from bai_manager.types.json import JsonObject

_K = KernelStatus
_S = SessionStatus
_SAID_AGAIN_AFTER: Final = timedelta(seconds=5)
"""A reason to wait that has not changed is written no more often, however many wait for it."""


async def expired(connection: AsyncConnection, now: datetime) -> list[UUID]:
    """Pending sessions that waited longer than their group's ``pending_timeout`` (0: never)."""
    limit = cast(scaling_groups.c.scheduler_opts["pending_timeout"].astext, Float)
    return list(
        await connection.scalars(
            select(sessions.c.id)
            .join(scaling_groups, scaling_groups.c.name == sessions.c.scaling_group_name)
            .where(
                sessions.c.status == _S.PENDING,
                limit > 0,
                extract("epoch", literal(now, Timestamp) - sessions.c.created_at) > limit,
            )
            .order_by(sessions.c.id)
        )
    )


async def write_outcome(
    connection: AsyncConnection, outcome: ScheduleOutcome, now: datetime
) -> list[UUID]:
    scheduled: list[UUID] = []
    touched: set[str] = set()
    for allocation in outcome.allocations:
        agent_ids = allocation.agent_ids
        moved = await move_sessions(
            connection,
            [allocation.session_id],
            _S.SCHEDULED,
            now,
            sessions.c.status == _S.PENDING,
            status_info=SchedulerStatusInfo.SCHEDULED.value,
            status_data={},
            scaling_group_name=outcome.scaling_group,
            agent_ids=agent_ids,
        )
        if not moved:
            continue
        for kernel_id, (agent_id, addr) in allocation.kernels.items():
            await connection.execute(
                update(kernels)
                .where(kernels.c.id == kernel_id, kernels.c.status == _K.PENDING)
                .values(
                    status=_K.SCHEDULED,
                    status_info=SchedulerStatusInfo.SCHEDULED.value,
                    status_data={},
                    status_changed=now,
                    status_history=with_history(kernels, _K.SCHEDULED, now),
                    scaling_group=outcome.scaling_group,
                    agent=agent_id,
                    agent_addr=addr,
                )
            )
        scheduled += moved
        touched |= set(agent_ids)
    for failure in outcome.failures:
        await _write_failure(
            connection, failure.session_id, failure.message, failure.status_data(now), now
        )
    await resync_agents(connection, touched)
    return scheduled


async def _write_failure(
    connection: AsyncConnection, session_id: UUID, message: str, data: JsonObject, now: datetime
) -> None:
    last_try = cast(sessions.c.status_data["scheduler"]["last_try"].astext, Timestamp)
    said = and_(
        sessions.c.status_info == message,
        last_try > now - _SAID_AGAIN_AFTER,
    )
    written = await connection.execute(
        update(sessions)
        .where(
            sessions.c.id == session_id,
            sessions.c.status == _S.PENDING,
            not_(func.coalesce(said, false())),
        )
        .values(status_info=message, status_data=_merged(sessions, data))
    )
    if written.rowcount:
        await connection.execute(
            update(kernels)
            .where(kernels.c.session_id == session_id, kernels.c.status == _K.PENDING)
            .values(status_data=_merged(kernels, data))
        )


def _merged(table: Table, data: JsonObject) -> ColumnElement[object]:
    """The row's ``status_data`` with the keys of DATA put over it."""
    kept = func.coalesce(table.c.status_data, literal({}, JSONB))
    return kept.op("||")(literal(data, JSONB))
