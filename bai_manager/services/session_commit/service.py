"""Sessions are kept: in a file, or as an image of their user's own."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from bai_manager.clients.agent.protocol import ImageSpec
from bai_manager.errors import TimedOut
from bai_manager.services.session_commit.actions import (
    CommitSessionActionResult,
    ConvertSessionToImageActionResult,
    GetCommitStatusActionResult,
)
from bai_manager.services.session_commit.errors import (
    CustomizedImageQuotaExceeded,
    InvalidImageName,
    NoProjectRegistry,
    ProjectRegistryNotFound,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from bai_manager.clients.agent.protocol import AgentClient
    from bai_manager.repositories.session_commit import SessionCommitRepository
    from bai_manager.services.running import RunningSessions
    from bai_manager.services.session.types import KernelData, SessionData
    from bai_manager.services.session_commit.actions import (
        CommitSessionAction,
        ConvertSessionToImageAction,
        GetCommitStatusAction,
    )
    from bai_manager.services.session_commit.types import Customizing, PushTarget
    from bai_manager.types.clock import Clock
    from bai_manager.types.json import JsonObject

_NAME: Final = re.compile(r"[a-zA-Z0-9._-]+", re.ASCII)
_PAUSE: Final = 0.5
_LABEL: Final = "ai.backend.customized-image."


class SessionCommitService:
    """Has agents keep kernels."""

    def __init__(
        self,
        *,
        running: RunningSessions,
        commits: SessionCommitRepository,
        new_id: Callable[[], UUID],
        clock: Clock,
    ) -> None:
        self._running = running
        self._commits = commits
        self._new_id = new_id
        self._clock = clock

    async def commit_session(self, action: CommitSessionAction) -> CommitSessionActionResult:
        """Begin to write the file; the session goes on meanwhile."""
        session, kernel, agent = await self._running.main(action.session, action.owner, "be kept")
        now = self._clock().strftime("%Y-%m-%dT%H%M%S")
        started = await agent.commit(
            kernel.id,
            _folder(session),
            filename=action.filename or f"{session.name}_{now}.tar.gz",
        )
        return CommitSessionActionResult(
            session_id=session.id,
            kernel_id=kernel.id,
            task_id=started.task_id,
            path=started.path,
        )

    async def get_commit_status(self, action: GetCommitStatusAction) -> GetCommitStatusActionResult:
        """As the agent says."""
        session, kernel, agent = await self._running.main(action.session, action.owner, "be kept")
        status = await agent.commit_status(kernel.id, _folder(session))
        return GetCommitStatusActionResult(
            session_id=session.id, kernel_id=kernel.id, status=status
        )

    async def convert_session_to_image(
        self, action: ConvertSessionToImageAction
    ) -> ConvertSessionToImageActionResult:
        """Have the agent make the image, wait for that, and have it push the image."""
        if not _NAME.fullmatch(action.image_name):
            raise InvalidImageName(action.image_name)
        session, kernel, agent = await self._running.main(action.session, action.owner, "be kept")
        found = await self._commits.customizing(
            session.user_id, session.group_id, action.image_name
        )
        registry = _allowed(found, session)
        image_id = found.existing_id or self._new_id()
        canonical = _canonical(kernel.image, registry, image_id)
        labels = {
            "owner": f"user:{session.user_id}",
            "name": action.image_name,
            "id": str(image_id),
            "user.email": session.user_email or "",
        }
        await agent.commit(
            kernel.id,
            _folder(session),
            canonical=canonical,
            extra_labels={f"{_LABEL}{name}": text for name, text in labels.items()},
        )
        await _until_ready(agent, kernel, session, action.timeout)
        task_id = await agent.push_image(_pushed(canonical, kernel, registry))
        return ConvertSessionToImageActionResult(
            session_id=session.id, image=canonical, task_id=task_id
        )


def _folder(session: SessionData) -> str:
    """Where an agent keeps what it writes for a user: by e-mail."""
    return session.user_email or str(session.user_id)


def _allowed(found: Customizing, session: SessionData) -> PushTarget:
    project = session.group_name or str(session.group_id)
    if not found.registry_named:
        raise NoProjectRegistry(project)
    if found.registry is None:
        raise ProjectRegistryNotFound(project)
    if found.limit is not None and found.existing_id is None and found.current >= found.limit:
        raise CustomizedImageQuotaExceeded(found.limit, found.current)
    return found.registry


def _canonical(source: str, registry: PushTarget, image_id: UUID) -> str:
    """The source's name and tag in the project's registry, with the id as one more tag part."""
    name, _, tag = source.rpartition("/")[2].partition(":")
    parts = [part for part in tag.split("-") if part and not part.startswith("customized_")]
    tagged = "-".join([*parts, f"customized_{image_id.hex}"])
    return f"{registry.name}/{registry.project}/{name}:{tagged}"


def _pushed(canonical: str, kernel: KernelData, registry: PushTarget) -> ImageSpec:
    password = registry.password
    known: JsonObject = {
        "name": registry.name,
        "url": registry.url,
        "username": registry.username,
        "password": None if password is None else password.reveal(),
    }
    return ImageSpec(
        canonical=canonical,
        architecture=kernel.architecture,
        project=registry.project,
        registry=known,
        labels={},
        digest="",
        is_local=False,
    )


async def _until_ready(
    agent: AgentClient, kernel: KernelData, session: SessionData, timeout: float | None
) -> None:
    """Raise ``TimedOut``; the agent goes on."""
    try:
        async with asyncio.timeout(timeout):
            ready = False
            while not ready:
                await asyncio.sleep(_PAUSE)
                ready = await agent.commit_status(kernel.id, _folder(session)) == "ready"
    except TimeoutError:
        raise TimedOut(
            f"The agent still makes an image of session {session.name!r} after {timeout:g} s.",
            hint=f"It goes on: 'bai-manager session commit-status {session.name}'.",
        ) from None
