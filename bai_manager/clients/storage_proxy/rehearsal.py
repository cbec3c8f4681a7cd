"""The storage of a dry run: reads what is there, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.protocol import FolderUsage, UploadSession

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from bai_manager.clients.storage_proxy.protocol import (
        FileContent,
        FileEntry,
        FolderRef,
        QuotaScopeUsage,
        StorageClient,
        Volume,
        VolumeUsage,
    )
    from bai_manager.types.vfolder import QuotaScopeID


class RehearsalStorage:
    """Reads go to the real storage; folders that would have been made are remembered as empty."""

    def __init__(self, real: StorageClient) -> None:
        self.name = real.name
        self._real = real
        self._made: set[FolderRef] = set()

    async def aclose(self) -> None:
        await self._real.aclose()

    async def volumes(self) -> Sequence[Volume]:
        return await self._real.volumes()

    async def volume_usage(self, volume: str) -> VolumeUsage:
        return await self._real.volume_usage(volume)

    async def quota_scope(self, volume: str, scope: QuotaScopeID) -> QuotaScopeUsage:
        return await self._real.quota_scope(volume, scope)

    async def create_quota_scope(
        self, volume: str, scope: QuotaScopeID, limit_bytes: int | None = None
    ) -> None:
        pass

    async def set_quota(self, volume: str, scope: QuotaScopeID, limit_bytes: int) -> None:
        pass

    async def unset_quota(self, volume: str, scope: QuotaScopeID) -> None:
        await self._real.quota_scope(volume, scope)

    async def create_folder(
        self,
        folder: FolderRef,
        *,
        mode: int | None = None,  # noqa: ARG002 - the protocol's
        scope_limit_bytes: int | None = None,  # noqa: ARG002
    ) -> None:
        self._made.add(folder)

    async def delete_folder(self, folder: FolderRef, *, timeout: float | None = None) -> None:
        pass

    async def clone_folder(
        self,
        source: FolderRef,
        target: FolderRef,
        *,
        timeout: float | None = None,  # noqa: ARG002 - the protocol's
    ) -> None:
        await self._real.mount_path(source)
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
        pass

    async def move(self, folder: FolderRef, source: str, target: str) -> None:  # noqa: ARG002
        await self._real.stat(folder, source)

    async def delete_files(
        self,
        folder: FolderRef,
        paths: Sequence[str],
        *,
        recursive: bool = False,  # noqa: ARG002 - the protocol's
    ) -> None:
        for path in paths:
            await self._real.stat(folder, path)

    def read_file(
        self, folder: FolderRef, path: str, *, offset: int = 0, expected: FileEntry | None = None
    ) -> AbstractAsyncContextManager[FileContent]:
        return self._real.read_file(folder, path, offset=offset, expected=expected)

    async def begin_upload(self, folder: FolderRef, path: str, size: int) -> UploadSession:
        return UploadSession(folder=folder, path=path, size=size, token="")

    async def upload_offset(self, session: UploadSession) -> int:  # noqa: ARG002
        return 0

    async def write_file(
        self, session: UploadSession, offset: int, data: AsyncIterable[bytes]
    ) -> None:
        pass

    async def abort_upload(self, session: UploadSession) -> None:
        pass

    async def checksum(self, folder: FolderRef, path: str) -> str:
        return await self._real.checksum(folder, path)
