"""Presets: named requests for resources, and which of them fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.resource_preset.actions import (
    CheckResourcePresetsActionResult,
    CreateResourcePresetActionResult,
    DeleteResourcePresetActionResult,
    GetResourcePresetActionResult,
    ListResourcePresetsActionResult,
    UpdateResourcePresetActionResult,
)
from bai_manager.services.resource_preset.fitting import check_presets
from bai_manager.services.resource_preset.types import check_spec
from bai_manager.services.scaling_group.errors import ScalingGroupNotFound

if TYPE_CHECKING:
    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.open_groups import AllowedGroup, OpenGroupRepository
    from bai_manager.repositories.owner import OwnerRepository
    from bai_manager.repositories.preset_room import PresetRoomRepository
    from bai_manager.repositories.resource_preset import ResourcePresetRepository
    from bai_manager.services.resource_preset.actions import (
        CheckResourcePresetsAction,
        CreateResourcePresetAction,
        DeleteResourcePresetAction,
        GetResourcePresetAction,
        ListResourcePresetsAction,
        UpdateResourcePresetAction,
    )
    from bai_manager.sokovan.snapshot import Owner
    from bai_manager.types.clock import Clock


class ResourcePresetService:
    """Reads and changes presets, and holds them against limits and agents.

    ``memory`` is what a manager remembers of them.
    """

    def __init__(
        self,
        *,
        presets: ResourcePresetRepository,
        room: PresetRoomRepository,
        owners: OwnerRepository,
        open_groups: OpenGroupRepository,
        clock: Clock,
        memory: ManagerMemory,
    ) -> None:
        self._presets = presets
        self._room = room
        self._owners = owners
        self._open_groups = open_groups
        self._clock = clock
        self._memory = memory

    async def list_presets(
        self, action: ListResourcePresetsAction
    ) -> ListResourcePresetsActionResult:
        """Presets that the actor may see, by name."""
        presets = await self._presets.list_presets(
            action.query, scaling_group=action.scaling_group, visible=action.visible
        )
        return ListResourcePresetsActionResult(presets=presets)

    async def get_preset(self, action: GetResourcePresetAction) -> GetResourcePresetActionResult:
        """One preset; raises ``ResourcePresetNotFound`` and ``AmbiguousPreset``."""
        preset = await self._presets.get_preset(action.preset, visible=action.visible)
        return GetResourcePresetActionResult(preset=preset)

    async def create_preset(
        self, action: CreateResourcePresetAction
    ) -> CreateResourcePresetActionResult:
        """Insert a preset; raises ``ResourcePresetConflict`` and ``InvalidPreset``."""
        check_spec(action.spec)
        preset, created = await self._presets.create_preset(
            action.spec, if_not_exists=action.if_not_exists
        )
        if created:
            await self._memory.forget_presets()
        return CreateResourcePresetActionResult(preset=preset, created=created)

    async def update_preset(
        self, action: UpdateResourcePresetAction
    ) -> UpdateResourcePresetActionResult:
        """Change what is given; raises as ``get_preset`` and ``create_preset``."""
        preset, changed = await self._presets.update_preset(
            action.preset, action.changes, if_unchanged=action.if_unchanged
        )
        if changed:
            await self._memory.forget_presets()
        return UpdateResourcePresetActionResult(preset=preset, changed=changed)

    async def delete_preset(
        self, action: DeleteResourcePresetAction
    ) -> DeleteResourcePresetActionResult:
        """Delete a preset; raises as ``get_preset``."""
        preset = await self._presets.delete_preset(
            action.preset, ignore_not_found=action.ignore_not_found
        )
        if preset is not None:
            await self._memory.forget_presets()
        return DeleteResourcePresetActionResult(preset=preset)

    async def check_presets(
        self, action: CheckResourcePresetsAction
    ) -> CheckResourcePresetsActionResult:
        """What fits and what is left, counted as at the creation of a session.

        Raises ``NoKeypair``, ``ProjectNotFound`` where the user is no member of the project, and
        ``ScalingGroupNotFound`` for a resource group that is not open to the user.
        """
        access_key = (
            action.owner or ""
            if action.user is None
            else await self._owners.main_access_key(action.user)
        )
        owner_data = await self._owners.get_owner(access_key)
        project_id = await self._owners.resolve_project(
            owner_data, domain_name=owner_data.domain_name, project=action.project
        )
        owner = self._room.owner(owner_data, project_id)
        groups = await self._groups_of(owner, action.scaling_group)
        room = await self._room.load(owner, groups)
        return CheckResourcePresetsActionResult(
            check=check_presets(room, email=owner_data.email, now=self._clock())
        )

    async def _groups_of(self, owner: Owner, wanted: str | None) -> list[AllowedGroup]:
        """The public resource groups open to the owner, or the one that is wanted."""
        allowed = await self._open_groups.allowed_groups(
            domain_name=owner.domain_name, group_id=owner.group_id, access_key=owner.access_key
        )
        groups = [group for group in allowed if group.is_public]
        if wanted is None:
            return groups
        chosen = [group for group in groups if group.name == wanted]
        if not chosen:
            raise ScalingGroupNotFound(wanted)
        return chosen
