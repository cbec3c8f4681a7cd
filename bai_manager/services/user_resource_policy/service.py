"""User policies: what a user may keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.user_resource_policy.actions import (
    CreateUserResourcePolicyActionResult,
    DeleteUserResourcePolicyActionResult,
    GetUserResourcePolicyActionResult,
    ListUserResourcePoliciesActionResult,
    UpdateUserResourcePolicyActionResult,
)
from bai_manager.services.user_resource_policy.types import check_changes, check_spec
from bai_manager.types.names import check_name

if TYPE_CHECKING:
    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.resource_policy import UserResourcePolicyRepository
    from bai_manager.services.user_resource_policy.actions import (
        CreateUserResourcePolicyAction,
        DeleteUserResourcePolicyAction,
        GetUserResourcePolicyAction,
        ListUserResourcePoliciesAction,
        UpdateUserResourcePolicyAction,
    )


class UserResourcePolicyService:
    """Reads and changes user policies."""

    def __init__(self, *, policies: UserResourcePolicyRepository, memory: ManagerMemory) -> None:
        self._policies = policies
        self._memory = memory

    async def list_policies(
        self, action: ListUserResourcePoliciesAction
    ) -> ListUserResourcePoliciesActionResult:
        """Policies that the actor may see, by name."""
        policies = await self._policies.list_policies(action.query, visible=action.visible)
        return ListUserResourcePoliciesActionResult(policies=policies)

    async def get_policy(
        self, action: GetUserResourcePolicyAction
    ) -> GetUserResourcePolicyActionResult:
        """One policy; raises ``UserResourcePolicyNotFound``."""
        policy = await self._policies.get_policy(action.policy, visible=action.visible)
        return GetUserResourcePolicyActionResult(policy=policy)

    async def create_policy(
        self, action: CreateUserResourcePolicyAction
    ) -> CreateUserResourcePolicyActionResult:
        """Insert a policy; raises ``UserResourcePolicyAlreadyExists`` and ``InvalidValue``."""
        check_name(action.spec.name, "policy name", limit=256)
        check_spec(action.spec)
        policy, created = await self._policies.create_policy(
            action.spec, if_not_exists=action.if_not_exists
        )
        return CreateUserResourcePolicyActionResult(policy=policy, created=created)

    async def update_policy(
        self, action: UpdateUserResourcePolicyAction
    ) -> UpdateUserResourcePolicyActionResult:
        """Change what is given; raises ``RowChanged``, ``UserResourcePolicyNotFound``."""
        check_changes(action.changes)
        policy, changed = await self._policies.update_policy(
            action.policy, action.changes, if_unchanged=action.if_unchanged
        )
        if changed:
            await self._memory.forget_room()
        return UpdateUserResourcePolicyActionResult(policy=policy, changed=changed)

    async def delete_policy(
        self, action: DeleteUserResourcePolicyAction
    ) -> DeleteUserResourcePolicyActionResult:
        """Delete a policy; raises ``UserResourcePolicyInUse`` while it binds anybody."""
        policy = await self._policies.delete_policy(
            action.policy, ignore_not_found=action.ignore_not_found
        )
        return DeleteUserResourcePolicyActionResult(policy=policy)
