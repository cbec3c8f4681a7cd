"""Resource groups: agents, and who may use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.scaling_group.actions import (
    AssociateScalingGroupsActionResult,
    CreateScalingGroupActionResult,
    DeleteScalingGroupActionResult,
    DissociateScalingGroupsActionResult,
    GetScalingGroupActionResult,
    ListScalingGroupsActionResult,
    UpdateScalingGroupActionResult,
)
from bai_manager.services.scaling_group.errors import NothingToAssociate
from bai_manager.services.scaling_group.types import check_changes, check_spec
from bai_manager.types.names import check_name

if TYPE_CHECKING:
    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.scaling_group import ScalingGroupRepository
    from bai_manager.services.scaling_group.actions import (
        AssociateScalingGroupsAction,
        CreateScalingGroupAction,
        DeleteScalingGroupAction,
        DissociateScalingGroupsAction,
        GetScalingGroupAction,
        ListScalingGroupsAction,
        UpdateScalingGroupAction,
    )


class ScalingGroupService:
    """Reads and changes resource groups."""

    def __init__(self, *, scaling_groups: ScalingGroupRepository, memory: ManagerMemory) -> None:
        self._groups = scaling_groups
        self._memory = memory

    async def list_scaling_groups(
        self, action: ListScalingGroupsAction
    ) -> ListScalingGroupsActionResult:
        """Resource groups that the actor may see, by name."""
        return ListScalingGroupsActionResult(
            scaling_groups=await self._groups.list_groups(
                action.query, visible=action.visible, open_to=action.open_to
            )
        )

    async def get_scaling_group(self, action: GetScalingGroupAction) -> GetScalingGroupActionResult:
        """One resource group; raises ``ScalingGroupNotFound``."""
        return GetScalingGroupActionResult(
            scaling_group=await self._groups.get_group(action.scaling_group, visible=action.visible)
        )

    async def create_scaling_group(
        self, action: CreateScalingGroupAction
    ) -> CreateScalingGroupActionResult:
        """Insert a resource group; raises ``ScalingGroupAlreadyExists`` and ``InvalidValue``."""
        check_name(action.spec.name, "resource group name")
        check_spec(action.spec)
        group, created = await self._groups.create_group(
            action.spec, action.scopes, if_not_exists=action.if_not_exists
        )
        if created:
            await self._memory.forget_room()
        return CreateScalingGroupActionResult(scaling_group=group, created=created)

    async def update_scaling_group(
        self, action: UpdateScalingGroupAction
    ) -> UpdateScalingGroupActionResult:
        """Change what is given; raises ``RowChanged`` and ``ScalingGroupNotFound``."""
        check_changes(action.changes)
        group, changed = await self._groups.update_group(
            action.scaling_group, action.changes, if_unchanged=action.if_unchanged
        )
        if changed:
            await self._memory.forget_room()
        return UpdateScalingGroupActionResult(scaling_group=group, changed=changed)

    async def delete_scaling_group(
        self, action: DeleteScalingGroupAction
    ) -> DeleteScalingGroupActionResult:
        """Delete a resource group; raises ``ScalingGroupInUse`` with the counts."""
        group, presets = await self._groups.delete_group(
            action.scaling_group, ignore_not_found=action.ignore_not_found
        )
        if group is not None:
            await self._memory.forget_room()
        if presets:
            await self._memory.forget_presets()
        return DeleteScalingGroupActionResult(scaling_group=group, presets=presets)

    async def associate_scaling_groups(
        self, action: AssociateScalingGroupsAction
    ) -> AssociateScalingGroupsActionResult:
        """Open all the groups to all that are named, or none to any."""
        if not action.scopes:
            raise NothingToAssociate
        associations = await self._groups.associate(action.scaling_groups, action.scopes)
        await self._memory.forget_room()
        return AssociateScalingGroupsActionResult(associations=associations)

    async def dissociate_scaling_groups(
        self, action: DissociateScalingGroupsAction
    ) -> DissociateScalingGroupsActionResult:
        """Close the groups to those that are named; raises ``ScalingGroupNotAssociated``."""
        if not (action.scopes or action.everybody):
            raise NothingToAssociate
        associations = await self._groups.dissociate(
            action.scaling_groups,
            None if action.everybody else action.scopes,
            ignore_not_found=action.ignore_not_found,
        )
        await self._memory.forget_room()
        return DissociateScalingGroupsActionResult(associations=associations)
