"""The life of virtual folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.actions.targets import Visibility
from bai_manager.clients.storage_proxy.protocol import FolderRef
from bai_manager.services.vfolder.actions import (
    CreateVFolderActionResult,
    ListVFoldersActionResult,
    VFolderActionResult,
)
from bai_manager.services.vfolder.rules import check_spec, require_host_permission, settled
from bai_manager.types.vfolder import VFolderHostPermission

if TYPE_CHECKING:
    from bai_manager.clients.storage_proxy.pool import StoragePool
    from bai_manager.repositories.vfolder import VFolderRepository
    from bai_manager.services.vfolder.actions import (
        CreateVFolderAction,
        DeleteVFolderAction,
        GetVFolderAction,
        ListVFoldersAction,
    )
    from bai_manager.services.vfolder.rules import NewFolder


class VFolderService:
    """Keeps rows and bytes of folders together; ``storages`` has the bytes."""

    def __init__(self, *, vfolders: VFolderRepository, storages: StoragePool) -> None:
        self._vfolders = vfolders
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

    async def get_vfolder(self, action: GetVFolderAction) -> VFolderActionResult:
        """One folder."""
        access = settled(action)
        return VFolderActionResult(
            vfolder=await self._vfolders.get_folder(access.id, viewer=access.user_id)
        )

    async def create_vfolder(self, action: CreateVFolderAction) -> CreateVFolderActionResult:
        """A row, and an empty folder on the storage."""
        check_spec(action.spec)
        key = action.requester_key or ""
        if action.if_not_exists:
            found = await self._vfolders.find_own(
                action.spec.name, access_key=key, group_id=action.group_id
            )
            if found is not None:
                return CreateVFolderActionResult(vfolder=found, created=False)
        folder = await self._vfolders.create_folder(
            action.spec,
            access_key=key,
            group_id=action.group_id,
            default_host=(await self._storages.map()).default_host,
            make=self._make,
        )
        return CreateVFolderActionResult(vfolder=folder, created=True)

    async def delete_vfolder(self, action: DeleteVFolderAction) -> VFolderActionResult:
        """Into the trash."""
        access = settled(action)
        require_host_permission(access, VFolderHostPermission.DELETE)
        return VFolderActionResult(vfolder=await self._vfolders.move_to_trash(access))

    async def _make(self, folder: NewFolder) -> None:
        if folder.unmanaged_path is not None or folder.host.is_noop:
            return
        storage = await self._storages.client(folder.host.proxy)
        await storage.create_folder(
            FolderRef(folder.host.volume, folder.vfid),
            mode=folder.mode,
            scope_limit_bytes=folder.quota_limit,
        )
