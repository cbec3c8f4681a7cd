"""How a session comes to be enqueued, or an existing one to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.session.errors import SessionAlreadyExists
from bai_manager.services.session.planning import plan_session
from bai_manager.sokovan.gate import SessionChange
from bai_manager.types.status import SESSION_TERMINAL, SessionStatus

if TYPE_CHECKING:
    from bai_manager.repositories.image import ImageRepository
    from bai_manager.repositories.open_groups import OpenGroupRepository
    from bai_manager.repositories.owner import OwnerRepository
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.services.session.actions import CreateSessionAction
    from bai_manager.services.session.planning import Mounts
    from bai_manager.services.session.request import SessionRequest
    from bai_manager.services.session.types import SessionData
    from bai_manager.sokovan.gate import Scheduler
    from bai_manager.types.clock import Clock


class Creation:
    """Checks a request against the database and enqueues it."""

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        images: ImageRepository,
        owners: OwnerRepository,
        scaling_groups: OpenGroupRepository,
        mounts: Mounts,
        scheduler: Scheduler,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._images = images
        self._owners = owners
        self._scaling_groups = scaling_groups
        self._mounts = mounts
        self._scheduler = scheduler
        self._clock = clock

    async def existing_or_new(self, request: SessionRequest) -> tuple[SessionData, bool]:
        """The session to wait for, and whether it is new."""
        existing = await self._existing(request.action)
        if existing is not None:
            return existing, False
        await self._scheduler.advance()
        try:
            return await self._enqueue(request), True
        except SessionAlreadyExists:
            existing = await self._existing(request.action)
            if existing is None:
                raise
            return existing, False

    async def _existing(self, action: CreateSessionAction) -> SessionData | None:
        """A session to reuse; raises ``SessionAlreadyExists`` when reuse was not asked for.

        One that is ending is no session to reuse, but brought to its end first.
        """
        existing = await self._sessions.find_live(action.name, action.owner or "")
        if existing is None:
            return None
        if action.reuse_if_exists and existing.status is not SessionStatus.TERMINATING:
            image = await self._images.resolve(action.image, action.architecture)
            if image.name in existing.images:
                return existing
        await self._scheduler.advance()
        if (await self._sessions.get_by_id(existing.id)).status in SESSION_TERMINAL:
            return None
        raise SessionAlreadyExists(action.name)

    async def _enqueue(self, request: SessionRequest) -> SessionData:
        spec = await plan_session(
            request,
            images=self._images,
            owners=self._owners,
            scaling_groups=self._scaling_groups,
            clock=self._clock,
            mounts=self._mounts,
        )
        session = await self._sessions.enqueue(spec, request.check_quota(spec))
        await self._scheduler.changed(
            SessionChange(
                session_id=session.id,
                creation_id=spec.creation_id,
                access_key=session.access_key,
                status=session.status,
                reason="user-requested",
            )
        )
        return session
