"""How what runs in a session can be kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import ActionResult, Operation
from bai_manager.services.session.actions import SessionAction

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitSessionActionResult(ActionResult):
    """``path`` is the file on the agent. ``task_id`` is empty when it is done already."""

    session_id: UUID
    kernel_id: UUID
    task_id: str
    path: str | None

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitSessionAction(SessionAction[CommitSessionActionResult]):
    """Keep the main kernel of a session in a file on its agent."""

    operation: ClassVar[Operation] = Operation.COMMIT

    filename: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GetCommitStatusActionResult(ActionResult):
    """``status`` is ``ready``, or ``ongoing`` while a commit is under way."""

    session_id: UUID
    kernel_id: UUID
    status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GetCommitStatusAction(SessionAction[GetCommitStatusActionResult]):
    """Ask whether the main kernel of a session is being kept."""

    operation: ClassVar[Operation] = Operation.GET_COMMIT_STATUS


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertSessionToImageActionResult(ActionResult):
    """``image`` is the canonical name; ``task_id`` pushes it to the registry."""

    session_id: UUID
    image: str
    task_id: str

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertSessionToImageAction(SessionAction[ConvertSessionToImageActionResult]):
    """Make an image of the main kernel of a session, for the session's user alone.

    ``timeout`` is for the agent to make it, in seconds; None waits without end.
    """

    operation: ClassVar[Operation] = Operation.CONVERT_TO_IMAGE

    image_name: str
    timeout: float | None = None
