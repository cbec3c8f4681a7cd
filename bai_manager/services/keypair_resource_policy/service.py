"""Key pair policies: how much the holder of a key may run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.keypair_resource_policy.actions import (
    CreateKeypairResourcePolicyActionResult,
    DeleteKeypairResourcePolicyActionResult,
    GetKeypairResourcePolicyActionResult,
    ListKeypairResourcePoliciesActionResult,
    UpdateKeypairResourcePolicyActionResult,
)
from bai_manager.services.keypair_resource_policy.types import check_changes, check_spec
from bai_manager.types.names import check_name

if TYPE_CHECKING:
    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.resource_policy import KeypairResourcePolicyRepository
    from bai_manager.services.keypair_resource_policy.actions import (
        CreateKeypairResourcePolicyAction,
        DeleteKeypairResourcePolicyAction,
        GetKeypairResourcePolicyAction,
        ListKeypairResourcePoliciesAction,
        UpdateKeypairResourcePolicyAction,
    )


class KeypairResourcePolicyService:
    """Reads and changes key pair policies."""

    def __init__(self, *, policies: KeypairResourcePolicyRepository, memory: ManagerMemory) -> None:
        self._policies = policies
        self._memory = memory

    async def list_policies(
        self, action: ListKeypairResourcePoliciesAction
    ) -> ListKeypairResourcePoliciesActionResult:
        """Policies that the actor may see, by name."""
        policies = await self._policies.list_policies(action.query, visible=action.visible)
        return ListKeypairResourcePoliciesActionResult(policies=policies)

    async def get_policy(
        self, action: GetKeypairResourcePolicyAction
    ) -> GetKeypairResourcePolicyActionResult:
        """One policy; raises ``KeypairResourcePolicyNotFound``."""
        policy = await self._policies.get_policy(action.policy, visible=action.visible)
        return GetKeypairResourcePolicyActionResult(policy=policy)

    async def create_policy(
        self, action: CreateKeypairResourcePolicyAction
    ) -> CreateKeypairResourcePolicyActionResult:
        """Insert a policy; raises ``KeypairResourcePolicyAlreadyExists`` and ``InvalidValue``."""
        check_name(action.spec.name, "policy name", limit=256)
        check_spec(action.spec)
        policy, created = await self._policies.create_policy(
            action.spec, if_not_exists=action.if_not_exists
        )
        return CreateKeypairResourcePolicyActionResult(policy=policy, created=created)

    async def update_policy(
        self, action: UpdateKeypairResourcePolicyAction
    ) -> UpdateKeypairResourcePolicyActionResult:
        """Change what is given; raises ``RowChanged``, ``KeypairResourcePolicyNotFound``."""
        check_changes(action.changes)
        policy, changed = await self._policies.update_policy(
            action.policy, action.changes, if_unchanged=action.if_unchanged
        )
        if changed:
            await self._memory.forget_room()
        return UpdateKeypairResourcePolicyActionResult(policy=policy, changed=changed)

    async def delete_policy(
        self, action: DeleteKeypairResourcePolicyAction
    ) -> DeleteKeypairResourcePolicyActionResult:
        """Delete a policy; raises ``KeypairResourcePolicyInUse`` while it binds anybody."""
        policy = await self._policies.delete_policy(
            action.policy, ignore_not_found=action.ignore_not_found
        )
        return DeleteKeypairResourcePolicyActionResult(policy=policy)
