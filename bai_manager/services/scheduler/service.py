"""The scheduler, run by hand or by a kernel that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.scheduler.actions import RunSchedulerActionResult

if TYPE_CHECKING:
    from bai_manager.repositories.scheduler import SchedulerRepository
    from bai_manager.services.scheduler.actions import RunSchedulerAction
    from bai_manager.sokovan.runner import SchedulerRunner


class SchedulerService:
    """Runs one pass at a time."""

    def __init__(self, *, runner: SchedulerRunner, store: SchedulerRepository) -> None:
        self._runner = runner
        self._store = store

    async def run_scheduler(self, action: RunSchedulerAction) -> RunSchedulerActionResult:  # noqa: ARG002 - the action selects the method
        """One pass over everything."""
        await self._runner.advance()
        return RunSchedulerActionResult(sessions=await self._store.counts())
