"""The PENDING phase: what a pass decided, written (``reference/state-machines.md`` §7.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import (
    Column,
    Float,
    Text,
    Uuid,
    and_,
    cast,
    extract,
    false,
    func,
    literal,
    not_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from bai_manager.models.base import Timestamp
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.session import kernels, sessions
from bai_manager.repositories.agent_sums import resync_agents_of
from bai_manager.repositories.history import with_history
from bai_manager.types.lifecycle import SchedulerStatusInfo
from bai_manager.types.status import KernelStatus, SessionStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Table, TableValuedAlias
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.sokovan.scheduling import Allocation, Failure, ScheduleOutcome
    from bai_manager.types.json import JsonObject

ItemT = TypeVar("ItemT")

_K = KernelStatus
_S = SessionStatus
_AT_ONCE: Final = 1000
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
    """Returns the sessions that became SCHEDULED.

    Rows are written by the thousand, so that a long queue does not take a statement a session.
    """
    scheduled: list[UUID] = []
    for part in _parts(outcome.allocations):
        scheduled += await _write_allocations(connection, part, outcome.scaling_group, now)
    for failures in _parts(outcome.failures):
        await _write_failures(connection, failures, now)
    await resync_agents_of(connection, scheduled)
    return scheduled


async def _write_allocations(
    connection: AsyncConnection, allocations: Sequence[Allocation], group: str, now: datetime
) -> list[UUID]:
    """Sessions that still wait, and their kernels, → SCHEDULED with their agents."""
    placed = _values(
        [{"id": str(one.session_id), "agents": [*one.agent_ids]} for one in allocations],
        Column("id", Uuid),
        Column("agents", ARRAY(Text)),
    )
    moved = await connection.scalars(
        update(sessions)
        .where(sessions.c.id == placed.c.id, sessions.c.status == _S.PENDING)
        .values(
            status=_S.SCHEDULED,
            status_history=with_history(sessions, _S.SCHEDULED, now),
            status_info=SchedulerStatusInfo.SCHEDULED.value,
            status_data={},
            scaling_group_name=group,
            agent_ids=placed.c.agents,
        )
        .returning(sessions.c.id)
    )
    scheduled = list(moved)
    here = frozenset(scheduled)
    given = _values(
        [
            {"id": str(kernel_id), "agent": agent_id, "addr": addr}
            for one in allocations
            if one.session_id in here
            for kernel_id, (agent_id, addr) in one.kernels.items()
        ],
        Column("id", Uuid),
        Column("agent", Text),
        Column("addr", Text),
    )
    await connection.execute(
        update(kernels)
        .where(kernels.c.id == given.c.id, kernels.c.status == _K.PENDING)
        .values(
            status=_K.SCHEDULED,
            status_info=SchedulerStatusInfo.SCHEDULED.value,
            status_data={},
            status_changed=now,
            status_history=with_history(kernels, _K.SCHEDULED, now),
            scaling_group=group,
            agent=given.c.agent,
            agent_addr=given.c.addr,
        )
    )
    return scheduled


async def _write_failures(
    connection: AsyncConnection, failures: Sequence[Failure], now: datetime
) -> None:
    """Why sessions wait, unless that was said just before."""
    failed = _values(
        [
            {"id": str(one.session_id), "message": one.message, "data": one.status_data(now)}
            for one in failures
        ],
        Column("id", Uuid),
        Column("message", Text),
        Column("data", JSONB),
    )
    last_try = cast(sessions.c.status_data["scheduler"]["last_try"].astext, Timestamp)
    said = and_(sessions.c.status_info == failed.c.message, last_try > now - _SAID_AGAIN_AFTER)
    written = await connection.scalars(
        update(sessions)
        .where(
            sessions.c.id == failed.c.id,
            sessions.c.status == _S.PENDING,
            not_(func.coalesce(said, false())),
        )
        .values(status_info=failed.c.message, status_data=_merged(sessions, failed.c.data))
        .returning(sessions.c.id)
    )
    if told := list(written):
        await connection.execute(
            update(kernels)
            .where(
                kernels.c.session_id == failed.c.id,
                kernels.c.session_id.in_(told),
                kernels.c.status == _K.PENDING,
            )
            .values(status_data=_merged(kernels, failed.c.data))
        )


def _merged(table: Table, data: ColumnElement[object]) -> ColumnElement[object]:
    """The row's ``status_data`` with the keys of DATA put over it."""
    kept = func.coalesce(table.c.status_data, literal({}, JSONB))
    return kept.op("||")(data)


def _values(rows: list[JsonObject], *columns: Column[Any]) -> TableValuedAlias:
    """Rows of one parameter, as a table: a statement does not grow with them."""
    given = func.jsonb_to_recordset(literal(rows, JSONB)).table_valued(*columns)
    return given.render_derived(name="given", with_types=True)


def _parts(items: Sequence[ItemT]) -> Iterator[Sequence[ItemT]]:
    return (items[first : first + _AT_ONCE] for first in range(0, len(items), _AT_ONCE))
