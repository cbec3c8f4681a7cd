"""Who the caller is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import KeypairTarget, Target

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.services.auth.types import IdentityData
    from bai_manager.types.credentials import Secret


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


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdatePasswordActionResult(ActionResult):
    user_id: UUID
    access_key: str

    def entity_id(self) -> str | None:
        return str(self.user_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdatePasswordAction(Action[UpdatePasswordActionResult]):
    """Change one's own password, which takes the old one."""

    entity_type: ClassVar[EntityType] = EntityType.AUTH
    operation: ClassVar[Operation] = Operation.UPDATE_PASSWORD

    old_password: Secret
    new_password: Secret
    new_password_confirm: Secret
    owner: str | None = None

    def target(self) -> Target:
        return KeypairTarget(self.owner)
