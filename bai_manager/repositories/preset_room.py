"""Everything that decides whether a preset fits: one owner, some resource groups, one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.repositories.occupancy import known_slots, load_committed
from bai_manager.repositories.resource_preset import presets_of
from bai_manager.repositories.scaling_group_use import own_occupied
from bai_manager.repositories.snapshot import load_agents
from bai_manager.sokovan.snapshot import Owner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.open_groups import AllowedGroup
    from bai_manager.services.resource_preset.types import ResourcePresetData
    from bai_manager.services.session.types_request import OwnerData
    from bai_manager.sokovan.snapshot import AgentSnapshot, Limits, Occupancy
    from bai_manager.types.resource_slot import ResourceSlot


@dataclass(frozen=True, kw_only=True, slots=True)
class PresetRoom:
    """``agents`` and ``using`` (the user's own) are by resource group; ``slots`` all there are."""

    owner: Owner
    slots: tuple[str, ...]
    limits: Limits
    occupancy: Occupancy
    groups: tuple[AllowedGroup, ...]
    agents: Mapping[str, tuple[AgentSnapshot, ...]]
    using: Mapping[str, ResourceSlot]
    presets: tuple[ResourcePresetData, ...]


class PresetRoomRepository:
    """Loads what presets are held against."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def owner(data: OwnerData, project_id: UUID) -> Owner:
        """Whose limits bind somebody in a project."""
        return Owner(
            access_key=data.access_key,
            user_id=data.user_id,
            group_id=project_id,
            domain_name=data.domain_name,
        )

    async def load(self, owner: Owner, groups: Sequence[AllowedGroup]) -> PresetRoom:
        """Limits, what is used of them, and what agents have left, in one transaction."""
        names = [group.name for group in groups]
        async with self._database.transaction() as connection:
            known = await known_slots(connection)
            limits, occupancy = await load_committed(connection, known, owner)
            return PresetRoom(
                owner=owner,
                slots=tuple(sorted(known)),
                limits=limits,
                occupancy=occupancy,
                groups=tuple(groups),
                agents={name: await load_agents(connection, name) for name in names},
                using=await own_occupied(connection, names, owner.user_id),
                presets=await presets_of(connection, names),
            )
