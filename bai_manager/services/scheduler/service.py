"""The scheduler: run by hand or by a kernel that has ended, and asked why something waits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bai_manager.services.scheduler.actions import (
    ExplainPendingActionResult,
    FitSessionActionResult,
    GetSchedulerStatusActionResult,
    RunSchedulerActionResult,
)
from bai_manager.services.scheduler.errors import SessionDoesNotWait
from bai_manager.services.session.errors import NoAgentLargeEnough
from bai_manager.types.status import SessionStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bai_manager.repositories.scheduler_status import SchedulerStatusRepository
    from bai_manager.repositories.waiting import WaitingRepository
    from bai_manager.services.scheduler.actions import (
        ExplainPendingAction,
        FitSessionAction,
        GetSchedulerStatusAction,
        RunSchedulerAction,
    )
    from bai_manager.services.session.actions import CreateSessionAction
    from bai_manager.services.session.request import SessionRequest
    from bai_manager.services.session.types_request import SessionSpec
    from bai_manager.sokovan.gate import Passes, Scheduler
    from bai_manager.types.clock import Clock
    from bai_manager.types.passes import PassLog


class SchedulerService:
    """Runs one pass at a time, and explains without changing anything.

    ``runner`` builds the scheduler of this machine; ``plan`` makes of a request what would be
    enqueued.
    """

    def __init__(
        self,
        *,
        runner: Callable[[], Passes],
        status: SchedulerStatusRepository,
        waiting: WaitingRepository,
        plan: Callable[[SessionRequest], Awaitable[SessionSpec]],
        scheduler: Scheduler,
        passes: PassLog,
        scheduled_by: str,
        clock: Clock,
    ) -> None:
        self._runner = runner
        self._status = status
        self._waiting = waiting
        self._plan = plan
        self._scheduler = scheduler
        self._passes = passes
        self._scheduled_by = scheduled_by
        self._clock = clock

    async def run_scheduler(self, action: RunSchedulerAction) -> RunSchedulerActionResult:
        """One pass over everything."""
        await self._runner().advance(every=action.every)
        return RunSchedulerActionResult(sessions=await self._status.counts())

    async def get_scheduler_status(
        self,
        action: GetSchedulerStatusAction,  # noqa: ARG002 - the action selects the method
    ) -> GetSchedulerStatusActionResult:
        """What is known without running anything."""
        return GetSchedulerStatusActionResult(
            scheduled_by=self._scheduled_by,
            last_pass=self._passes.last(),
            last_decision=await self._status.last_decision(),
            sessions=await self._status.counts(),
            queues=await self._status.queues(),
            locks=await self._status.locks(),
        )

    async def explain_pending(self, action: ExplainPendingAction) -> ExplainPendingActionResult:
        """All reasons at once, after whatever can start has started."""
        from bai_manager.services.scheduler.telling import tell  # noqa: PLC0415 - to explain only
        from bai_manager.sokovan.explain import explain  # noqa: PLC0415 - as above

        await self._scheduler.advance()
        found = await self._waiting.find(action.session, action.owner)
        if found.status is not SessionStatus.PENDING:
            raise SessionDoesNotWait(found.name, found.status, found.status_info)
        snapshot = await self._waiting.snapshot(found.scaling_group, now=self._clock())
        explanation = explain(snapshot, found.id)
        session = next(one for one in snapshot.pending if one.id == found.id)
        closed = await self._waiting.closed_agents(found.scaling_group)
        return ExplainPendingActionResult(
            session_id=found.id, **tell(snapshot, session, explanation, closed)
        )

    async def fit_session(self, action: FitSessionAction) -> FitSessionActionResult:
        """What creating it would say, and what the next pass would do with it."""
        from bai_manager.services.scheduler.telling import tell  # noqa: PLC0415 - to explain only
        from bai_manager.services.session.request import (  # noqa: PLC0415 - as above
            SessionRequest,
            as_pending,
            objections,
        )
        from bai_manager.sokovan.explain import fits  # noqa: PLC0415 - as above

        await self._scheduler.advance()
        at_once = []
        try:
            spec = await self._plan(SessionRequest(_asked(action, queue=False)))
        except NoAgentLargeEnough as error:
            at_once = [error.message]
            spec = await self._plan(SessionRequest(_asked(action, queue=True)))
        snapshot = await self._waiting.snapshot(
            spec.scaling_group, now=self._clock(), joined_by=spec
        )
        quota = await self._waiting.quota(spec)
        session = as_pending(spec)
        closed = await self._waiting.closed_agents(spec.scaling_group)
        return FitSessionActionResult(
            refusals=[
                *at_once,
                *(error.message for error in objections(spec, quota, queue=False)),
            ],
            queue_refusals=[error.message for error in objections(spec, quota, queue=True)],
            **tell(snapshot, session, fits(snapshot, session), closed),
        )


def _asked(action: FitSessionAction, *, queue: bool) -> CreateSessionAction:
    """The request with its owner filled in."""
    return replace(action.request, owner=action.owner, queue=queue)
