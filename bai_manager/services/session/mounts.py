"""Which folders a session gets, and where (``reference/value-types.md`` §6.1)."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

from bai_manager.clients.storage_proxy.protocol import FolderRef
from bai_manager.services.session.errors import MountsOverlap
from bai_manager.services.vfolder.errors import (
    InsufficientStoragePermission,
    TooManyVFoldersFound,
    VFolderFilterStatusFailed,
    VFolderInvalidParameter,
    VFolderNotFound,
    VFolderPermissionError,
)
from bai_manager.types.mounts import HOME, MountRequest, VFolderMount, paths_overlap
from bai_manager.types.status import VFOLDER_MOUNTABLE
from bai_manager.types.vfolder import (
    VFOLDER_PERMISSION_WRITABLE,
    VFolderHostPermission,
    VFolderPermission,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from bai_manager.clients.storage_proxy.pool import StoragePool
    from bai_manager.services.session.types_request import OwnerData
    from bai_manager.services.vfolder.types import VFolderData
    from bai_manager.types.vfolder import HostPermissions

_LOCAL: Final = ".local"
_SPECIAL_PLACES: Final = {".linuxbrew": "/home/linuxbrew/.linuxbrew"}
_LADDER: Final = [*VFolderPermission]


class MountableFolders(Protocol):
    """What the database says (``SessionMountRepository``)."""

    async def candidates(
        self, user_id: UUID, *, names: Collection[str], ids: Collection[UUID]
    ) -> list[VFolderData]: ...

    async def allowed_hosts(
        self, user_id: UUID, *, access_key: str, group_id: UUID
    ) -> HostPermissions: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedMount:
    """A folder with its place in the session; only the storage's side is open."""

    folder: VFolderData
    subpath: str
    kernel_path: str
    permission: VFolderPermission


class SessionMounts:
    """Settles the mounts of new sessions.

    ``warn`` hears what the agents of this system cannot do: where they are processes of an
    ordinary user (``unprivileged``), nothing keeps code of a session from writing, and nothing
    appears outside of the home folder.
    """

    def __init__(
        self,
        *,
        folders: MountableFolders,
        storages: StoragePool,
        unprivileged: bool,
        warn: Callable[[str], None],
    ) -> None:
        self._folders = folders
        self._storages = storages
        self._unprivileged = unprivileged
        self._warn = warn

    async def settle(
        self, requests: Sequence[MountRequest], owner: OwnerData, group_id: UUID
    ) -> tuple[VFolderMount, ...]:
        """The folders asked for, and the owner's and the project's that begin with a dot.

        Raises what ``plan_mounts`` raises, and what the storages do.
        """
        refuse_overlapping_sources(requests)
        found = await self._folders.candidates(
            owner.user_id,
            names=[request.folder for request in requests],
            ids=[one for request in requests if (one := _as_id(request.folder)) is not None],
        )
        if not found and not requests:
            return ()
        hosts = await self._folders.allowed_hosts(
            owner.user_id, access_key=owner.access_key, group_id=group_id
        )
        planned = plan_mounts(requests, found, hosts, group_id)
        mounts = [await self._mounted(plan, owner.user_id) for plan in planned]
        if self._unprivileged:
            self._say_what_is_not_kept(mounts)
        return tuple(mounts)

    async def _mounted(self, plan: PlannedMount, user_id: UUID) -> VFolderMount:
        folder, subpath = plan.folder, plan.subpath
        if folder.unmanaged_path is not None:
            path = folder.unmanaged_path
        else:
            storage = await self._storages.client(folder.host.proxy)
            ref = FolderRef(folder.host.volume, folder.vfid)
            if folder.name == _LOCAL and folder.project_id is not None:
                subpath = user_id.hex
                await storage.make_folder(ref, subpath, exist_ok=True)
            path = await storage.mount_path(ref, subpath)
        return VFolderMount(
            name=folder.name,
            vfid=folder.vfid,
            vfsubpath=subpath,
            host_path=posixpath.normpath(posixpath.join(path, subpath)),
            kernel_path=plan.kernel_path,
            mount_perm=plan.permission,
            usage_mode=folder.usage_mode,
        )

    def _say_what_is_not_kept(self, mounts: Sequence[VFolderMount]) -> None:
        for mount in mounts:
            if mount.mount_perm is VFolderPermission.READ_ONLY:
                self._warn(
                    f"Folder {mount.name} is mounted read-only, but sessions on this machine are"
                    " ordinary processes: code in the session could write to it all the same."
                )
            if not mount.kernel_path.startswith(f"{HOME}/"):
                self._warn(
                    f"Folder {mount.name} will not be at {mount.kernel_path}: on this machine"
                    f" sessions have folders below {HOME} only."
                )


def plan_mounts(
    requests: Sequence[MountRequest],
    found: Sequence[VFolderData],
    hosts: HostPermissions,
    group_id: UUID,
) -> list[PlannedMount]:
    """Where each folder goes, the requested ones first, in their order.

    Raises ``VFolderNotFound``, ``TooManyVFoldersFound``, ``VFolderInvalidParameter`` for a folder
    of another project, ``VFolderFilterStatusFailed``, ``InsufficientStoragePermission``,
    ``VFolderPermissionError`` and ``MountsOverlap``.
    """
    planned: list[PlannedMount] = []
    for request in requests:
        folder = _requested(request, found)
        _check_mountable(folder, hosts, group_id)
        if not _is_planned(folder, request.subpath, planned):
            planned.append(_plan(folder, request))
    for folder in found:
        if (
            folder.name.startswith(".")
            and _mounts_itself(folder, hosts, group_id)
            and not _is_planned(folder, ".", planned)
        ):
            planned.append(_plan(folder, MountRequest(folder=folder.name)))
    for one, other in combinations(planned, 2):
        if paths_overlap(one.kernel_path, other.kernel_path):
            raise MountsOverlap(
                f"{one.folder.name} at {one.kernel_path}",
                f"{other.folder.name} at {other.kernel_path}",
            )
    return planned


def refuse_overlapping_sources(requests: Sequence[MountRequest]) -> None:
    """Raise ``MountsOverlap`` when one source contains another."""
    sources = [posixpath.normpath(f"{one.folder}/{one.subpath}") for one in requests]
    for one, other in combinations(sources, 2):
        if paths_overlap(one, other):
            raise MountsOverlap(one, other, same_source=True)


def _requested(request: MountRequest, found: Sequence[VFolderData]) -> VFolderData:
    """An id wins; of several of a name the owner's own, then a shared one, then a project's."""
    wanted = _as_id(request.folder)
    exact = [folder for folder in found if folder.id == wanted]
    named = [folder for folder in found if folder.name == request.folder]
    if exact:
        return exact[0]
    if not named:
        raise VFolderNotFound(request.folder)
    best = [folder for folder in named if folder.reach is named[0].reach]
    if len(best) > 1:
        raise TooManyVFoldersFound(
            request.folder, [f"{one.name} of {one.owner or one.project} ({one.id})" for one in best]
        )
    return best[0]


def _check_mountable(folder: VFolderData, hosts: HostPermissions, group_id: UUID) -> None:
    if folder.project_id not in {None, group_id}:
        raise VFolderInvalidParameter(
            f"Folder {folder.name!r} is of project {folder.project!r}; the session is of another.",
            hint=f"Create the session in that project: --group {folder.project}.",
        )
    if folder.status not in VFOLDER_MOUNTABLE:
        raise VFolderFilterStatusFailed(folder.name, folder.status, "be mounted", VFOLDER_MOUNTABLE)
    if not _is_allowed(folder, hosts):
        raise InsufficientStoragePermission(
            str(folder.host), VFolderHostPermission.MOUNT_IN_SESSION
        )


def _mounts_itself(folder: VFolderData, hosts: HostPermissions, group_id: UUID) -> bool:
    return (
        folder.project_id in {None, group_id}
        and folder.status in VFOLDER_MOUNTABLE
        and _is_allowed(folder, hosts)
    )


def _is_allowed(folder: VFolderData, hosts: HostPermissions) -> bool:
    granted = hosts.get(str(folder.host), frozenset())
    return folder.host.is_noop or VFolderHostPermission.MOUNT_IN_SESSION in granted


def _is_planned(folder: VFolderData, subpath: str, planned: Sequence[PlannedMount]) -> bool:
    """Whether a mount of the same folder has this part of it."""
    return any(
        one.folder.id == folder.id and paths_overlap(_rooted(one.subpath), _rooted(subpath))
        for one in planned
    )


def _plan(folder: VFolderData, request: MountRequest) -> PlannedMount:
    if folder.name == _LOCAL and folder.project_id is not None:
        place = f"{HOME}/{_LOCAL}"
    else:
        place = request.target or _SPECIAL_PLACES.get(folder.name) or f"{HOME}/{folder.name}"
    return PlannedMount(
        folder=folder,
        subpath=request.subpath,
        kernel_path=place,
        permission=_permission(folder, request.permission),
    )


def _permission(folder: VFolderData, asked: VFolderPermission | None) -> VFolderPermission:
    """What was asked for, up to what the owner of the session may do."""
    allowed = folder.my_permission
    if asked is None:
        return allowed
    if asked in VFOLDER_PERMISSION_WRITABLE and allowed not in VFOLDER_PERMISSION_WRITABLE:
        raise VFolderPermissionError(folder.name, asked, allowed)
    return min(asked, allowed, key=_LADDER.index)


def _rooted(subpath: str) -> str:
    return posixpath.normpath(f"/{subpath}")


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
