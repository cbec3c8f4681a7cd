"""What a purge of a project does, decided from what there is; nothing is read or written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.services.group.types import GroupPurgePlan
from bai_manager.services.purging import busy_block, counted, mounted_block, shortened
from bai_manager.types.purge import Blocker
from bai_manager.types.status import EndpointLifecycle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bai_manager.services.group.types import GroupData
    from bai_manager.types.purge import EndpointRef, FolderRef, MountedFolder, SessionRef


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupRemains:
    """What belongs to a project; ``counts`` are rows by plan field."""

    live_sessions: Sequence[SessionRef]
    mounted_folders: Sequence[MountedFolder]
    busy_folders: Sequence[FolderRef]
    folders: Sequence[FolderRef]
    endpoints: Sequence[EndpointRef]
    counts: Mapping[str, int]


def plan_purge(group: GroupData, remains: GroupRemains, *, destroying: bool) -> GroupPurgePlan:
    """Sort what there is into what goes and what forbids it."""
    blockers = [
        *mounted_block(remains.mounted_folders),
        *([] if destroying else _sessions_block(group, remains.live_sessions)),
        *_services_block(remains.endpoints),
        *busy_block(remains.busy_folders),
    ]
    return GroupPurgePlan(
        group_id=group.id,
        name=group.name,
        domain_name=group.domain_name,
        blockers=blockers,
        destroyed_sessions=[*remains.live_sessions] if destroying else [],
        mounted_folders=[*remains.mounted_folders],
        deleted_folders=[*remains.folders],
        deleted_endpoints=[*remains.endpoints],
        **remains.counts,
    )


def _sessions_block(group: GroupData, live: Sequence[SessionRef]) -> list[Blocker]:
    if not live:
        return []
    ids = [str(session.id) for session in live]
    return [
        Blocker(
            what="live_sessions",
            count=len(live),
            message=f"{counted(len(live), 'session')} not ended",
            remedy=f"End them with 'bai-manager session destroy {shortened(ids)}', or give"
            f" --destroy-sessions to 'bai-manager group purge {group.id}'.",
        )
    ]


def _services_block(services: Sequence[EndpointRef]) -> list[Blocker]:
    active = [one for one in services if one.lifecycle is not EndpointLifecycle.DESTROYED]
    if not active:
        return []
    names = [f"{one.name} ({one.id})" for one in active]
    return [
        Blocker(
            what="endpoints",
            count=len(active),
            message=f"{counted(len(active), 'model service')} not destroyed",
            remedy=f"Destroy these model services first: {shortened(names)}.",
        )
    ]
