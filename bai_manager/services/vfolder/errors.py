"""What can go wrong with virtual folders (codes: ``reference/services.md`` §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, Denied, InsufficientQuota, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bai_manager.types.purge import MountedFolder
    from bai_manager.types.status import VFolderOwnershipType, VFolderStatus
    from bai_manager.types.vfolder import VFolderHostPermission, VFolderPermission


class VFolderNotFound(NotFound):
    """No folder of that name or id is there, or none that the actor may reach."""

    error_code = "vfolder_read_not-found"

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"There is no virtual folder {folder!r}.",
            hint="List folders with 'bai-manager vfolder list', deleted ones with --trash.",
            details={"vfolder": folder},
        )


class TooManyVFoldersFound(InvalidInput):
    """A name is that of several folders, or an id prefix fits several."""

    error_code = "vfolder_read_conflict"

    def __init__(self, folder: str, matches: Sequence[str]) -> None:
        super().__init__(
            f"{folder!r} fits several folders: {', '.join(matches)}.",
            hint="Name one of them by its id.",
            details={"matches": [*matches]},
        )


class VFolderAlreadyExists(Conflict):
    """The name is that of a folder its owner or the actor can reach; the trash counts."""

    error_code = "vfolder_create_already-exists"

    def __init__(self, name: str, *, whose: str = "you") -> None:
        super().__init__(
            f"The name {name!r} is taken by a folder that {whose} can reach; the trash counts.",
            hint="Choose another name, or see 'bai-manager vfolder list' and 'vfolder list"
            " --trash'.",
            details={"vfolder": name},
        )


class VFolderInvalidParameter(InvalidInput):
    """What is asked for can never be."""

    error_code = "vfolder_access_invalid-parameters"


class NoStorageHost(InvalidInput):
    """No host was given and none is the default."""

    error_code = "vfolder_create_invalid-parameters"

    def __init__(self, hosts: Collection[str]) -> None:
        known = ", ".join(sorted(hosts)) or "none"
        super().__init__(
            f"It takes a storage host to create a folder on; open to you: {known}.",
            hint="Name one with --host. See 'bai-manager vfolder hosts'.",
            details={"hosts": [*sorted(hosts)]},
        )


class InsufficientStoragePermission(Denied):
    """Domain, projects and key pair policy together do not allow it on that host."""

    error_code = "storage_access_forbidden"

    def __init__(self, host: str, permission: VFolderHostPermission) -> None:
        super().__init__(
            f"You have no permission {permission.value!r} on storage host {host}.",
            hint="It is granted per host by the domain, a project or the key pair's policy: see"
            " 'bai-manager vfolder hosts'.",
            details={"host": host, "permission": permission.value},
        )


class VFolderForbidden(Denied):
    """The folder's own settings do not allow it."""

    error_code = "vfolder_access_forbidden"


class TooManyVFolders(InsufficientQuota):
    """The policy's number of folders is reached; the trash counts."""

    error_code = "vfolder_check-limit_forbidden"

    def __init__(self, policy: str, *, limit: int, count: int) -> None:
        super().__init__(
            f"{policy} allows {limit} folders, and there are {count}.",
            hint="Purge some: the trash counts, see 'bai-manager vfolder list --trash'.",
            details={"limit": limit, "count": count},
        )


class VFolderFilterStatusFailed(Conflict):
    """The status of the folder does not allow it now."""

    error_code = "vfolder_read_bad-request"

    def __init__(
        self, name: str, status: VFolderStatus, wanted: str, allowed: Collection[VFolderStatus]
    ) -> None:
        super().__init__(
            f"Folder {name!r} is {status.value}, so it cannot {wanted}.",
            hint=_REMEDIES.get(status.value)
            or f"That takes one of: {', '.join(sorted(one.value for one in allowed))}.",
            details={"vfolder": name, "status": status.value},
        )


_REMEDIES = {
    "delete-pending": "It is in the trash: 'bai-manager vfolder restore' brings it back.",
    "delete-ongoing": "Its removal was begun: 'bai-manager vfolder purge' completes it.",
    "delete-error": "Its removal failed: 'bai-manager vfolder purge' tries again.",
    "cloning": "Wait for the clone, or complete it with the same 'bai-manager vfolder clone'; when"
    " nobody works on it any more, 'bai-manager vfolder recover' ends it.",
    "performing": "Wait; when nobody works on it any more, 'bai-manager vfolder recover' ends it.",
    "mounted": "'bai-manager vfolder recover' makes it ready when no session has it any more.",
    "error": "'bai-manager vfolder recover' makes it ready when the storage has its files.",
    "ready": "'bai-manager vfolder delete' moves it to the trash.",
}


class VFolderFilesMissing(Conflict):
    """What is to be used again is not on the storage, or not all of it."""

    error_code = "vfolder_read_gone"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"Folder {name!r} cannot be restored: {why}.",
            hint=f"'bai-manager vfolder purge {name}' removes what is left of it.",
            details={"vfolder": name},
        )


class VFolderDeletionNotAllowed(Conflict):
    """The folder is mounted in sessions that have not ended."""

    error_code = "vfolder_soft-delete_bad-request"

    def __init__(self, name: str, mounts: Sequence[MountedFolder]) -> None:
        sessions = [f"{mount.session_name} ({mount.session_id})" for mount in mounts]
        ids = " ".join(str(mount.session_id) for mount in mounts)
        super().__init__(
            f"Folder {name!r} is mounted in {', '.join(sessions)}.",
            hint=f"End first: 'bai-manager session destroy {ids}'.",
            details={"vfolder": name, "sessions": [str(mount.session_id) for mount in mounts]},
        )


class ModelServiceDependencyNotCleared(Conflict):
    """A model service serves the folder."""

    error_code = "model-service_soft-delete_conflict"

    def __init__(self, name: str, services: Sequence[str]) -> None:
        super().__init__(
            f"Folder {name!r} is the model of {', '.join(services)}.",
            hint="Destroy these model services first.",
            details={"vfolder": name, "services": [*services]},
        )


class OwnerUnfit(Conflict):
    """Somebody cannot be given the folder."""

    error_code = "vfolder_update_conflict"

    def __init__(self, user: str, why: str) -> None:
        super().__init__(
            f"{user} cannot own the folder: {user} {why}.",
            hint="Choose another user, or change that first.",
            details={"user": user},
        )


class ShareTargetNotFound(NotFound):
    """Somebody to share with is not among those who could be."""

    error_code = "vfolder_grant_not-found"

    def __init__(self, folder: str, ownership: VFolderOwnershipType, missing: list[str]) -> None:
        who = ", ".join(missing)
        if ownership.value == "group":
            message = f"{who}: no other active member of the project of folder {folder!r}."
            hint = "List members with 'bai-manager group members list'."
        else:
            message = f"Folder {folder!r} is not shared with {who}."
            hint = (
                f"Invite with 'bai-manager vfolder invite {folder} {missing[0]}'; the folder is"
                " shared once the invitation is accepted."
            )
        super().__init__(message, hint=hint, details={"vfolder": folder, "users": [*missing]})


class NotSharedWith(NotFound):
    """There is nothing to take back."""

    error_code = "vfolder_grant_not-found"

    def __init__(self, folder: str, missing: list[str]) -> None:
        super().__init__(
            f"Folder {folder!r} is not shared with {', '.join(missing)}.",
            hint=f"'bai-manager vfolder show {folder}' says with whom it is, and who is invited;"
            " 'vfolder invitation cancel' takes back an invitation.",
            details={"vfolder": folder, "users": [*missing]},
        )


class VFolderGrantAlreadyExists(Conflict):
    """Who is invited has the folder already."""

    error_code = "vfolder_grant_already-exists"

    def __init__(self, folder: str, users: Sequence[str]) -> None:
        super().__init__(
            f"Folder {folder!r} is shared with {', '.join(users)} already.",
            hint=f"Change what they may do with 'bai-manager vfolder share {folder}"
            f" {users[0]} --permission rw'.",
            details={"vfolder": folder, "users": [*users]},
        )


class VFolderPermissionError(Denied):
    """More is asked of a folder than its permission gives."""

    error_code = "vfolder_access_forbidden"

    def __init__(self, folder: str, asked: VFolderPermission, allowed: VFolderPermission) -> None:
        super().__init__(
            f"Folder {folder!r} is {allowed.value} to you, so it cannot be mounted {asked.value}.",
            hint=f"Mount it {allowed.value}, or have its permission changed.",
            details={"vfolder": folder, "asked": asked.value, "allowed": allowed.value},
        )
