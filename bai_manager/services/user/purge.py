"""What a purge does, decided from what there is and what was chosen; nothing is read or written.

The repository looks, this decides, and the repository carries it out: under one lock, so that a
preview and the purge that follows it are of the same mind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bai_manager.services.purging import busy_block, counted, mounted_block, shortened
from bai_manager.services.user.types import Endpoints, SharedFolders, UserPurgePlan
from bai_manager.types.names import VFOLDER_COLUMN
from bai_manager.types.purge import Blocker
from bai_manager.types.status import EndpointLifecycle, VFolderStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from bai_manager.services.user.types import UserData, UserPurgeChoices
    from bai_manager.types.purge import EndpointRef, FolderRef, MountedFolder, SessionRef

_SUFFIX: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class UserRemains:
    """What belongs to a user.

    ``live_sessions`` leave out those that go to the heir with their services,
    ``mounted_folders`` those that are only in sessions that will be ended. Shared and other
    folders are those that can be handed to deletion. ``counts`` are rows by plan field.
    """

    live_sessions: Sequence[SessionRef]
    mounted_folders: Sequence[MountedFolder]
    busy_folders: Sequence[FolderRef]
    shared_folders: Sequence[FolderRef]
    other_folders: Sequence[FolderRef]
    heirs_folder_names: Collection[str]
    endpoints: Sequence[EndpointRef]
    keypairs: Sequence[str]
    counts: Mapping[str, int]


def plan_purge(
    user: UserData, heir: UserData | None, choices: UserPurgeChoices, remains: UserRemains
) -> UserPurgePlan:
    """Sort what there is into what goes, what stays with the heir, and what forbids it all."""
    migrating = [
        folder
        for folder in remains.shared_folders
        if choices.shared_folders is SharedFolders.MIGRATE
        and folder.status is not VFolderStatus.DELETE_PENDING
    ]
    deleted = [
        folder
        for folder in (*remains.shared_folders, *remains.other_folders)
        if folder not in migrating
    ]
    delegated = [
        service
        for service in remains.endpoints
        if choices.endpoints is Endpoints.DELEGATE
        and service.lifecycle is not EndpointLifecycle.DESTROYED
    ]
    return UserPurgePlan(
        user_id=user.id,
        email=user.email,
        heir=heir.email if heir else None,
        blockers=_blockers(user, choices, remains),
        destroyed_sessions=[*remains.live_sessions] if choices.destroy_sessions else [],
        mounted_folders=[*remains.mounted_folders],
        migrated_folders=_renamed(migrating, remains.heirs_folder_names),
        deleted_folders=sorted(deleted, key=lambda folder: (folder.name, folder.id)),
        delegated_endpoints=delegated,
        deleted_endpoints=[one for one in remains.endpoints if one not in delegated],
        keypairs=[*remains.keypairs],
        **remains.counts,
    )


def _renamed(migrating: Iterable[FolderRef], taken: Collection[str]) -> list[FolderRef]:
    """A folder whose name the heir has already gets ten digits of its id behind it."""
    used = set(taken)
    renamed = []
    for folder in migrating:
        suffix = f"-{folder.id.hex[:_SUFFIX]}"
        name = folder.name
        if name in used:
            name = f"{name[: VFOLDER_COLUMN - len(suffix)]}{suffix}"
        used.add(name)
        renamed.append(replace(folder, new_name=name))
    return renamed


def _blockers(user: UserData, choices: UserPurgeChoices, remains: UserRemains) -> list[Blocker]:
    found = [
        *_sessions_block(user, choices, remains.live_sessions),
        *mounted_block(remains.mounted_folders),
        *busy_block(remains.busy_folders),
    ]
    purge = f"bai-manager user purge {user.email}"
    active = [
        service
        for service in remains.endpoints
        if service.lifecycle is not EndpointLifecycle.DESTROYED
    ]
    if remains.shared_folders and choices.shared_folders is None:
        found.append(
            Blocker(
                what="shared_folders",
                count=len(remains.shared_folders),
                message=f"{counted(len(remains.shared_folders), 'folder')} shared with others",
                remedy=f"Choose what becomes of them: '{purge} --migrate-shared-folders' or"
                f" '{purge} --delete-shared-folders'.",
            )
        )
    if active and choices.endpoints is None:
        found.append(
            Blocker(
                what="endpoints",
                count=len(active),
                message=f"{counted(len(active), 'model service')} not destroyed",
                remedy=f"Choose what becomes of them: '{purge} --delegate-endpoints' or"
                f" '{purge} --delete-endpoints'.",
            )
        )
    return found


def _sessions_block(
    user: UserData, choices: UserPurgeChoices, live: Sequence[SessionRef]
) -> list[Blocker]:
    if not live or choices.destroy_sessions:
        return []
    ids = [str(session.id) for session in live]
    return [
        Blocker(
            what="live_sessions",
            count=len(live),
            message=f"{counted(len(live), 'session')} not ended",
            remedy=f"End them with 'bai-manager session destroy {shortened(ids)}', or give"
            f" --destroy-sessions to 'bai-manager user purge {user.email}'.",
        )
    ]
