"""Project policies: what a project may keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.project_resource_policy.actions import (
    CreateProjectResourcePolicyActionResult,
    DeleteProjectResourcePolicyActionResult,
    GetProjectResourcePolicyActionResult,
    ListProjectResourcePoliciesActionResult,
    UpdateProjectResourcePolicyActionResult,
)
from bai_manager.services.project_resource_policy.types import check_changes, check_spec
from bai_manager.types.names import check_name

if TYPE_CHECKING:
    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.resource_policy import ProjectResourcePolicyRepository
    from bai_manager.services.project_resource_policy.actions import (
        CreateProjectResourcePolicyAction,
        DeleteProjectResourcePolicyAction,
        GetProjectResourcePolicyAction,
        ListProjectResourcePoliciesAction,
        UpdateProjectResourcePolicyAction,
    )


class ProjectResourcePolicyService:
    """Reads and changes project policies."""

    def __init__(self, *, policies: ProjectResourcePolicyRepository, memory: ManagerMemory) -> None:
        self._policies = policies
        self._memory = memory

    async def list_policies(
        self, action: ListProjectResourcePoliciesAction
    ) -> ListProjectResourcePoliciesActionResult:
        """Policies that the actor may see, by name."""
        policies = await self._policies.list_policies(action.query, visible=action.visible)
        return ListProjectResourcePoliciesActionResult(policies=policies)

    async def get_policy(
        self, action: GetProjectResourcePolicyAction
    ) -> GetProjectResourcePolicyActionResult:
        """One policy; raises ``ProjectResourcePolicyNotFound``."""
        policy = await self._policies.get_policy(action.policy, visible=action.visible)
        return GetProjectResourcePolicyActionResult(policy=policy)

    async def create_policy(
        self, action: CreateProjectResourcePolicyAction
    ) -> CreateProjectResourcePolicyActionResult:
        """Insert a policy; raises ``ProjectResourcePolicyAlreadyExists`` and ``InvalidValue``."""
        check_name(action.spec.name, "policy name", limit=256)
        check_spec(action.spec)
        policy, created = await self._policies.create_policy(
            action.spec, if_not_exists=action.if_not_exists
        )
        return CreateProjectResourcePolicyActionResult(policy=policy, created=created)

    async def update_policy(
        self, action: UpdateProjectResourcePolicyAction
    ) -> UpdateProjectResourcePolicyActionResult:
        """Change what is given; raises ``RowChanged``, ``ProjectResourcePolicyNotFound``."""
        check_changes(action.changes)
        policy, changed = await self._policies.update_policy(
            action.policy, action.changes, if_unchanged=action.if_unchanged
        )
        if changed:
            await self._memory.forget_room()
        return UpdateProjectResourcePolicyActionResult(policy=policy, changed=changed)

    async def delete_policy(
        self, action: DeleteProjectResourcePolicyAction
    ) -> DeleteProjectResourcePolicyActionResult:
        """Delete a policy; raises ``ProjectResourcePolicyInUse`` while it binds anybody."""
        policy = await self._policies.delete_policy(
            action.policy, ignore_not_found=action.ignore_not_found
        )
        return DeleteProjectResourcePolicyActionResult(policy=policy)
