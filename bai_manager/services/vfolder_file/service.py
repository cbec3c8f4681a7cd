"""Reading and changing what is in virtual folders."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from bai_manager.clients.storage_proxy.errors import FileMissing, ListingCut, NotAFolder
from bai_manager.clients.storage_proxy.protocol import EntryKind, FolderRef
from bai_manager.services.vfolder.errors import (
    InsufficientStoragePermission,
    VFolderFilterStatusFailed,
    VFolderNotFound,
)
from bai_manager.services.vfolder_file.actions import (
    ListVFolderFilesActionResult,
    MeasureVFolderFilesActionResult,
    ReadVFolderFileActionResult,
    VFolderPathsActionResult,
)
from bai_manager.services.vfolder_file.errors import FolderKeptElsewhere
from bai_manager.services.vfolder_file.types import (
    FileKind,
    VFolderFile,
    VFolderPath,
    VFolderSize,
)
from bai_manager.types.status import VFOLDER_READABLE, VFOLDER_UPDATABLE
from bai_manager.types.vfolder import VFolderHostPermission

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path
    from typing import TypeAlias

    from bai_manager.actions.base import ActionResult
    from bai_manager.clients.storage_proxy.pool import StoragePool
    from bai_manager.clients.storage_proxy.protocol import FileEntry, StorageClient
    from bai_manager.services.vfolder.actions import VFolderAction
    from bai_manager.services.vfolder_file.actions import (
        DeleteVFolderFilesAction,
        DownloadVFolderFilesAction,
        ListVFolderFilesAction,
        MakeVFolderPathAction,
        MeasureVFolderFilesAction,
        MoveVFolderFileAction,
        ReadVFolderFileAction,
        TransferVFolderFilesActionResult,
        UploadVFolderFilesAction,
    )
    from bai_manager.services.vfolder_file.sink import FileSink
    from bai_manager.types.folder_access import FolderAccess

    AnyFolderAction: TypeAlias = VFolderAction[ActionResult]

SORTED_AT_MOST: Final = 1000
"""So many entries are put into order before the first is shown; more come as they are found."""


class VFolderFileService:
    """``work_folder`` is for what lets transfers go on; ``rehearse`` makes them change nothing."""

    def __init__(
        self,
        *,
        storages: StoragePool,
        sink: FileSink,
        work_folder: Path,
        rehearse: bool = False,
    ) -> None:
        self._storages = storages
        self._sink = sink
        self._work_folder = work_folder
        self._rehearse = rehearse

    async def list_files(self, action: ListVFolderFilesAction) -> ListVFolderFilesActionResult:
        storage, folder = await self._read(action)
        count = 0
        listing = _listed(storage, folder, action.path, recursive=action.recursive)
        async with aclosing(listing), aclosing(_in_order(listing)) as entries:
            async for entry in entries:
                if not self._sink.listed(_told(entry)):
                    break
                count += 1
        return ListVFolderFilesActionResult(path=action.path, count=count)

    async def measure_files(
        self, action: MeasureVFolderFilesAction
    ) -> MeasureVFolderFilesActionResult:
        storage, folder = await self._read(action)
        entry = await storage.stat(folder, action.path)
        if entry.kind is not EntryKind.FOLDER:
            sizes = [VFolderSize(path=action.path, files=1, size=entry.size)]
        elif entry.path == "." and not action.depth:
            usage = await storage.folder_usage(folder)
            sizes = [VFolderSize(path=".", files=usage.file_count, size=usage.used_bytes)]
        else:
            sizes = await _measured(storage, folder, entry.path, action.depth)
        return MeasureVFolderFilesActionResult(sizes=sizes)

    async def read_file(self, action: ReadVFolderFileAction) -> ReadVFolderFileActionResult:
        from bai_manager.clients.storage_proxy.download import read_stream  # noqa: PLC0415

        storage, folder = await self._read(action, VFolderHostPermission.DOWNLOAD_FILE)
        size = 0
        async with aclosing(read_stream(storage, folder, action.path)) as chunks:
            async for chunk in chunks:
                self._sink.write(chunk)
                size += len(chunk)
        return ReadVFolderFileActionResult(path=action.path, size=size)

    async def make_folder(self, action: MakeVFolderPathAction) -> VFolderPathsActionResult:
        storage, folder = await self._write(action)
        try:
            await storage.make_folder(
                folder, action.path, parents=action.parents, exist_ok=action.parents
            )
        except FileMissing:
            above = action.path.strip("/").rpartition("/")[0]
            raise FileMissing(above, hint="'vfolder mkdir -p' makes what is above, too.") from None
        return VFolderPathsActionResult(paths=[VFolderPath(path=action.path)])

    async def move_file(self, action: MoveVFolderFileAction) -> VFolderPathsActionResult:
        storage, folder = await self._write(action, VFolderHostPermission.MODIFY)
        target = action.destination
        if target.endswith("/") or await _is_folder(storage, folder, target):
            target = f"{target.rstrip('/')}/{action.source.rstrip('/').rpartition('/')[2]}"
        await storage.move(folder, action.source, target)
        return VFolderPathsActionResult(paths=[VFolderPath(path=target)])

    async def delete_files(self, action: DeleteVFolderFilesAction) -> VFolderPathsActionResult:
        storage, folder = await self._write(action)
        paths = [*dict.fromkeys(action.paths)]
        if action.ignore_missing:
            paths = [path for path in paths if await _exists(storage, folder, path)]
        if paths:
            await storage.delete_files(folder, paths, recursive=action.recursive)
        return VFolderPathsActionResult(paths=[VFolderPath(path=path) for path in paths])

    async def upload_files(
        self, action: UploadVFolderFilesAction
    ) -> TransferVFolderFilesActionResult:
        from bai_manager.services.vfolder_file.transfers import Transfers  # noqa: PLC0415

        storage, folder = await self._write(action, VFolderHostPermission.UPLOAD_FILE)
        is_folder = bool(action.destination) and await _is_folder(
            storage, folder, action.destination or "."
        )
        transfers = Transfers(
            storage, folder, self._sink, self._work_folder, rehearse=self._rehearse
        )
        return await transfers.upload(action, is_folder=is_folder)

    async def download_files(
        self, action: DownloadVFolderFilesAction
    ) -> TransferVFolderFilesActionResult:
        from bai_manager.services.vfolder_file.transfers import Transfers  # noqa: PLC0415

        storage, folder = await self._read(action, VFolderHostPermission.DOWNLOAD_FILE)
        transfers = Transfers(
            storage, folder, self._sink, self._work_folder, rehearse=self._rehearse
        )
        return await transfers.download(action, name=_access(action).name)

    async def _read(
        self, action: AnyFolderAction, permission: VFolderHostPermission | None = None
    ) -> tuple[StorageClient, FolderRef]:
        access = _access(action)
        if access.status not in VFOLDER_READABLE:
            raise VFolderFilterStatusFailed(access.name, access.status, "be read", VFOLDER_READABLE)
        return await self._opened(access, permission)

    async def _write(
        self, action: AnyFolderAction, permission: VFolderHostPermission | None = None
    ) -> tuple[StorageClient, FolderRef]:
        access = _access(action)
        if access.status not in VFOLDER_UPDATABLE:
            raise VFolderFilterStatusFailed(
                access.name, access.status, "be written to", VFOLDER_UPDATABLE
            )
        return await self._opened(access, permission)

    async def _opened(
        self, access: FolderAccess, permission: VFolderHostPermission | None
    ) -> tuple[StorageClient, FolderRef]:
        """The storage of a folder, and which one it is there (``services.md`` §5.2)."""
        if access.unmanaged_path is not None:
            raise FolderKeptElsewhere(access.name, access.unmanaged_path)
        if permission is not None and not access.by_office:
            _refuse_without(permission, access)
        storage = await self._storages.client(access.host.proxy)
        return storage, FolderRef(access.host.volume, access.vfid)


def _access(action: AnyFolderAction) -> FolderAccess:
    if action.access is None:
        raise VFolderNotFound(action.vfolder)
    return action.access


def _refuse_without(permission: VFolderHostPermission, access: FolderAccess) -> None:
    if permission not in access.host_permissions:
        raise InsufficientStoragePermission(str(access.host), permission)


async def _listed(
    storage: StorageClient, folder: FolderRef, path: str, *, recursive: bool
) -> AsyncGenerator[FileEntry, None]:
    """What is in a folder, or the one entry that is none."""
    try:
        async with aclosing(storage.list_files(folder, path, recursive=recursive)) as entries:
            async for entry in entries:
                yield entry
    except NotAFolder:
        yield await storage.stat(folder, path)


async def _in_order(listing: AsyncGenerator[FileEntry, None]) -> AsyncGenerator[FileEntry, None]:
    """By path if they are few; the rest, or all of very many, as they come.

    What came before a listing is cut short (``ListingCut``) is told first.
    """
    cut: ListingCut | None = None
    first: list[FileEntry] = []
    try:
        async for entry in listing:
            first.append(entry)
            if len(first) > SORTED_AT_MOST:
                break
    except ListingCut as error:
        cut = error
    if len(first) <= SORTED_AT_MOST:
        first.sort(key=lambda entry: entry.path.split("/"))
    for entry in first:
        yield entry
    if cut is not None:
        raise cut
    async for entry in listing:
        yield entry


async def _measured(
    storage: StorageClient, folder: FolderRef, top: str, depth: int
) -> list[VFolderSize]:
    """What is below ``top``, and below each folder at most ``depth`` levels down."""
    levels = 0 if top == "." else top.count("/") + 1
    counted: dict[str, list[int]] = {top: [0, 0]}
    async with aclosing(storage.list_files(folder, top, recursive=True)) as entries:
        async for entry in entries:
            names = entry.path.split("/")
            if entry.kind is EntryKind.FOLDER and len(names) <= levels + depth:
                counted.setdefault(entry.path, [0, 0])
            if entry.kind is EntryKind.FOLDER:
                continue
            for level in range(levels, min(levels + depth, len(names) - 1) + 1):
                sums = counted.setdefault("/".join(names[:level]) or ".", [0, 0])
                sums[0] += 1
                sums[1] += entry.size
    whole = counted.pop(top)
    ordered = [*sorted(counted.items()), (top, whole)]
    return [VFolderSize(path=path, files=files, size=size) for path, (files, size) in ordered]


async def _is_folder(storage: StorageClient, folder: FolderRef, path: str) -> bool:
    try:
        return (await storage.stat(folder, path)).kind is EntryKind.FOLDER
    except FileMissing:
        return False


async def _exists(storage: StorageClient, folder: FolderRef, path: str) -> bool:
    try:
        await storage.stat(folder, path)
    except FileMissing:
        return False
    return True


def _told(entry: FileEntry) -> VFolderFile:
    return VFolderFile(
        path=entry.path,
        kind=FileKind(entry.kind.value),
        size=entry.size,
        permissions=entry.permissions,
        modified_at=entry.modified,
        link_target=entry.link_target,
    )
