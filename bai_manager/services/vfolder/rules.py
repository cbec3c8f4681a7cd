"""What may be asked of a folder, decided from what is known of it; nothing is read or written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from bai_manager.services.vfolder.errors import (
    InsufficientStoragePermission,
    NoStorageHost,
    VFolderFilterStatusFailed,
    VFolderForbidden,
    VFolderInvalidParameter,
    VFolderNotFound,
)
from bai_manager.types.names import check_vfolder_name
from bai_manager.types.status import VFolderOwnershipType, VFolderStatus, VFolderUsageMode
from bai_manager.types.vfolder import StorageHost, VFolderHostPermission, VFolderPermission

if TYPE_CHECKING:
    from collections.abc import Collection

    from bai_manager.actions.base import ActionResult
    from bai_manager.services.vfolder.actions import VFolderAction
    from bai_manager.services.vfolder.types import VFolderData, VFolderSpec
    from bai_manager.types.folder_access import FolderAccess
    from bai_manager.types.vfolder import HostPermissions, VFolderID

_PROJECT_DOT_NAME: Final = ".local"
_PATH_COLUMN: Final = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class NewFolder:
    """What the storage has to make; ``quota_limit`` is in bytes."""

    host: StorageHost
    vfid: VFolderID
    unmanaged_path: str | None
    mode: int | None
    quota_limit: int | None


def settled(action: VFolderAction[ActionResult]) -> FolderAccess:
    """Which folder an authorized action is about."""
    if action.access is None:
        raise VFolderNotFound(action.vfolder)
    return action.access


def require_host_permission(access: FolderAccess, permission: VFolderHostPermission) -> None:
    """Raise ``InsufficientStoragePermission`` unless the actor has it on the folder's host."""
    if permission not in access.host_permissions:
        raise InsufficientStoragePermission(str(access.host), permission)


def require_status(
    folder: FolderAccess | VFolderData, allowed: Collection[VFolderStatus], wanted: str
) -> None:
    """Raise ``VFolderFilterStatusFailed``; ``wanted`` completes "so it cannot …"."""
    if folder.status not in allowed:
        raise VFolderFilterStatusFailed(folder.name, folder.status, wanted, allowed)


def check_spec(spec: VFolderSpec) -> None:
    """Raise for what no owner could have; ``InvalidName`` and ``VFolderInvalidParameter``."""
    check_vfolder_name(spec.name)
    if spec.group is not None:
        check_project_name(spec.name)
    path = spec.unmanaged_path
    if path is not None and (not path.startswith("/") or len(path) > _PATH_COLUMN):
        raise VFolderInvalidParameter(
            f"{path!r} is no absolute path of at most {_PATH_COLUMN} characters.",
            hint="It is a path on the machines of the agents: /mnt/data.",
        )


def check_kind(spec: VFolderSpec, kinds: Collection[VFolderOwnershipType]) -> None:
    """Raise ``VFolderInvalidParameter`` where no such owner may have folders."""
    kind = VFolderOwnershipType.USER if spec.group is None else VFolderOwnershipType.GROUP
    if kind not in kinds:
        raise VFolderInvalidParameter(
            f"This system has no folders of {'users' if spec.group is None else 'projects'}.",
            hint=f"etcd says so: volumes/_types has no {kind.value!r}.",
        )


def check_model_store(spec: VFolderSpec, *, is_model_store: bool) -> None:
    """Folders of a model store are models, writable while they are made, then read-only."""
    if not is_model_store:
        return
    if (
        spec.usage_mode is not VFolderUsageMode.MODEL
        or spec.permission is not VFolderPermission.READ_WRITE
    ):
        raise VFolderInvalidParameter(
            "A folder of a model store has usage mode 'model' and permission 'rw'.",
            hint="Give --usage-mode model --permission rw.",
        )


def check_host(spec: VFolderSpec, hosts: HostPermissions, default_host: str | None) -> str:
    """The host of a new folder: the one asked for, the default, or the only one there is.

    Raises ``NoStorageHost``, ``InvalidStorageHost`` and ``InsufficientStoragePermission``.
    """
    creating = sorted(
        host for host, granted in hosts.items() if VFolderHostPermission.CREATE in granted
    )
    host = spec.host or default_host
    if host is None:
        if len(creating) != 1:
            raise NoStorageHost(creating)
        host = creating[0]
    if not StorageHost.parse(host).is_noop and host not in creating:
        raise InsufficientStoragePermission(host, VFolderHostPermission.CREATE)
    return host


@dataclass(frozen=True, kw_only=True, slots=True)
class CloneJob:
    """Two rows and what the storage has to copy; ``resumed`` when they were there already."""

    source: VFolderData
    target: VFolderData
    quota_limit: int | None
    resumed: bool


def check_clone(source: VFolderData, host: str) -> None:
    """Raise ``VFolderForbidden``, or ``VFolderInvalidParameter`` where no storage could copy."""
    if not source.cloneable:
        raise VFolderForbidden(
            f"Folder {source.name!r} may not be cloned.",
            hint="Its owner allows it with"
            f" 'bai-manager vfolder update {source.name} --cloneable'.",
            details={"vfolder": source.name},
        )
    if source.unmanaged_path is not None or source.host.is_noop:
        raise VFolderInvalidParameter(f"Folder {source.name!r} is not kept by a storage.")
    if StorageHost.parse(host).proxy != source.host.proxy:
        raise VFolderInvalidParameter(
            f"Folder {source.name!r} is on {source.host}; it cannot be cloned to {host}.",
            hint=f"Choose a volume of the same storage: {source.host.proxy}:VOLUME.",
        )


def is_unfinished_copy(folder: VFolderData) -> bool:
    """Whether the folder was made to be copied into and never became ready.

    The source of a clone is ``cloning``, too, but was made before.
    """
    history = folder.status_history
    if VFolderStatus.READY.name in history or folder.created_at is None:
        return False
    try:
        return datetime.fromisoformat(history[VFolderStatus.CLONING.name]) == folder.created_at
    except (KeyError, ValueError, TypeError):
        return False


def check_project_name(name: str) -> None:
    """Of names that begin with a dot only one is for projects."""
    if name.startswith(".") and name != _PROJECT_DOT_NAME:
        raise VFolderInvalidParameter(
            f"A project's folder cannot be called {name!r}.",
            hint="Of names that begin with a dot only '.local' is for projects.",
        )
