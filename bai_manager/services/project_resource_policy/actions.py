"""What can be done with project policies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target, VisibleTarget
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.actions.targets import Visibility
    from bai_manager.services.project_resource_policy.types import (
        ProjectResourcePolicyChanges,
        ProjectResourcePolicyData,
        ProjectResourcePolicySpec,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ListProjectResourcePoliciesActionResult(ActionResult):
    policies: list[ProjectResourcePolicyData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListProjectResourcePoliciesAction(Action[ListProjectResourcePoliciesActionResult]):
    """List the project policies that the actor may see: all, or those that bind what is theirs."""

    entity_type: ClassVar[EntityType] = EntityType.PROJECT_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetProjectResourcePolicyActionResult(ActionResult):
    policy: ProjectResourcePolicyData


@dataclass(frozen=True, kw_only=True, slots=True)
class GetProjectResourcePolicyAction(Action[GetProjectResourcePolicyActionResult]):
    """Show one project policy."""

    entity_type: ClassVar[EntityType] = EntityType.PROJECT_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.GET

    policy: str
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()

    def entity_id(self) -> str | None:
        return self.policy


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateProjectResourcePolicyActionResult(ActionResult):
    """``created`` is False for one that was there already and was left as it is."""

    policy: ProjectResourcePolicyData
    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateProjectResourcePolicyAction(Action[CreateProjectResourcePolicyActionResult]):
    """Create a project policy."""

    entity_type: ClassVar[EntityType] = EntityType.PROJECT_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.CREATE

    spec: ProjectResourcePolicySpec
    if_not_exists: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.spec.name


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateProjectResourcePolicyActionResult(ActionResult):
    """``changed`` names the fields that have another value now."""

    policy: ProjectResourcePolicyData
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateProjectResourcePolicyAction(Action[UpdateProjectResourcePolicyActionResult]):
    """Change fields of a project policy; ``if_unchanged`` is the version that was looked at."""

    entity_type: ClassVar[EntityType] = EntityType.PROJECT_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.UPDATE

    policy: str
    changes: ProjectResourcePolicyChanges
    if_unchanged: str | None = None

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.policy


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteProjectResourcePolicyActionResult(ActionResult):
    """``policy`` is what was deleted; None where there was nothing and that was to be ignored."""

    policy: ProjectResourcePolicyData | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteProjectResourcePolicyAction(Action[DeleteProjectResourcePolicyActionResult]):
    """Delete a project policy that binds nobody."""

    entity_type: ClassVar[EntityType] = EntityType.PROJECT_RESOURCE_POLICY
    operation: ClassVar[Operation] = Operation.DELETE

    policy: str
    ignore_not_found: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.policy
