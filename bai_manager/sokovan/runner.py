"""The scheduler in this process: takes sessions from PENDING to RUNNING and to TERMINATED.

Every step is a conditional update under its phase's lock, and calls to agents are made outside
of transactions and are idempotent. So any number of processes may run this at once, and one that
is killed leaves nothing that the next run does not take up (``reference/state-machines.md`` §7).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from bai_manager.clients.agent.errors import AgentError, AgentUnreachable, ImagePullFailed
from bai_manager.clients.agent.protocol import KernelState
from bai_manager.errors import BackendAIError
from bai_manager.sokovan.scheduling import schedule
from bai_manager.types.lifecycle import KernelLifecycleEventReason as Reason
from bai_manager.types.status import KernelStatus, SessionStatus, SessionType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from uuid import UUID

    from bai_manager.clients.agent.pool import Agents
    from bai_manager.clients.agent.protocol import (
        AgentClient,
        KernelCreationInfo,
        KernelReport,
    )
    from bai_manager.sokovan.kernels import KernelRow, KernelStart, SessionRow, SessionStart
    from bai_manager.sokovan.scheduling import ScheduleOutcome
    from bai_manager.sokovan.snapshot import Snapshot
    from bai_manager.types.clock import Clock
    from bai_manager.types.json import JsonObject
    from bai_manager.types.status import SessionStatus as Status

_STARTING: Final = frozenset(
    {
        SessionStatus.SCHEDULED,
        SessionStatus.PREPARING,
        SessionStatus.PULLING,
        SessionStatus.PREPARED,
        SessionStatus.CREATING,
    }
)
_ON_AGENT: Final = frozenset(
    {KernelStatus.CREATING, KernelStatus.RUNNING, KernelStatus.TERMINATING}
)
_FINAL: Final = frozenset({KernelStatus.TERMINATED, KernelStatus.CANCELLED, KernelStatus.ERROR})
_STUCK_AFTER: Final = timedelta(seconds=10)
_PARALLEL_STARTS: Final = 8


class SchedulerStore(Protocol):
    """The scheduler's rows; ``repositories/scheduler.py`` says what each step does."""

    async def statuses(self) -> frozenset[Status]: ...
    async def schedule(self, decide: Decide, *, now: datetime) -> list[UUID]: ...
    async def expire_pending(self, *, now: datetime) -> list[UUID]: ...
    async def begin_preparing(self, *, now: datetime) -> bool: ...
    async def kernels_in(self, statuses: Collection[KernelStatus]) -> list[KernelRow]: ...
    async def kernels_by_id(self, kernel_ids: Collection[UUID]) -> list[KernelRow]: ...
    async def starts(self, statuses: Collection[Status]) -> list[SessionStart]: ...
    async def mark_pulled(self, kernel_ids: Collection[UUID], *, now: datetime) -> None: ...
    async def claim_starts(self, *, now: datetime) -> list[SessionStart]: ...
    async def reclaim_stuck(
        self, *, older_than: timedelta, now: datetime
    ) -> list[SessionStart]: ...
    async def set_network(self, session_id: UUID, network_id: str) -> None: ...
    async def mark_kernel_running(self, info: KernelCreationInfo, *, now: datetime) -> bool: ...
    async def sessions_ready_to_run(self) -> list[SessionRow]: ...
    async def mark_running(self, session_id: UUID, *, now: datetime) -> bool: ...
    async def cancel_start(
        self, session_id: UUID, *, reason: str, error: JsonObject, now: datetime
    ) -> None: ...
    async def finish_batch(
        self, kernel: KernelRow, *, exit_code: int, reason: str, now: datetime
    ) -> bool: ...
    async def mark_lost(self, session_id: UUID, *, reason: str, now: datetime) -> bool: ...
    async def mark_kernel_terminated(
        self,
        kernel_id: UUID,
        *,
        exit_code: int | None,
        log: bytes | None,
        reason: str | None = None,
        now: datetime,
    ) -> bool: ...
    async def finish_terminated(self, *, now: datetime) -> list[UUID]: ...


class Decide(Protocol):
    def __call__(self, snapshot: Snapshot) -> ScheduleOutcome: ...


class SchedulerRunner:
    """One pass after the other, until nothing is left that this process can move."""

    def __init__(self, *, store: SchedulerStore, agents: Agents, clock: Clock) -> None:
        self._store = store
        self._agents = agents
        self._clock = clock

    async def advance(self) -> None:
        """Move every session as far as it can go now; returns at once when none needs anything."""
        statuses = await self._store.statuses()
        if SessionStatus.PENDING in statuses:
            await self._schedule()
            statuses = await self._store.statuses()
        if statuses & _STARTING:
            await self._prepare()
            await self._start()
        await self._reconcile(any_live=bool(statuses))
        if statuses - {SessionStatus.PENDING}:
            await self._promote()
            await self._terminate()

    async def _schedule(self) -> None:
        now = self._clock()
        for session_id in await self._store.expire_pending(now=now):
            await self._store.cancel_start(session_id, reason="PENDING_TIMEOUT", error={}, now=now)
        await self._store.schedule(schedule, now=now)

    async def _prepare(self) -> None:
        """Ask agents for the images of sessions that were given a place."""
        await self._store.begin_preparing(now=self._clock())
        waiting = {SessionStatus.PREPARING, SessionStatus.PULLING}
        for start in await self._store.starts(waiting):
            await self._pull(start)

    async def _pull(self, start: SessionStart) -> None:
        try:
            for agent, members in self._by_agent(start.kernels):
                await agent.check_and_pull([start.image])
                await self._store.mark_pulled(
                    [kernel.config.kernel_id for kernel in members], now=self._clock()
                )
        except AgentUnreachable:
            return
        except ImagePullFailed as error:
            await self._give_up(start.session_id, f"Image pull failed: {error.message}", error)

    async def _start(self) -> None:
        claimed = await self._store.claim_starts(now=self._clock())
        if not claimed:
            claimed = await self._store.reclaim_stuck(older_than=_STUCK_AFTER, now=self._clock())
        limit = asyncio.Semaphore(_PARALLEL_STARTS)

        async def start_one(start: SessionStart) -> None:
            async with limit:
                await self._create_kernels(start)

        await asyncio.gather(*(start_one(start) for start in claimed))

    async def _create_kernels(self, start: SessionStart) -> None:
        """Start a session's kernels; an agent that fails ends it, a silent one does not."""
        network = start.cluster.network_config.get("network_name")
        if network:
            await self._store.set_network(start.session_id, str(network))
        try:
            for agent, members in self._by_agent(start.kernels):
                infos = await agent.create_kernels(
                    start.session_id, [kernel.config for kernel in members], start.cluster
                )
                for info in infos:
                    await self._admit_kernel(agent, start.session_id, info)
        except AgentUnreachable:
            return
        except AgentError as error:
            await self._destroy_started(start)
            await self._give_up(start.session_id, Reason.FAILED_TO_START.value, error)

    async def _admit_kernel(
        self, agent: AgentClient, session_id: UUID, info: KernelCreationInfo
    ) -> None:
        """Record a started kernel, or end it when its session was ended meanwhile."""
        if await self._store.mark_kernel_running(info, now=self._clock()):
            return
        rows = await self._store.kernels_by_id([info.kernel_id])
        if all(row.status in _FINAL for row in rows):
            await agent.destroy_kernel(
                info.kernel_id, session_id, Reason.TERMINATED_UNKNOWN_CONTAINER.value
            )
            await agent.forget_kernels([info.kernel_id])

    async def _destroy_started(self, start: SessionStart) -> None:
        for agent, members in self._by_agent(start.kernels):
            for kernel in members:
                await agent.destroy_kernel(
                    kernel.config.kernel_id, start.session_id, Reason.FAILED_TO_START.value
                )

    async def _give_up(self, session_id: UUID, reason: str, error: BackendAIError) -> None:
        await self._store.cancel_start(
            session_id,
            reason=reason,
            error={
                "src": "agent",
                "name": getattr(error, "name", type(error).__name__),
                "repr": error.message,
            },
            now=self._clock(),
        )

    async def _reconcile(self, *, any_live: bool) -> None:
        """Learn from the agents what started, ended or was left behind."""
        live = await self._store.kernels_in(_ON_AGENT) if any_live else []
        for agent in self._agents.resident():
            try:
                reports = {report.kernel_id: report for report in await agent.kernel_reports()}
            except AgentUnreachable:
                continue
            for kernel in live:
                if kernel.agent == agent.agent_id:
                    await self._settle(kernel, reports.pop(kernel.id, None))
            await self._purge_leftovers(agent, reports)

    async def _settle(self, kernel: KernelRow, report: KernelReport | None) -> None:
        """Bring one kernel's row in line with what its agent says."""
        now = self._clock()
        if kernel.status is KernelStatus.CREATING:
            if report and report.state is KernelState.RUNNING and report.creation_info:
                await self._store.mark_kernel_running(report.creation_info, now=now)
        elif kernel.status is KernelStatus.RUNNING:
            if report is None or report.state is KernelState.EXITED:
                reason = report.reason if report else None
                await self._store.mark_lost(
                    kernel.session_id, reason=reason or Reason.SELF_TERMINATED.value, now=now
                )
            elif report.batch_exit_code is not None:
                await self._finish_batch(kernel, report.batch_exit_code, report.reason, now)

    async def _finish_batch(
        self, kernel: KernelRow, exit_code: int, reason: str | None, now: datetime
    ) -> None:
        if kernel.session_status is not SessionStatus.RUNNING:
            return
        ended = Reason.TASK_FINISHED if exit_code == 0 else Reason.TASK_FAILED
        if reason == Reason.TASK_TIMEOUT.value:
            ended = Reason.TASK_TIMEOUT
        await self._store.finish_batch(kernel, exit_code=exit_code, reason=ended.value, now=now)

    async def _purge_leftovers(self, agent: AgentClient, reports: dict[UUID, KernelReport]) -> None:
        """End kernels that no row stands for any more, and forget those that are over."""
        if not reports:
            return
        rows = {row.id: row for row in await self._store.kernels_by_id(reports.keys())}
        for kernel_id, report in reports.items():
            row = rows.get(kernel_id)
            if row is not None and row.status not in _FINAL:
                continue
            if report.state is not KernelState.EXITED:
                await agent.destroy_kernel(
                    kernel_id, report.session_id, Reason.TERMINATED_UNKNOWN_CONTAINER.value
                )
            await agent.forget_kernels([kernel_id])

    async def _promote(self) -> None:
        """CREATING sessions whose kernels all run → RUNNING, after the hook of their type."""
        for session in await self._store.sessions_ready_to_run():
            if await self._run_hook(session):
                await self._store.mark_running(session.id, now=self._clock())

    async def _run_hook(self, session: SessionRow) -> bool:
        if session.session_type is not SessionType.BATCH:
            return True
        main = next((kernel for kernel in session.kernels if kernel.is_main), None)
        if main is None or main.agent is None or main.agent_addr is None:
            return True
        agent = self._agents.client(main.agent, main.agent_addr)
        try:
            await agent.trigger_batch_execution(
                session.id, main.id, main.startup_command or "", main.batch_timeout
            )
        except BackendAIError:
            return False
        return True

    async def _terminate(self) -> None:
        """Destroy the kernels of TERMINATING sessions and finish their rows."""
        ending = await self._store.kernels_in({KernelStatus.TERMINATING})
        await asyncio.gather(*(self._destroy(kernel) for kernel in ending))
        await self._store.finish_terminated(now=self._clock())

    async def _destroy(self, kernel: KernelRow) -> None:
        if kernel.agent_is_gone or kernel.agent is None or kernel.agent_addr is None:
            await self._store.mark_kernel_terminated(
                kernel.id, exit_code=None, log=None, reason="swept-lost-agent", now=self._clock()
            )
            return
        agent = self._agents.client(kernel.agent, kernel.agent_addr)
        reason = kernel.status_info or Reason.USER_REQUESTED.value
        try:
            await agent.destroy_kernel(kernel.id, kernel.session_id, reason)
            log = await _log_of(agent, kernel.id)
            report = await _report_of(agent, kernel.id)
        except AgentUnreachable:
            return
        await self._store.mark_kernel_terminated(
            kernel.id, exit_code=_exit_code(report), log=log, now=self._clock()
        )
        await agent.forget_kernels([kernel.id])

    def _by_agent(
        self, kernels: Iterable[KernelStart]
    ) -> list[tuple[AgentClient, list[KernelStart]]]:
        grouped: defaultdict[tuple[str, str], list[KernelStart]] = defaultdict(list)
        for kernel in kernels:
            grouped[kernel.agent_id, kernel.agent_addr].append(kernel)
        return [
            (self._agents.client(agent_id, addr), members)
            for (agent_id, addr), members in grouped.items()
        ]


async def _log_of(agent: AgentClient, kernel_id: UUID) -> bytes | None:
    try:
        return (await agent.get_logs(kernel_id)).encode()
    except BackendAIError:
        return None


async def _report_of(agent: AgentClient, kernel_id: UUID) -> KernelReport | None:
    reports = await agent.kernel_reports()
    return next((report for report in reports if report.kernel_id == kernel_id), None)


def _exit_code(report: KernelReport | None) -> int:
    """The batch command's, else the main process's; -1 when nobody knows."""
    if report is None:
        return -1
    codes = (report.batch_exit_code, report.exit_code)
    return next((code for code in codes if code is not None), -1)
