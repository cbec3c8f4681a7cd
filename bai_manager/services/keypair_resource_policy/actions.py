"""What can be done with key pair policies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target, VisibleTarget
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.actions.targets import Visibility
    from bai_manager.services.keypair_resource_policy.types import (
        KeypairResourcePolicyChanges,
        KeypairResourcePolicyData,
        KeypairResourcePolicySpec,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ListKeypairResourcePoliciesActionResult(ActionResult):
    policies: list[KeypairResourcePolicyData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListKeypairResourcePoliciesAction(Action[ListKeypairResourcePoliciesActionResult]):
    """List the key pair policies that the actor may see: all, or those that bind what is theirs."""

    entity_type: ClassVar[EntityType] = EntityType.KEYPAIR_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetKeypairResourcePolicyActionResult(ActionResult):
    policy: KeypairResourcePolicyData


@dataclass(frozen=True, kw_only=True, slots=True)
class GetKeypairResourcePolicyAction(Action[GetKeypairResourcePolicyActionResult]):
    """Show one key pair policy."""

    entity_type: ClassVar[EntityType] = EntityType.KEYPAIR_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.GET

    policy: str
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()

    def entity_id(self) -> str | None:
        return self.policy


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateKeypairResourcePolicyActionResult(ActionResult):
    """``created`` is False for one that was there already and was left as it is."""

    policy: KeypairResourcePolicyData
    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateKeypairResourcePolicyAction(Action[CreateKeypairResourcePolicyActionResult]):
    """Create a key pair policy."""

    entity_type: ClassVar[EntityType] = EntityType.KEYPAIR_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.CREATE

    spec: KeypairResourcePolicySpec
    if_not_exists: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.spec.name


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateKeypairResourcePolicyActionResult(ActionResult):
    """``changed`` names the fields that have another value now."""

    policy: KeypairResourcePolicyData
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateKeypairResourcePolicyAction(Action[UpdateKeypairResourcePolicyActionResult]):
    """Change fields of a key pair policy; ``if_unchanged`` is the version that was looked at."""

    entity_type: ClassVar[EntityType] = EntityType.KEYPAIR_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.UPDATE

    policy: str
    changes: KeypairResourcePolicyChanges
    if_unchanged: str | None = None

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.policy


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteKeypairResourcePolicyActionResult(ActionResult):
    """``policy`` is what was deleted; None where there was nothing and that was to be ignored."""

    policy: KeypairResourcePolicyData | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteKeypairResourcePolicyAction(Action[DeleteKeypairResourcePolicyActionResult]):
    """Delete a key pair policy that binds nobody."""

    entity_type: ClassVar[EntityType] = EntityType.KEYPAIR_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.DELETE

    policy: str
    ignore_not_found: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.policy
