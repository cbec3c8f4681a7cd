"""The scheduler's steps as conditional updates, each under its phase's advisory lock.

Locks and history rules are those of the real manager (``reference/state-machines.md`` §2, §7.1,
§7.3), so both may work on one database. Every update names the statuses it starts from: what
another process did first is left alone. The time is read once the rows are locked, so that no
history runs backwards.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, select, update

from bai_manager.models.session import kernels, sessions
from bai_manager.repositories.agent_sums import resync_agents_of
from bai_manager.repositories.allocation import expired, write_outcome
from bai_manager.repositories.history import time_under_lock, with_history
from bai_manager.repositories.retrying import stuck_again
from bai_manager.repositories.session_writes import cancel_pending
from bai_manager.repositories.snapshot import load_snapshot, schedulable_groups
from bai_manager.repositories.starting import load_starts
from bai_manager.repositories.transitions import (
    Phase,
    all_kernels_in,
    in_phase,
    kernel_rows,
    locked,
    move_sessions,
    session_rows,
    terminate_kernels,
)
from bai_manager.types.lifecycle import SchedulerStatusInfo
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import (
    KERNEL_DEAD,
    KERNEL_TERMINAL,
    SESSION_TERMINAL,
    KernelStatus,
    SessionResult,
    SessionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.clients.agent.protocol import KernelCreationInfo
    from bai_manager.repositories.database import Database
    from bai_manager.sokovan.kernels import KernelRow, SessionRow, SessionStart
    from bai_manager.sokovan.scheduling import ScheduleOutcome
    from bai_manager.sokovan.snapshot import Snapshot
    from bai_manager.types.clock import Clock
    from bai_manager.types.json import JsonObject

_K = KernelStatus
_S = SessionStatus


class SchedulerRepository:
    """What the scheduler reads and writes; one transaction a method."""

    def __init__(self, database: Database, *, patience: timedelta = timedelta(0)) -> None:
        """``patience`` is how long to wait for another scheduler; 0 is without end."""
        self._database = database
        self._patience = patience

    def _phase(self, phase: Phase) -> AbstractAsyncContextManager[AsyncConnection]:
        return in_phase(self._database, phase, patience=self._patience)

    async def statuses(self) -> frozenset[SessionStatus]:
        """The statuses that sessions which still need something are in."""
        async with self._database.transaction() as connection:
            found = await connection.scalars(
                select(sessions.c.status)
                .where(sessions.c.status.not_in(SESSION_TERMINAL))
                .distinct()
            )
            return frozenset(SessionStatus.parse(status) for status in found)

    async def schedule(
        self, decide: Callable[[Snapshot], ScheduleOutcome], *, clock: Clock
    ) -> list[UUID]:
        """Let ``decide`` place pending sessions of every group, and write what it decided.

        Returns the sessions that became SCHEDULED. Those that waited longer than their group's
        ``pending_timeout`` are cancelled instead.
        """
        async with self._phase(Phase.PENDING) as connection:
            for session_id in await expired(connection, clock()):
                now = await time_under_lock(connection, session_id, clock)
                await cancel_pending(
                    connection, session_id, SchedulerStatusInfo.PENDING_TIMEOUT.value, now
                )
            scheduled: list[UUID] = []
            for group in await schedulable_groups(connection):
                snapshot = await load_snapshot(connection, group, now=clock())
                if snapshot.pending:
                    scheduled += await write_outcome(connection, decide(snapshot), clock())
            return scheduled

    async def begin_preparing(self, *, clock: Clock) -> bool:
        """SCHEDULED sessions whose kernels all are → PREPARING; kernels without history."""
        async with self._phase(Phase.PREPARING) as connection:
            ready = await locked(
                connection,
                and_(sessions.c.status == _S.SCHEDULED, all_kernels_in({_K.SCHEDULED})),
            )
            if not ready:
                return False
            now = clock()
            await move_sessions(connection, ready, _S.PREPARING, now, status_info=None)
            await connection.execute(
                update(kernels)
                .where(kernels.c.session_id.in_(ready), kernels.c.status == _K.SCHEDULED)
                .values(status=_K.PREPARING, status_changed=now)
            )
            return True

    async def kernels_in(self, statuses: Collection[KernelStatus]) -> list[KernelRow]:
        """Kernels in the given statuses, with what the runner needs to act on them."""
        async with self._database.transaction() as connection:
            return await kernel_rows(connection, kernels.c.status.in_(statuses))

    async def kernels_by_id(self, kernel_ids: Collection[UUID]) -> list[KernelRow]:
        async with self._database.transaction() as connection:
            return await kernel_rows(connection, kernels.c.id.in_(kernel_ids))

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
            await move_sessions(
                connection,
                [session_id],
                _S.PREPARED,
                now,
                sessions.c.status.in_({_S.PREPARING, _S.PULLING}),
                all_kernels_in({_K.PREPARED, _K.RUNNING}),
                status_info=None,
            )

    async def claim_starts(self, *, clock: Clock) -> list[SessionStart]:
        """PREPARED sessions → CREATING with their kernels; who moved them starts them."""
        async with self._phase(Phase.CREATING) as connection:
            claimed = await locked(connection, sessions.c.status == _S.PREPARED)
            if not claimed:
                return []
            now = clock()
            await move_sessions(connection, claimed, _S.CREATING, now, status_info=None)
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
        and is not among ``busy``: kernels that their agent is bringing up. After the last try
        they wait again instead.
        """
        async with self._phase(Phase.CREATING) as connection:
            again = await stuck_again(
                connection,
                ({_S.CREATING}, {_K.CREATING}),
                busy=busy,
                older_than=older_than,
                now=clock(),
            )
            return await load_starts(connection, sessions.c.id.in_(again)) if again else []

    async def retry_preparing(self, *, older_than: timedelta, clock: Clock) -> None:
        """Count a try of PREPARING and PULLING sessions that have not come further for so long.

        Every pass asks for their images again; after the last try they wait again instead.
        """
        async with self._phase(Phase.PREPARING) as connection:
            step = {_S.PREPARING, _S.PULLING}, {_K.PREPARING, _K.PULLING}
            await stuck_again(connection, step, older_than=older_than, now=clock())

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
            return await session_rows(
                connection,
                and_(sessions.c.status == _S.CREATING, all_kernels_in({_K.RUNNING})),
            )

    async def mark_running(self, session_id: UUID, *, clock: Clock) -> bool:
        """CREATING → RUNNING with the sum of what its kernels occupy."""
        async with self._phase(Phase.CREATING) as connection:
            now = await time_under_lock(connection, session_id, clock)
            occupied = await connection.scalars(
                select(kernels.c.occupied_slots).where(kernels.c.session_id == session_id)
            )
            total = ResourceSlot.total(ResourceSlot.from_json(slots) for slots in occupied)
            moved = await move_sessions(
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
            moved = await move_sessions(
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
            await resync_agents_of(connection, [session_id])

    async def finish_batch(
        self, kernel: KernelRow, *, exit_code: int, reason: str, clock: Clock
    ) -> bool:
        """A batch command ended: record the result and mark the session TERMINATING."""
        result = SessionResult.SUCCESS if exit_code == 0 else SessionResult.FAILURE
        async with self._phase(Phase.TERMINATING) as connection:
            now = await time_under_lock(connection, kernel.session_id, clock)
            moved = await move_sessions(
                connection,
                [kernel.session_id],
                _S.TERMINATING,
                now,
                sessions.c.status == _S.RUNNING,
                status_info=reason,
                result=result.name,
            )
            if moved:
                await terminate_kernels(
                    connection, kernel.session_id, reason, now, result=result.name
                )
            return bool(moved)

    async def mark_lost(self, session_id: UUID, *, reason: str, clock: Clock) -> bool:
        """A kernel ended by itself: its session → TERMINATING, and every kernel with it."""
        async with self._phase(Phase.TERMINATING) as connection:
            now = await time_under_lock(connection, session_id, clock)
            live = {_S.RUNNING, _S.RUNNING_DEGRADED, _S.RESTARTING, _S.CREATING}
            moved = await move_sessions(
                connection,
                [session_id],
                _S.TERMINATING,
                now,
                sessions.c.status.in_(live),
                status_info=reason,
            )
            if moved:
                await terminate_kernels(connection, session_id, reason, now)
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
            ended = await locked(
                connection,
                and_(sessions.c.status == _S.TERMINATING, all_kernels_in(KERNEL_TERMINAL)),
            )
            now = clock()
            await move_sessions(connection, ended, _S.TERMINATED, now, terminated_at=now)
            await resync_agents_of(connection, ended)
            return ended
