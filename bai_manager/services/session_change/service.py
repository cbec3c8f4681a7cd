"""Sessions that exist are changed: named, ranked, restarted, set right."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bai_manager.services.session.actions import SessionResult
from bai_manager.services.session_change.actions import (
    CheckAndTransitStatusActionResult,
    CheckAndTransitStatusBatchActionResult,
    CheckedSession,
    UpdateSessionActionResult,
)
from bai_manager.services.session_change.types import check_changes
from bai_manager.sokovan.gate import SessionChange
from bai_manager.types.names import check_session_name
from bai_manager.types.status import KernelStatus

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.base import ActionResult
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.repositories.session_changes import SessionChangeRepository
    from bai_manager.services.running import RunningSessions
    from bai_manager.services.session.actions import SessionAction
    from bai_manager.services.session.types import SessionData
    from bai_manager.services.session_change.actions import (
        CheckAndTransitStatusAction,
        CheckAndTransitStatusBatchAction,
        RenameSessionAction,
        RestartSessionAction,
        UpdateSessionAction,
    )
    from bai_manager.sokovan.gate import Scheduler


class SessionChangeService:
    """Writes to sessions that neither begins nor ends them."""

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        changes: SessionChangeRepository,
        running: RunningSessions,
        scheduler: Scheduler,
    ) -> None:
        self._sessions = sessions
        self._changes = changes
        self._running = running
        self._scheduler = scheduler

    async def rename_session(self, action: RenameSessionAction) -> SessionResult:
        """Another name for one that runs."""
        check_session_name(action.new_name)
        await self._scheduler.advance()
        session = await self._get(action)
        return SessionResult(session=await self._changes.rename(session.id, action.new_name))

    async def update_session(self, action: UpdateSessionAction) -> UpdateSessionActionResult:
        """Another name or priority, whatever its status."""
        check_changes(action.changes)
        session = await self._get(action)
        session, changed = await self._changes.update(
            session.id, action.changes, if_unchanged=action.if_unchanged
        )
        return UpdateSessionActionResult(session=session, changed=changed)

    async def restart_session(self, action: RestartSessionAction) -> SessionResult:
        """Restart every kernel, and note where it listens now."""
        session, main, _agent = await self._running.main(
            action.session, action.owner, "be restarted"
        )
        await self._sessions.count_execution(session.id, main.id)
        infos = await asyncio.gather(
            *(
                self._running.client(kernel).restart_kernel(kernel.id, session.id)
                for kernel in session.kernels
                if kernel.status is KernelStatus.RUNNING
            )
        )
        await self._changes.record_restart(session.id, infos)
        return SessionResult(session=await self._sessions.get_by_id(session.id))

    async def check_and_transit_status(
        self, action: CheckAndTransitStatusAction
    ) -> CheckAndTransitStatusActionResult:
        """Derive one session's status from its kernels."""
        await self._scheduler.advance()
        session = await self._get(action)
        return CheckAndTransitStatusActionResult(checked=await self._check(session.id))

    async def check_and_transit_status_batch(
        self, action: CheckAndTransitStatusBatchAction
    ) -> CheckAndTransitStatusBatchActionResult:
        """The same for each that the actor may see."""
        await self._scheduler.advance()
        found = await self._changes.visible_ids(action.sessions, action.visible)
        return CheckAndTransitStatusBatchActionResult(
            checked=[await self._check(known) for _name, known in found if known is not None],
            skipped=[name for name, known in found if known is None],
        )

    async def _check(self, session_id: UUID) -> CheckedSession:
        transit = await self._changes.transit(session_id)
        changed = transit.status is not transit.was
        if changed:
            session = await self._sessions.get_by_id(session_id)
            await self._scheduler.changed(
                SessionChange(
                    session_id=session.id,
                    creation_id="",
                    access_key=session.access_key,
                    status=session.status,
                    reason="status-checked",
                )
            )
        return CheckedSession(
            session_id=session_id, name=transit.name, status=transit.status, changed=changed
        )

    async def _get(self, action: SessionAction[ActionResult]) -> SessionData:
        return await self._sessions.get_session(action.session, action.owner)
