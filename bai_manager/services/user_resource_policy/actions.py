"""What can be done with user policies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target, VisibleTarget
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.actions.targets import Visibility
    from bai_manager.services.user_resource_policy.types import (
        UserResourcePolicyChanges,
        UserResourcePolicyData,
        UserResourcePolicySpec,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ListUserResourcePoliciesActionResult(ActionResult):
    policies: list[UserResourcePolicyData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListUserResourcePoliciesAction(Action[ListUserResourcePoliciesActionResult]):
    """List the user policies that the actor may see: all, or those that bind what is theirs."""

    entity_type: ClassVar[EntityType] = EntityType.USER_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetUserResourcePolicyActionResult(ActionResult):
    policy: UserResourcePolicyData


@dataclass(frozen=True, kw_only=True, slots=True)
class GetUserResourcePolicyAction(Action[GetUserResourcePolicyActionResult]):
    """Show one user policy."""

    entity_type: ClassVar[EntityType] = EntityType.USER_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.GET

    policy: str
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()

    def entity_id(self) -> str | None:
        return self.policy


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateUserResourcePolicyActionResult(ActionResult):
    """``created`` is False for one that was there already and was left as it is."""

    policy: UserResourcePolicyData
    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateUserResourcePolicyAction(Action[CreateUserResourcePolicyActionResult]):
    """Create a user policy."""

    entity_type: ClassVar[EntityType] = EntityType.USER_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.CREATE

    spec: UserResourcePolicySpec
    if_not_exists: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.spec.name


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateUserResourcePolicyActionResult(ActionResult):
    """``changed`` names the fields that have another value now."""

    policy: UserResourcePolicyData
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateUserResourcePolicyAction(Action[UpdateUserResourcePolicyActionResult]):
    """Change fields of a user policy; ``if_unchanged`` is the version that was looked at."""

    entity_type: ClassVar[EntityType] = EntityType.USER_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.UPDATE

    policy: str
    changes: UserResourcePolicyChanges
    if_unchanged: str | None = None

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.policy


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteUserResourcePolicyActionResult(ActionResult):
    """``policy`` is what was deleted; None where there was nothing and that was to be ignored."""

    policy: UserResourcePolicyData | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteUserResourcePolicyAction(Action[DeleteUserResourcePolicyActionResult]):
    """Delete a user policy that binds nobody."""

    entity_type: ClassVar[EntityType] = EntityType.USER_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.DELETE

    policy: str
    ignore_not_found: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.policy
