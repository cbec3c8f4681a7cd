"""The life of virtual folders: rows and bytes together."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from bai_manager.actions.targets import Visibility
from bai_manager.clients.storage_proxy.protocol import FolderRef
from bai_manager.errors import BackendAIError, TimedOut, TryAgain, Unreachable
from bai_manager.services.vfolder.actions import (
    CloneVFolderActionResult,
    CreateVFolderActionResult,
    GetVFolderActionResult,
    ListVFoldersActionResult,
    RecoverVFolderActionResult,
    ShareVFolderActionResult,
    UpdateVFolderActionResult,
    VFolderActionResult,
)
from bai_manager.services.vfolder.errors import VFolderFilesMissing
from bai_manager.services.vfolder.rules import (
    check_kind,
    check_project_name,
    check_spec,
    require_host_permission,
    require_status,
    settled,
)
from bai_manager.services.vfolder.types import VFolderUse
from bai_manager.types.names import check_vfolder_name
from bai_manager.types.status import VFOLDER_RECOVERABLE, VFolderOwnershipType, VFolderStatus
from bai_manager.types.vfolder import VFolderHostPermission

if TYPE_CHECKING:
    from bai_manager.clients.storage_proxy.pool import StoragePool
    from bai_manager.repositories.vfolder_all import VFolderRepositories
    from bai_manager.services.vfolder.actions import (
        ChangeVFolderOwnerAction,
        CloneVFolderAction,
        CreateVFolderAction,
        DeleteVFolderAction,
        GetVFolderAction,
        LeaveVFolderAction,
        ListVFoldersAction,
        PurgeVFolderAction,
        RecoverVFolderAction,
        RenameVFolderAction,
        RestoreVFolderAction,
        ShareVFolderAction,
        UnshareVFolderAction,
        UpdateVFolderAction,
    )
    from bai_manager.services.vfolder.rules import CloneJob, NewFolder
    from bai_manager.services.vfolder.types import VFolderData
    from bai_manager.types.folder_access import FolderAccess

_MAY_GO_ON = (Unreachable, TimedOut, TryAgain)
"""After these nobody knows what the storage did, or still does."""


class VFolderService:
    """``storages`` has the bytes, ``rows`` what is known of them."""

    def __init__(self, *, rows: VFolderRepositories, storages: StoragePool) -> None:
        self._vfolders = rows.vfolders
        self._changes = rows.changes
        self._trash = rows.trash
        self._clones = rows.clones
        self._shares = rows.shares
        self._storages = storages

    async def list_vfolders(self, action: ListVFoldersAction) -> ListVFoldersActionResult:
        """Folders one can use, or all that one may see."""
        viewer = action.requester
        if viewer is None:
            return ListVFoldersActionResult(vfolders=[])
        return ListVFoldersActionResult(
            vfolders=await self._vfolders.list_folders(
                action.query,
                viewer=viewer,
                scope=action.scope,
                visible=action.visible or Visibility(user_id=viewer),
                trash=action.trash,
            )
        )

    async def get_vfolder(self, action: GetVFolderAction) -> GetVFolderActionResult:
        """One folder, who can reach it, and what the storage says of it."""
        access = settled(action)
        folder = await self._vfolders.get_folder(access.id, viewer=access.user_id)
        return GetVFolderActionResult(
            vfolder=folder,
            holdings=await self._shares.holdings(access),
            use=await self._use(folder),
        )

    async def create_vfolder(self, action: CreateVFolderAction) -> CreateVFolderActionResult:
        """A row, and an empty folder on the storage."""
        spec, key = action.spec, action.requester_key or ""
        check_spec(spec)
        storages = await self._storages.map()
        check_kind(spec, storages.folder_types)
        group_id = action.group_id
        if group_id is None and spec.group is not None:
            group_id = await self._vfolders.resolve_group(spec.group)
        folder, created = await self._vfolders.create_folder(
            spec,
            access_key=key,
            group_id=group_id,
            default_host=storages.default_host,
            if_not_exists=action.if_not_exists,
            make=self._make,
        )
        return CreateVFolderActionResult(vfolder=folder, created=created)

    async def update_vfolder(self, action: UpdateVFolderAction) -> UpdateVFolderActionResult:
        """Change what is given and leave the rest."""
        access = settled(action)
        require_host_permission(access, VFolderHostPermission.MODIFY)
        folder, changed = await self._changes.update(
            access, action.changes, if_unchanged=action.if_unchanged
        )
        return UpdateVFolderActionResult(vfolder=folder, changed=changed)

    async def rename_vfolder(self, action: RenameVFolderAction) -> VFolderActionResult:
        """Another name; its place on the storage has none."""
        access = settled(action)
        check_vfolder_name(action.name)
        if access.ownership_type is VFolderOwnershipType.GROUP:
            check_project_name(action.name)
        require_host_permission(access, VFolderHostPermission.MODIFY)
        return VFolderActionResult(vfolder=await self._changes.rename(access, action.name))

    async def change_owner(self, action: ChangeVFolderOwnerAction) -> VFolderActionResult:
        """Another user's from now on."""
        folder = await self._changes.change_owner(settled(action), action.user)
        return VFolderActionResult(vfolder=folder)

    async def delete_vfolder(self, action: DeleteVFolderAction) -> VFolderActionResult:
        """Into the trash."""
        access = settled(action)
        require_host_permission(access, VFolderHostPermission.DELETE)
        return VFolderActionResult(vfolder=await self._trash.move_to_trash(access))

    async def restore_vfolder(self, action: RestoreVFolderAction) -> VFolderActionResult:
        """Out of the trash, if the storage still has it."""
        access = settled(action)
        require_status(access, VFOLDER_RECOVERABLE, "be restored")
        if not await self._has_files(access):
            raise VFolderFilesMissing(access.name, f"storage host {access.host} has none of it")
        return VFolderActionResult(vfolder=await self._trash.restore(access))

    async def recover_vfolder(self, action: RecoverVFolderAction) -> RecoverVFolderActionResult:
        """Ask the storage what is there, and say so in the row."""
        access = settled(action)
        has_files = await self._has_files(access)
        folder, recovery = await self._trash.recover(access, has_files=has_files)
        return RecoverVFolderActionResult(vfolder=folder, recovery=recovery)

    async def purge_vfolder(self, action: PurgeVFolderAction) -> VFolderActionResult:
        """Mark, remove the bytes, remove the row: whatever ends it, doing it again completes it."""
        access = settled(action)
        require_host_permission(access, VFolderHostPermission.DELETE)
        folder = await self._trash.begin_purge(access)
        if _is_kept(folder):
            storage = await self._storages.client(folder.host.proxy)
            await storage.delete_folder(_ref(folder), timeout=action.timeout)
        await self._trash.finish_purge(folder.id)
        return VFolderActionResult(vfolder=folder)

    async def clone_vfolder(self, action: CloneVFolderAction) -> CloneVFolderActionResult:
        """Write two rows, copy the bytes, finish the rows; doing it again completes it."""
        check_spec(action.spec)
        job = await self._clones.begin(
            settled(action), action.spec, access_key=action.requester_key or ""
        )
        try:
            await self._copy(job, action.timeout)
        except _MAY_GO_ON:
            raise
        except BackendAIError:
            await self._give_up(job)
            raise
        clone = await self._clones.finish(job)
        require_status(clone, {VFolderStatus.READY}, "be completed")
        return CloneVFolderActionResult(vfolder=clone, source_id=job.source.id, resumed=job.resumed)

    async def share_vfolder(self, action: ShareVFolderAction) -> ShareVFolderActionResult:
        """A permission of their own for some."""
        access = settled(action)
        require_host_permission(access, VFolderHostPermission.SET_USER_SPECIFIC_PERMISSION)
        shared = await self._shares.share(access, action.emails, action.permission)
        return ShareVFolderActionResult(vfolder_id=access.id, shared_with=shared)

    async def unshare_vfolder(self, action: UnshareVFolderAction) -> ShareVFolderActionResult:
        """No permission of their own for some any more."""
        access = settled(action)
        require_host_permission(access, VFolderHostPermission.SET_USER_SPECIFIC_PERMISSION)
        await self._shares.unshare(access, action.emails)
        left = (await self._shares.holdings(access)).shared_with
        return ShareVFolderActionResult(vfolder_id=access.id, shared_with=left)

    async def leave_vfolder(self, action: LeaveVFolderAction) -> VFolderActionResult:
        """Shared with one user less."""
        return VFolderActionResult(vfolder=await self._shares.leave(settled(action)))

    async def _make(self, folder: NewFolder) -> None:
        if folder.unmanaged_path is not None or folder.host.is_noop:
            return
        storage = await self._storages.client(folder.host.proxy)
        await storage.create_folder(
            FolderRef(folder.host.volume, folder.vfid),
            mode=folder.mode,
            scope_limit_bytes=folder.quota_limit,
        )

    async def _has_files(self, access: FolderAccess) -> bool:
        if not _is_kept(access):
            return True
        storage = await self._storages.client(access.host.proxy)
        return await storage.folder_exists(_ref(access))

    async def _use(self, folder: VFolderData) -> VFolderUse | None:
        if not _is_kept(folder):
            return None
        try:
            storage = await self._storages.client(folder.host.proxy)
            found = await storage.folder_usage(_ref(folder))
        except BackendAIError as error:
            return VFolderUse(file_count=None, used_bytes=None, error=error.message)
        return VFolderUse(file_count=found.file_count, used_bytes=found.used_bytes)

    async def _copy(self, job: CloneJob, timeout: float | None) -> None:
        storage = await self._storages.client(job.source.host.proxy)
        scope = job.target.vfid.quota_scope
        if scope is not None:
            await storage.create_quota_scope(job.target.host.volume, scope, job.quota_limit)
        await storage.clone_folder(_ref(job.source), _ref(job.target), timeout=timeout)

    async def _give_up(self, job: CloneJob) -> None:
        """Nothing of the clone is left; what the storage cannot remove has no row at least."""
        with suppress(BackendAIError):
            storage = await self._storages.client(job.target.host.proxy)
            await storage.delete_folder(_ref(job.target))
        await self._clones.abandon(job)


def _ref(folder: VFolderData | FolderAccess) -> FolderRef:
    return FolderRef(folder.host.volume, folder.vfid)


def _is_kept(folder: VFolderData | FolderAccess) -> bool:
    """Whether a storage has its bytes, and not some path of the agents."""
    return folder.unmanaged_path is None and not folder.host.is_noop
