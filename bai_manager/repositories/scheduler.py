"""The scheduler's steps as conditional updates, each under its phase's advisory lock.

Locks and history rules are those of the real manager (``reference/state-machines.md`` §2, §7.1,
§7.3), so both may work on one database. Every update names the statuses it starts from: what
another process did first is left alone.

Rows are locked in one order everywhere: a session, then its kernels, then agents by id; so no two
processes wait for each other. The time is read once the rows are locked, so that no history runs
backwards.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    Float,
    and_,
    cast,
    exists,
    extract,
    false,
    func,
    literal,
    not_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from bai_manager.models.agent import agents
from bai_manager.models.base import Timestamp
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.session import kernels, sessions
from bai_manager.repositories.history import time_under_lock, with_history
from bai_manager.repositories.occupancy import agent_occupancy
from bai_manager.repositories.session_writes import cancel_pending
from bai_manager.repositories.snapshot import load_snapshot, schedulable_groups
from bai_manager.repositories.starting import load_starts
from bai_manager.sokovan.kernels import KernelRow, SessionRow
from bai_manager.types.lifecycle import SchedulerStatusInfo
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import (
    KERNEL_DEAD,
    KERNEL_TERMINAL,
    SESSION_TERMINAL,
    KernelStatus,
    SessionResult,
    SessionStatus,
    SessionType,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.clients.agent.protocol import KernelCreationInfo
    from bai_manager.repositories.database import Database
    from bai_manager.sokovan.kernels import SessionStart
    from bai_manager.sokovan.scheduling import ScheduleOutcome
    from bai_manager.sokovan.snapshot import Snapshot
    from bai_manager.types.clock import Clock
    from bai_manager.types.json import JsonObject

_K = KernelStatus
_S = SessionStatus
_SAID_AGAIN_AFTER: Final = timedelta(seconds=5)
"""A reason to wait that has not changed is written no more often, however many wait for it."""


class Phase(IntEnum):
    """The advisory lock of each group of steps."""

    PENDING = 230
    PREPARING = 231
    CREATING = 232
    TERMINATING = 233


class SchedulerRepository:
    """What the scheduler reads and writes; one transaction a method."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def _phase(self, phase: Phase) -> AsyncIterator[AsyncConnection]:
        async with self._database.transaction() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(phase.value)))
            yield connection

    async def statuses(self) -> frozenset[SessionStatus]:
        """The statuses that sessions which still need something are in."""
        async with self._database.transaction() as connection:
            found = await connection.scalars(
                select(sessions.c.status)
                .where(sessions.c.status.not_in(SESSION_TERMINAL))
                .distinct()
            )
            return frozenset(SessionStatus.parse(status) for status in found)

    async def counts(self) -> dict[str, int]:
        """How many sessions are in each status that is not terminal."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                select(sessions.c.status, func.count().label("amount"))
                .where(sessions.c.status.not_in(SESSION_TERMINAL))
                .group_by(sessions.c.status)
                .order_by(sessions.c.status)
            )
            return {row.status: row.amount for row in rows}

    async def schedule(
        self, decide: Callable[[Snapshot], ScheduleOutcome], *, clock: Clock
    ) -> list[UUID]:
        """Let ``decide`` place pending sessions of every group, and write what it decided.

        Returns the sessions that became SCHEDULED. Those that waited longer than their group's
        ``pending_timeout`` are cancelled instead.
        """
        async with self._phase(Phase.PENDING) as connection:
            for session_id in await _expired(connection, clock()):
                now = await time_under_lock(connection, session_id, clock)
                await cancel_pending(
                    connection, session_id, SchedulerStatusInfo.PENDING_TIMEOUT.value, now
                )
            scheduled: list[UUID] = []
            for group in await schedulable_groups(connection):
                snapshot = await load_snapshot(connection, group, now=clock())
                if snapshot.pending:
                    scheduled += await _write_outcome(connection, decide(snapshot), clock())
            return scheduled

    async def begin_preparing(self, *, clock: Clock) -> bool:
        """SCHEDULED sessions whose kernels all are → PREPARING; kernels without history."""
        async with self._phase(Phase.PREPARING) as connection:
            ready = await _locked(
                connection,
                and_(sessions.c.status == _S.SCHEDULED, _all_kernels_in({_K.SCHEDULED})),
            )
            if not ready:
                return False
            now = clock()
            await _move_sessions(connection, ready, _S.PREPARING, now, status_info=None)
            await connection.execute(
                update(kernels)
                .where(kernels.c.session_id.in_(ready), kernels.c.status == _K.SCHEDULED)
                .values(status=_K.PREPARING, status_changed=now)
            )
            return True

    async def kernels_in(self, statuses: Collection[KernelStatus]) -> list[KernelRow]:
        """Kernels in the given statuses, with what the runner needs to act on them."""
        async with self._database.transaction() as connection:
            return await _kernel_rows(connection, kernels.c.status.in_(statuses))

    async def kernels_by_id(self, kernel_ids: Collection[UUID]) -> list[KernelRow]:
        async with self._database.transaction() as connection:
            return await _kernel_rows(connection, kernels.c.id.in_(kernel_ids))

    async def starts(self, statuses: Collection[SessionStatus]) -> list[SessionStart]:
        """Everything that starting the kernels of such sessions takes."""
        async with self._database.transaction() as connection:
            return await load_starts(connection, sessions.c.status.in_(statuses))

    async def mark_pulled(
        self, session_id: UUID, kernel_ids: Collection[UUID], *, clock: Clock
    ) -> None:
        """The image is there: PREPARING or PULLING kernels → PREPARED (history, no change time).

        Their session follows when it has no other kernels left to prepare.
        """
        async with self._phase(Phase.PREPARING) as connection:
            now = await time_under_lock(connection, session_id, clock)
            await connection.execute(
                update(kernels)
                .where(
                    kernels.c.id.in_(kernel_ids),
                    kernels.c.status.in_({_K.PREPARING, _K.PULLING}),
                )
                .values(
                    status=_K.PREPARED,
                    status_history=with_history(kernels, _K.PREPARED, now),
                )
            )
            await _move_sessions(
                connection,
                [session_id],
                _S.PREPARED,
                now,
                sessions.c.status.in_({_S.PREPARING, _S.PULLING}),
                _all_kernels_in({_K.PREPARED, _K.RUNNING}),
                status_info=None,
            )

    async def claim_starts(self, *, clock: Clock) -> list[SessionStart]:
        """PREPARED sessions → CREATING with their kernels; who moved them starts them."""
        async with self._phase(Phase.CREATING) as connection:
            claimed = await _locked(connection, sessions.c.status == _S.PREPARED)
            if not claimed:
                return []
            now = clock()
            await _move_sessions(connection, claimed, _S.CREATING, now, status_info=None)
            await connection.execute(
                update(kernels)
                .where(kernels.c.session_id.in_(claimed), kernels.c.status == _K.PREPARED)
                .values(status=_K.CREATING, status_changed=now)
            )
            return await load_starts(connection, sessions.c.id.in_(claimed))

    async def reclaim_stuck(
        self, *, older_than: timedelta, busy: Collection[UUID], clock: Clock
    ) -> list[SessionStart]:
        """CREATING sessions whose starter went silent, claimed again.

        Those are the ones with a kernel that has been CREATING for longer than ``older_than``
        and is not among ``busy``: kernels that their agent is bringing up.
        """
        async with self._phase(Phase.CREATING) as connection:
            now = clock()
            silent = and_(
                kernels.c.status == _K.CREATING,
                kernels.c.status_changed < now - older_than,
                kernels.c.id.not_in(busy),
            )
            stuck = await _locked(
                connection,
                and_(
                    sessions.c.status == _S.CREATING,
                    sessions.c.id.in_(select(kernels.c.session_id).where(silent)),
                ),
            )
            if not stuck:
                return []
            await connection.execute(
                update(kernels)
                .where(kernels.c.session_id.in_(stuck), kernels.c.status == _K.CREATING)
                .values(status_changed=now)
            )
            return await load_starts(connection, sessions.c.id.in_(stuck))

    async def set_network(self, session_id: UUID, network_id: str) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                update(sessions)
                .where(sessions.c.id == session_id, sessions.c.status == _S.CREATING)
                .values(network_id=network_id)
            )

    async def mark_kernel_running(self, info: KernelCreationInfo, *, clock: Clock) -> bool:
        """CREATING → RUNNING with what the agent reported; False when it was not CREATING."""
        of_kernel = select(kernels.c.session_id).where(kernels.c.id == info.kernel_id)
        async with self._database.transaction() as connection:
            now = await time_under_lock(connection, of_kernel.scalar_subquery(), clock)
            started = await connection.execute(
                update(kernels)
                .where(kernels.c.id == info.kernel_id, kernels.c.status == _K.CREATING)
                .values(
                    status=_K.RUNNING,
                    status_info="",
                    status_changed=now,
                    status_history=with_history(kernels, _K.RUNNING, now),
                    container_id=info.container_id,
                    kernel_host=info.kernel_host,
                    repl_in_port=info.repl_in_port,
                    repl_out_port=info.repl_out_port,
                    stdin_port=info.stdin_port,
                    stdout_port=info.stdout_port,
                    service_ports=info.service_ports,
                    attached_devices=info.attached_devices,
                    occupied_slots=info.occupied_slots.to_json(),
                )
            )
            return started.rowcount > 0

    async def sessions_ready_to_run(self) -> list[SessionRow]:
        """CREATING sessions whose kernels all run."""
        async with self._database.transaction() as connection:
            return await _session_rows(
                connection,
                and_(sessions.c.status == _S.CREATING, _all_kernels_in({_K.RUNNING})),
            )

    async def mark_running(self, session_id: UUID, *, clock: Clock) -> bool:
        """CREATING → RUNNING with the sum of what its kernels occupy."""
        async with self._phase(Phase.CREATING) as connection:
            now = await time_under_lock(connection, session_id, clock)
            occupied = await connection.scalars(
                select(kernels.c.occupied_slots).where(kernels.c.session_id == session_id)
            )
            total = ResourceSlot.total(ResourceSlot.from_json(slots) for slots in occupied)
            moved = await _move_sessions(
                connection,
                [session_id],
                _S.RUNNING,
                now,
                sessions.c.status == _S.CREATING,
                status_info=None,
                occupying_slots=total.to_json(),
            )
            return bool(moved)

    async def cancel_start(
        self, session_id: UUID, *, reason: str, error: JsonObject, clock: Clock
    ) -> None:
        """A session that cannot start → CANCELLED with its kernels, saying why."""
        starting = {_S.SCHEDULED, _S.PREPARING, _S.PULLING, _S.PREPARED, _S.CREATING}
        async with self._phase(Phase.CREATING) as connection:
            now = await time_under_lock(connection, session_id, clock)
            moved = await _move_sessions(
                connection,
                [session_id],
                _S.CANCELLED,
                now,
                sessions.c.status.in_(starting),
                status_info=reason,
                status_data={"error": error},
                terminated_at=now,
            )
            if not moved:
                return
            await connection.execute(
                update(kernels)
                .where(kernels.c.session_id == session_id, kernels.c.status.not_in(KERNEL_DEAD))
                .values(
                    status=_K.CANCELLED,
                    status_info=reason,
                    status_changed=now,
                    status_history=with_history(kernels, _K.CANCELLED, now),
                    terminated_at=now,
                )
            )
            await _resync_agents_of(connection, [session_id])

    async def finish_batch(
        self, kernel: KernelRow, *, exit_code: int, reason: str, clock: Clock
    ) -> bool:
        """A batch command ended: record the result and mark the session TERMINATING."""
        result = SessionResult.SUCCESS if exit_code == 0 else SessionResult.FAILURE
        async with self._phase(Phase.TERMINATING) as connection:
            now = await time_under_lock(connection, kernel.session_id, clock)
            moved = await _move_sessions(
                connection,
                [kernel.session_id],
                _S.TERMINATING,
                now,
                sessions.c.status == _S.RUNNING,
                status_info=reason,
                result=result.name,
            )
            if moved:
                await _terminate_kernels(
                    connection, kernel.session_id, reason, now, result=result.name
                )
            return bool(moved)

    async def mark_lost(self, session_id: UUID, *, reason: str, clock: Clock) -> bool:
        """A kernel ended by itself: its session → TERMINATING, and every kernel with it."""
        async with self._phase(Phase.TERMINATING) as connection:
            now = await time_under_lock(connection, session_id, clock)
            live = {_S.RUNNING, _S.RUNNING_DEGRADED, _S.RESTARTING, _S.CREATING}
            moved = await _move_sessions(
                connection,
                [session_id],
                _S.TERMINATING,
                now,
                sessions.c.status.in_(live),
                status_info=reason,
            )
            if moved:
                await _terminate_kernels(connection, session_id, reason, now)
            return bool(moved)

    async def mark_kernel_terminated(
        self,
        kernel_id: UUID,
        *,
        exit_code: int | None,
        log: bytes | None,
        reason: str | None = None,
        clock: Clock,
    ) -> bool:
        """TERMINATING → TERMINATED with exit code and log; the mark's reason stays unless given."""
        values: dict[str, object] = {"status": _K.TERMINATED}
        if reason is not None:
            values["status_info"] = reason
        if exit_code is not None:
            values["status_data"] = {"kernel": {"exit_code": exit_code}}
        if log is not None:
            values["container_log"] = log
        async with self._phase(Phase.TERMINATING) as connection:
            now = clock()
            ended = await connection.execute(
                update(kernels)
                .where(kernels.c.id == kernel_id, kernels.c.status == _K.TERMINATING)
                .values(
                    **values,
                    status_changed=now,
                    terminated_at=now,
                    status_history=with_history(kernels, _K.TERMINATED, now),
                )
            )
            return ended.rowcount > 0

    async def finish_terminated(self, *, clock: Clock) -> list[UUID]:
        """TERMINATING sessions without a live kernel → TERMINATED; their agents are freed.

        Sessions without kernels, or with cancelled ones, are finished too; the real manager
        leaves those behind.
        """
        async with self._phase(Phase.TERMINATING) as connection:
            ended = await _locked(
                connection,
                and_(sessions.c.status == _S.TERMINATING, _all_kernels_in(KERNEL_TERMINAL)),
            )
            now = clock()
            await _move_sessions(connection, ended, _S.TERMINATED, now, terminated_at=now)
            await _resync_agents_of(connection, ended)
            return ended


async def _expired(connection: AsyncConnection, now: datetime) -> list[UUID]:
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


async def _locked(connection: AsyncConnection, where: ColumnElement[bool]) -> list[UUID]:
    """The sessions that match, which nobody else changes until the transaction has ended."""
    found = await connection.scalars(
        select(sessions.c.id).where(where).order_by(sessions.c.id).with_for_update(key_share=True)
    )
    return list(found)


async def _move_sessions(
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


async def _terminate_kernels(
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


def _all_kernels_in(statuses: Collection[KernelStatus]) -> ColumnElement[bool]:
    """Whether no kernel of the session is in another status."""
    return ~exists(
        select(literal(1)).where(
            kernels.c.session_id == sessions.c.id, kernels.c.status.not_in(statuses)
        )
    )


async def _kernel_rows(connection: AsyncConnection, where: ColumnElement[bool]) -> list[KernelRow]:
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


async def _session_rows(
    connection: AsyncConnection, where: ColumnElement[bool]
) -> list[SessionRow]:
    rows = await connection.execute(
        select(sessions.c.id, sessions.c.session_type).where(where).order_by(sessions.c.created_at)
    )
    found = [(row.id, SessionType.parse(row.session_type)) for row in rows]
    return [
        SessionRow(
            id=session_id,
            session_type=session_type,
            kernels=await _kernel_rows(connection, kernels.c.session_id == session_id),
        )
        for session_id, session_type in found
    ]


async def _write_outcome(
    connection: AsyncConnection, outcome: ScheduleOutcome, now: datetime
) -> list[UUID]:
    scheduled: list[UUID] = []
    touched: set[str] = set()
    for allocation in outcome.allocations:
        agent_ids = allocation.agent_ids
        moved = await _move_sessions(
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


async def _resync_agents_of(connection: AsyncConnection, session_ids: Collection[UUID]) -> None:
    if not session_ids:
        return
    used = await connection.scalars(
        select(kernels.c.agent)
        .where(kernels.c.session_id.in_(session_ids), kernels.c.agent.is_not(None))
        .distinct()
    )
    await resync_agents(connection, list(used))


async def resync_agents(connection: AsyncConnection, agent_ids: Collection[str]) -> None:
    """Set ``agents.occupied_slots`` to the sum of the kernels on each agent."""
    ordered: Sequence[str] = sorted(agent_ids)
    if not ordered:
        return
    await connection.execute(
        select(agents.c.id)
        .where(agents.c.id.in_(ordered))
        .order_by(agents.c.id)
        .with_for_update(key_share=True)
    )
    for agent_id, occupied in (await agent_occupancy(connection, ordered)).items():
        await connection.execute(
            update(agents).where(agents.c.id == agent_id).values(occupied_slots=occupied.to_json())
        )
