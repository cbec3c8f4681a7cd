"""Who the caller is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import KeypairTarget, Target

if TYPE_CHECKING:
    from bai_manager.services.auth.types import IdentityData


@dataclass(frozen=True, kw_only=True, slots=True)
class GetIdentityActionResult(ActionResult):
    identity: IdentityData


@dataclass(frozen=True, kw_only=True, slots=True)
class GetIdentityAction(Action[GetIdentityActionResult]):
    """Show the user and key pair that act."""

    entity_type: ClassVar[EntityType] = EntityType.AUTH
    operation: ClassVar[Operation] = Operation.GET

    owner: str | None = None

    def target(self) -> Target:
        return KeypairTarget(self.owner)
