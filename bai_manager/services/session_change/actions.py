"""How sessions that exist are changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import Target, VisibleTarget
from bai_manager.services.session.actions import SessionAction, SessionResult

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.targets import Visibility
    from bai_manager.services.session_change.types import SessionChanges
    from bai_manager.types.status import SessionStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class RenameSessionAction(SessionAction[SessionResult]):
    """Give a running session another name."""

    operation: ClassVar[Operation] = Operation.RENAME

    new_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateSessionActionResult(SessionResult):
    """``changed`` names the fields that have another value now."""

    changed: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateSessionAction(SessionAction[UpdateSessionActionResult]):
    """Change a session's name or priority; ``if_unchanged`` is the version it must still have."""

    operation: ClassVar[Operation] = Operation.UPDATE

    changes: SessionChanges
    if_unchanged: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartSessionAction(SessionAction[SessionResult]):
    """End what runs in the kernels of a running session and begin anew, files kept."""

    operation: ClassVar[Operation] = Operation.RESTART


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedSession:
    """``changed`` says whether the status is another than before."""

    session_id: UUID
    name: str
    status: SessionStatus
    changed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckAndTransitStatusActionResult(ActionResult):
    """The session as it is after the check."""

    checked: CheckedSession

    def entity_id(self) -> str | None:
        return str(self.checked.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckAndTransitStatusAction(SessionAction[CheckAndTransitStatusActionResult]):
    """Derive a session's status from its kernels, and set it where the transition is legal."""

    operation: ClassVar[Operation] = Operation.CHECK_AND_TRANSIT_STATUS


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckAndTransitStatusBatchActionResult(ActionResult):
    """``checked`` in the order asked for, ``skipped`` those the actor may not see."""

    checked: list[CheckedSession]
    skipped: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckAndTransitStatusBatchAction(Action[CheckAndTransitStatusBatchActionResult]):
    """The same for several sessions; those that are not the actor's to change are left out."""

    entity_type: ClassVar[EntityType] = EntityType.SESSION
    operation: ClassVar[Operation] = Operation.CHECK_AND_TRANSIT_STATUS_MULTI

    sessions: tuple[str, ...]
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()
