"""The scheduler in this process: takes sessions from PENDING to RUNNING and to TERMINATED.

Every step is a conditional update under its phase's lock, and calls to agents are made outside
of transactions and are idempotent. So any number of processes may run this at once, and one that
is killed leaves nothing that the next run does not take up (``reference/state-machines.md`` §7).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from bai_manager.clients.agent.errors import AgentError, AgentUnreachable, ImagePullFailed
from bai_manager.clients.agent.protocol import KernelState
from bai_manager.errors import BackendAIError
from bai_manager.sokovan.scheduling import schedule
from bai_manager.types.lifecycle import KernelLifecycleEventReason as Reason
from bai_manager.types.passes import NoPassLog
from bai_manager.types.status import KernelStatus, SessionStatus, SessionType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

    from bai_manager.clients.agent.pool import Agents
    from bai_manager.clients.agent.protocol import (
        AgentClient,
        KernelCreationInfo,
        KernelReport,
    )
    from bai_manager.sokovan.idle_step import IdleStep
    from bai_manager.sokovan.kernels import KernelRow, KernelStart, SessionRow, SessionStart
    from bai_manager.sokovan.scheduling import ScheduleOutcome
    from bai_manager.sokovan.snapshot import Snapshot
    from bai_manager.types.clock import Clock
    from bai_manager.types.json import JsonObject
    from bai_manager.types.passes import PassLog
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
_FETCHING: Final = frozenset({SessionStatus.PREPARING, SessionStatus.PULLING})
_ON_AGENT: Final = frozenset(
    {KernelStatus.CREATING, KernelStatus.RUNNING, KernelStatus.TERMINATING}
)
_FINAL: Final = frozenset({KernelStatus.TERMINATED, KernelStatus.CANCELLED, KernelStatus.ERROR})
_STUCK_AFTER: Final = timedelta(seconds=10)
_PATIENCE: Final = timedelta(seconds=5)
_AT_ONCE: Final = 4
"""Sessions started, and kernels ended, side by side: as many database connections are open."""


class SchedulerStore(Protocol):
    """The scheduler's rows; ``repositories/scheduler.py`` says what each step does."""

    async def statuses(self) -> frozenset[Status]: ...
    async def schedule(self, decide: Decide, *, clock: Clock) -> list[UUID]: ...
    async def begin_preparing(self, *, clock: Clock) -> bool: ...
    async def kernels_in(self, statuses: Collection[KernelStatus]) -> list[KernelRow]: ...
    async def kernels_by_id(self, kernel_ids: Collection[UUID]) -> list[KernelRow]: ...
    async def retry_preparing(self, *, older_than: timedelta, clock: Clock) -> None: ...
    async def starts(self, statuses: Collection[Status]) -> list[SessionStart]: ...
    async def mark_pulled(
        self, session_id: UUID, kernel_ids: Collection[UUID], *, clock: Clock
    ) -> None: ...
    async def claim_starts(self, *, clock: Clock) -> list[SessionStart]: ...
    async def reclaim_stuck(
        self, *, older_than: timedelta, busy: Collection[UUID], clock: Clock
    ) -> list[SessionStart]: ...
    async def set_network(self, session_id: UUID, network_id: str) -> None: ...
    async def mark_kernel_running(self, info: KernelCreationInfo, *, clock: Clock) -> bool: ...
    async def sessions_ready_to_run(self) -> list[SessionRow]: ...
    async def mark_running(self, session_id: UUID, *, clock: Clock) -> bool: ...
    async def cancel_start(
        self, session_id: UUID, *, reason: str, error: JsonObject, clock: Clock
    ) -> None: ...
    async def finish_batch(
        self, kernel: KernelRow, *, exit_code: int, reason: str, clock: Clock
    ) -> bool: ...
    async def mark_lost(self, session_id: UUID, *, reason: str, clock: Clock) -> bool: ...
    async def mark_kernel_terminated(
        self,
        kernel_id: UUID,
        *,
        exit_code: int | None,
        log: bytes | None,
        reason: str | None = None,
        clock: Clock,
    ) -> bool: ...
    async def finish_terminated(self, *, clock: Clock) -> list[UUID]: ...


class Decide(Protocol):
    def __call__(self, snapshot: Snapshot) -> ScheduleOutcome: ...


class SchedulerRunner:
    """One pass after the other, until nothing is left that this process can move.

    ``stuck_after`` is how long a starter may be silent before another takes its place
    (``reference/state-machines.md`` §7.3); ``patience`` is how long a pass waits for kernels to
    come up. They go on coming up without it, and a later pass finds them.
    """

    def __init__(
        self,
        *,
        store: SchedulerStore,
        agents: Agents,
        clock: Clock,
        stuck_after: timedelta = _STUCK_AFTER,
        patience: timedelta = _PATIENCE,
        passes: PassLog | None = None,
        idle: IdleStep | None = None,
    ) -> None:
        self._idle = idle
        self._passes = passes or NoPassLog()
        self._store = store
        self._agents = agents
        self._clock = clock
        self._stuck_after = stuck_after
        self._patience = patience

    async def advance(self, *, every: float | None = None) -> None:
        """Move every session as far as it can go now; returns at once when none needs anything.

        ``every`` is recorded with the pass: the pause before the next, where there is one.
        """
        started = self._clock()
        while await self._pass():
            pass
        self._passes.record(started, self._clock(), every=every)

    async def _pass(self) -> bool:
        """Take every step once; tell whether an earlier step has something to do because of it."""
        statuses = await self._store.statuses()
        if SessionStatus.PENDING in statuses:
            await self._store.schedule(schedule, clock=self._clock)
            statuses = await self._store.statuses()
        if statuses & _FETCHING:
            await self._store.retry_preparing(older_than=self._stuck_after, clock=self._clock)
        if statuses & _STARTING:
            await self._prepare()
            await self._start()
        gave_up = await self._reconcile(any_live=bool(statuses))
        if not statuses - {SessionStatus.PENDING}:
            return False
        if self._idle is not None and SessionStatus.RUNNING in statuses:
            await self._idle.run()
        batch_began = await self._promote()
        freed = await self._terminate()
        return gave_up or batch_began or (freed and SessionStatus.PENDING in statuses)

    async def _prepare(self) -> None:
        """Ask agents for the images of sessions that were given a place."""
        await self._store.begin_preparing(clock=self._clock)
        for start in await self._store.starts(_FETCHING):
            await self._pull(start)

    async def _pull(self, start: SessionStart) -> None:
        try:
            for agent, members in self._by_agent(start.kernels):
                await agent.check_and_pull([start.image])
                await self._store.mark_pulled(
                    start.session_id,
                    [kernel.config.kernel_id for kernel in members],
                    clock=self._clock,
                )
        except AgentUnreachable:
            return
        except ImagePullFailed as error:
            await self._give_up(start.session_id, f"Image pull failed: {error.message}", error)

    async def _start(self) -> None:
        claimed = await self._store.claim_starts(clock=self._clock)
        if not claimed:
            claimed = await self._store.reclaim_stuck(
                older_than=self._stuck_after, busy=await self._coming_up(), clock=self._clock
            )
        limit = asyncio.Semaphore(_AT_ONCE)

        async def start_one(start: SessionStart) -> None:
            async with limit:
                await self._create_kernels(start)

        await asyncio.gather(*(start_one(start) for start in claimed))

    async def _coming_up(self) -> list[UUID]:
        """Kernels of this machine that do not need their starter any more."""
        found: list[UUID] = []
        for agent in self._agents.resident():
            with suppress(AgentUnreachable):
                reports = await agent.kernel_reports()
                found += [one.kernel_id for one in reports if one.state is not KernelState.EXITED]
        return found

    async def _create_kernels(self, start: SessionStart) -> None:
        """Start a session's kernels; an agent that fails ends it, a silent one does not."""
        network = start.cluster.network_config.get("network_name")
        if network:
            await self._store.set_network(start.session_id, str(network))
        try:
            for agent, members in self._by_agent(start.kernels):
                async with asyncio.timeout(self._patience.total_seconds()):
                    infos = await agent.create_kernels(
                        start.session_id, [kernel.config for kernel in members], start.cluster
                    )
                for info in infos:
                    await self._admit_kernel(agent, start.session_id, info)
        except (AgentUnreachable, TimeoutError):
            return
        except AgentError as error:
            await self._destroy_started(start)
            await self._give_up(start.session_id, Reason.FAILED_TO_START.value, error)

    async def _admit_kernel(
        self, agent: AgentClient, session_id: UUID, info: KernelCreationInfo
    ) -> None:
        """Record a started kernel, or end it when its session was ended meanwhile."""
        if await self._store.mark_kernel_running(info, clock=self._clock):
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
                with suppress(AgentUnreachable):
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
            clock=self._clock,
        )

    async def _reconcile(self, *, any_live: bool) -> bool:
        """Learn from the agents what started, ended or was left behind.

        Tells whether a session was given up, so that kernels of it are to be ended.
        """
        live = await self._store.kernels_in(_ON_AGENT) if any_live else []
        gave_up = False
        for agent in self._agents.resident():
            try:
                reports = {report.kernel_id: report for report in await agent.kernel_reports()}
                for kernel in live:
                    if kernel.agent == agent.agent_id:
                        gave_up |= await self._settle(kernel, reports.pop(kernel.id, None))
                await self._purge_leftovers(agent, reports)
            except AgentUnreachable:
                continue
        return gave_up

    async def _settle(self, kernel: KernelRow, report: KernelReport | None) -> bool:
        """Bring one kernel's row in line with what its agent says; True when it never served."""
        if kernel.status is KernelStatus.CREATING:
            return report is not None and await self._settle_creating(kernel, report)
        if kernel.status is KernelStatus.RUNNING:
            if report is None or report.state is KernelState.EXITED:
                reason = report.reason if report else None
                await self._store.mark_lost(
                    kernel.session_id,
                    reason=reason or Reason.SELF_TERMINATED.value,
                    clock=self._clock,
                )
            elif report.batch_exit_code is not None:
                await self._finish_batch(kernel, report.batch_exit_code, report.reason)
        return False

    async def _settle_creating(self, kernel: KernelRow, report: KernelReport) -> bool:
        """A kernel whose starter does not wait for it; one that was killed is started again."""
        if report.state is KernelState.RUNNING and report.creation_info:
            await self._store.mark_kernel_running(report.creation_info, clock=self._clock)
        if report.state is not KernelState.EXITED or report.reason == Reason.UNKNOWN.value:
            return False
        why = f"kernel {kernel.id} ended while it started: {report.reason}"
        failure = AgentError(kernel.agent or "", "StartFailed", why)
        await self._give_up(kernel.session_id, Reason.FAILED_TO_START.value, failure)
        return True

    async def _finish_batch(self, kernel: KernelRow, exit_code: int, reason: str | None) -> None:
        if kernel.session_status is not SessionStatus.RUNNING:
            return
        ended = Reason.TASK_FINISHED if exit_code == 0 else Reason.TASK_FAILED
        if reason == Reason.TASK_TIMEOUT.value:
            ended = Reason.TASK_TIMEOUT
        await self._store.finish_batch(
            kernel, exit_code=exit_code, reason=ended.value, clock=self._clock
        )

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

    async def _promote(self) -> bool:
        """CREATING sessions whose kernels all run → RUNNING, after the hook of their type.

        Tells whether one of them was a batch session: its command may have ended by now, and
        whoever looked before it was RUNNING left that alone.
        """
        batch = False
        for session in await self._store.sessions_ready_to_run():
            if await self._run_hook(session):
                await self._store.mark_running(session.id, clock=self._clock)
                batch |= session.session_type is SessionType.BATCH
        return batch

    async def _run_hook(self, session: SessionRow) -> bool:
        if session.session_type is not SessionType.BATCH:
            return True
        main = next((kernel for kernel in session.kernels if kernel.is_main), None)
        if main is None or main.agent is None or main.agent_addr is None:
            return True
        try:
            agent = self._agents.client(main.agent, main.agent_addr)
            await agent.trigger_batch_execution(
                session.id, main.id, main.startup_command or "", main.batch_timeout
            )
        except BackendAIError:
            return False
        return True

    async def _terminate(self) -> bool:
        """Destroy the kernels of TERMINATING sessions and finish their rows; True if any were."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def destroy_one(kernel: KernelRow) -> None:
            async with limit:
                await self._destroy(kernel)

        ending = await self._store.kernels_in({KernelStatus.TERMINATING})
        await asyncio.gather(*(destroy_one(kernel) for kernel in ending))
        return bool(await self._store.finish_terminated(clock=self._clock))

    async def _destroy(self, kernel: KernelRow) -> None:
        if kernel.agent_is_gone or kernel.agent is None or kernel.agent_addr is None:
            await self._store.mark_kernel_terminated(
                kernel.id, exit_code=None, log=None, reason="swept-lost-agent", clock=self._clock
            )
            return
        reason = kernel.status_info or Reason.USER_REQUESTED.value
        try:
            agent = self._agents.client(kernel.agent, kernel.agent_addr)
            await agent.destroy_kernel(kernel.id, kernel.session_id, reason)
            log = await _log_of(agent, kernel.id)
            report = await _report_of(agent, kernel.id)
        except (AgentUnreachable, AgentError):
            return
        await self._store.mark_kernel_terminated(
            kernel.id, exit_code=_exit_code(report), log=log, clock=self._clock
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
