"""The storage of a dry run: looks, refuses what the real one would, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.errors import (
    TAKES_ALL,
    FileExists,
    FileMissing,
    FolderExists,
    FolderMissing,
    IsAFolder,
    PathRefused,
    QuotaScopeMissing,
)
from bai_manager.clients.storage_proxy.paths import split_entry
from bai_manager.clients.storage_proxy.protocol import (
    EntryKind,
    FolderUsage,
    QuotaScopeUsage,
    UploadSession,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from bai_manager.clients.storage_proxy.protocol import (
        FileContent,
        FileEntry,
        FolderRef,
        StorageClient,
        Volume,
        VolumeUsage,
    )
    from bai_manager.types.vfolder import QuotaScopeID


class RehearsalStorage:
    """Reads go to the real storage; folders made in the dry run are there, and empty."""

    def __init__(self, real: StorageClient) -> None:
        self.name = real.name
        self._real = real
        self._made: set[FolderRef] = set()
        self._limits: dict[tuple[str, QuotaScopeID], int | None] = {}

    async def aclose(self) -> None:
        await self._real.aclose()

    async def volumes(self) -> Sequence[Volume]:
        return await self._real.volumes()

    async def volume_usage(self, volume: str) -> VolumeUsage:
        return await self._real.volume_usage(volume)

    async def quota_scope(self, volume: str, scope: QuotaScopeID) -> QuotaScopeUsage:
        if (volume, scope) in self._limits:
            used = (await self._kept(volume, scope)).used_bytes
            return QuotaScopeUsage(used_bytes=used, limit_bytes=self._limits[volume, scope])
        return await self._present(volume, scope)

    async def _present(self, volume: str, scope: QuotaScopeID) -> QuotaScopeUsage:
        if any((folder.volume, folder.id.quota_scope) == (volume, scope) for folder in self._made):
            return QuotaScopeUsage(used_bytes=None, limit_bytes=None)
        return await self._real.quota_scope(volume, scope)

    async def create_quota_scope(
        self, volume: str, scope: QuotaScopeID, limit_bytes: int | None = None
    ) -> None:
        pass

    async def set_quota(self, volume: str, scope: QuotaScopeID, limit_bytes: int) -> None:
        self._limits[volume, scope] = limit_bytes

    async def unset_quota(self, volume: str, scope: QuotaScopeID) -> None:
        await self.quota_scope(volume, scope)
        self._limits[volume, scope] = None

    async def create_folder(
        self,
        folder: FolderRef,
        *,
        mode: int | None = None,  # noqa: ARG002 - the protocol's
        scope_limit_bytes: int | None = None,  # noqa: ARG002
    ) -> None:
        if await self.folder_exists(folder):
            raise FolderExists(self.name, folder)
        self._made.add(folder)

    async def delete_folder(
        self,
        folder: FolderRef,
        *,
        timeout: float | None = None,  # noqa: ARG002 - the protocol's
    ) -> None:
        self._made.discard(folder)

    async def clone_folder(
        self,
        source: FolderRef,
        target: FolderRef,
        *,
        timeout: float | None = None,  # noqa: ARG002 - the protocol's
    ) -> None:
        if not await self.folder_exists(source):
            raise FolderMissing(self.name, source)
        self._made.add(target)

    async def folder_exists(self, folder: FolderRef) -> bool:
        return folder in self._made or await self._real.folder_exists(folder)

    async def mount_path(self, folder: FolderRef, subpath: str = ".") -> str:
        return await self._real.mount_path(folder, subpath)

    async def folder_usage(self, folder: FolderRef) -> FolderUsage:
        if folder in self._made:
            return FolderUsage(file_count=0, used_bytes=0)
        return await self._real.folder_usage(folder)

    def list_files(
        self, folder: FolderRef, path: str = ".", *, recursive: bool = False
    ) -> AsyncGenerator[FileEntry, None]:
        return self._real.list_files(folder, path, recursive=recursive)

    async def stat(self, folder: FolderRef, path: str) -> FileEntry:
        return await self._real.stat(folder, path)

    async def make_folder(
        self, folder: FolderRef, path: str, *, parents: bool = True, exist_ok: bool = False
    ) -> None:
        parts = split_entry(path)
        found = await self._found(folder, path)
        if found is not None and not (exist_ok and found.kind is EntryKind.FOLDER):
            raise FileExists(path)
        if found is None and not parents and len(parts) > 1:
            await self._real.stat(folder, "/".join(parts[:-1]))

    async def move(self, folder: FolderRef, source: str, target: str) -> None:
        old, new = split_entry(source), split_entry(target)
        if new[: len(old)] == old:
            raise PathRefused(target, f"it is in {source} itself")
        await self._real.stat(folder, source)
        if await self._found(folder, target) is not None:
            raise FileExists(target)

    async def delete_files(
        self, folder: FolderRef, paths: Sequence[str], *, recursive: bool = False
    ) -> None:
        for path in paths:
            split_entry(path)
            if (await self._real.stat(folder, path)).kind is EntryKind.FOLDER and not recursive:
                raise IsAFolder(path, hint=TAKES_ALL)

    def read_file(
        self, folder: FolderRef, path: str, *, offset: int = 0, expected: FileEntry | None = None
    ) -> AbstractAsyncContextManager[FileContent]:
        return self._real.read_file(folder, path, offset=offset, expected=expected)

    async def begin_upload(self, folder: FolderRef, path: str, size: int) -> UploadSession:
        split_entry(path)
        found = await self._found(folder, path)
        if found is not None and found.kind is EntryKind.FOLDER:
            raise IsAFolder(path)
        return UploadSession(folder=folder, path=path, size=size, token="")

    async def upload_offset(self, session: UploadSession) -> int:  # noqa: ARG002 - the protocol's
        return 0

    async def write_file(
        self, session: UploadSession, offset: int, data: AsyncIterable[bytes]
    ) -> None:
        """Take nothing: reading gigabytes for nothing is no rehearsal."""

    async def abort_upload(self, session: UploadSession) -> None:
        pass

    async def checksum(self, folder: FolderRef, path: str) -> str:
        return await self._real.checksum(folder, path)

    async def _kept(self, volume: str, scope: QuotaScopeID) -> QuotaScopeUsage:
        """As it is; nothing is used of a scope that would be made now."""
        try:
            return await self._present(volume, scope)
        except QuotaScopeMissing:
            return QuotaScopeUsage(used_bytes=0, limit_bytes=None)

    async def _found(self, folder: FolderRef, path: str) -> FileEntry | None:
        try:
            return await self._real.stat(folder, path)
        except FileMissing:
            return None
