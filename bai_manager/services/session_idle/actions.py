"""How idle checks can be asked about, and carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import KeypairTarget, SystemTarget, Target
from bai_manager.services.session.actions import SessionAction

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.services.session_idle.types import EndedSession, IdleSession


@dataclass(frozen=True, kw_only=True, slots=True)
class GetIdleChecksActionResult(ActionResult):
    session: IdleSession


@dataclass(frozen=True, kw_only=True, slots=True)
class GetIdleChecksAction(SessionAction[GetIdleChecksActionResult]):
    """Tell what each idle checker says of a running session."""

    operation: ClassVar[Operation] = Operation.GET_IDLE_CHECKS


@dataclass(frozen=True, kw_only=True, slots=True)
class ListIdleChecksActionResult(ActionResult):
    sessions: list[IdleSession]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListIdleChecksAction(Action[ListIdleChecksActionResult]):
    """The same of every running session of a key pair (the actor's own when None), or of all."""

    entity_type: ClassVar[EntityType] = EntityType.SESSION
    operation: ClassVar[Operation] = Operation.LIST_IDLE_CHECKS

    owner: str | None = None
    everybody: bool = False

    def target(self) -> Target:
        return SystemTarget() if self.everybody else KeypairTarget(self.owner)


@dataclass(frozen=True, kw_only=True, slots=True)
class EndIdleSessionsActionResult(ActionResult):
    sessions: list[EndedSession]


@dataclass(frozen=True, kw_only=True, slots=True)
class EndIdleSessionsAction(Action[EndIdleSessionsActionResult]):
    """End the sessions that a checker finds idle, where no manager does that.

    ``sessions`` are the only ones that may be; None is all.
    """

    entity_type: ClassVar[EntityType] = EntityType.SESSION
    operation: ClassVar[Operation] = Operation.END_IDLE

    sessions: tuple[UUID, ...] | None = None

    def target(self) -> Target:
        return SystemTarget()
