"""What may be asked of a folder, decided from what is known of it; nothing is read or written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.services.vfolder.errors import (
    InsufficientStoragePermission,
    NoStorageHost,
    VFolderFilterStatusFailed,
    VFolderInvalidParameter,
    VFolderNotFound,
)
from bai_manager.types.names import check_vfolder_name
from bai_manager.types.status import VFolderUsageMode
from bai_manager.types.vfolder import StorageHost, VFolderHostPermission, VFolderPermission

if TYPE_CHECKING:
    from collections.abc import Collection

    from bai_manager.actions.base import ActionResult
    from bai_manager.services.vfolder.actions import VFolderAction
    from bai_manager.services.vfolder.types import VFolderSpec
    from bai_manager.types.folder_access import FolderAccess
    from bai_manager.types.status import VFolderStatus
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


def require_status(access: FolderAccess, allowed: Collection[VFolderStatus], wanted: str) -> None:
    """Raise ``VFolderFilterStatusFailed``; ``wanted`` completes "so it cannot …"."""
    if access.status not in allowed:
        raise VFolderFilterStatusFailed(access.name, access.status, wanted, allowed)


def check_spec(spec: VFolderSpec) -> None:
    """Raise for what no owner could have; ``InvalidName`` and ``VFolderInvalidParameter``."""
    check_vfolder_name(spec.name)
    if spec.group is not None and spec.name.startswith(".") and spec.name != _PROJECT_DOT_NAME:
        raise VFolderInvalidParameter(
            f"A project's folder cannot be called {spec.name!r}.",
            hint="Of names that begin with a dot only '.local' is for projects.",
        )
    path = spec.unmanaged_path
    if path is not None and (not path.startswith("/") or len(path) > _PATH_COLUMN):
        raise VFolderInvalidParameter(
            f"{path!r} is no absolute path of at most {_PATH_COLUMN} characters.",
            hint="It is a path on the machines of the agents: /mnt/data.",
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
