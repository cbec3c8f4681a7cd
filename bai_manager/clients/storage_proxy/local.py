"""A folder of this machine as storage: one sub-folder per volume.

The layout below a volume is that of a storage proxy's vfs backend
(``reference/storage-proxy.md`` §3), so that one could serve it; what is ours alone is in
``.bai-manager``. Unlike that backend it keeps limits of quota scopes, by counting.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from bai_manager.clients.storage_proxy.beneath import (
    FOLDER,
    entered,
    entries_below,
    explained,
    opened,
)
from bai_manager.clients.storage_proxy.copying import CopyCheck
from bai_manager.clients.storage_proxy.errors import (
    FileChanged,
    FolderExists,
    FolderMissing,
    NotAFolder,
    PathRefused,
    QuotaExceeded,
    StorageTaskUnfinished,
    VolumeMissing,
)
from bai_manager.clients.storage_proxy.local_copy import FolderCopy, discard_copy
from bai_manager.clients.storage_proxy.local_files import LocalFiles, is_hidden
from bai_manager.clients.storage_proxy.local_quotas import LocalQuotas
from bai_manager.clients.storage_proxy.local_uploads import LocalUploads, append
from bai_manager.clients.storage_proxy.paths import folder_parts, join, split_path
from bai_manager.clients.storage_proxy.protocol import (
    CHUNK,
    EntryKind,
    FileContent,
    FolderUsage,
    QuotaScopeUsage,
    UploadSession,
    Volume,
    VolumeUsage,
)
from bai_manager.clients.storage_proxy.sessions import as_announced
from bai_manager.clients.storage_proxy.threads import in_thread, stoppable
from bai_manager.clients.storage_proxy.trash import Trash

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Callable,
        Generator,
        Iterator,
        Sequence,
    )
    from pathlib import Path

    from bai_manager.clients.storage_proxy.protocol import FileEntry, FolderRef
    from bai_manager.types.vfolder import QuotaScopeID

    T = TypeVar("T")

_BATCH = 500
_CAPABILITIES = frozenset({"vfolder", "quota"})


class LocalStorageClient:
    """``root`` holds a folder per volume."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self._root = root

    async def aclose(self) -> None:
        pass

    async def volumes(self) -> list[Volume]:
        return await in_thread(self._volumes)

    async def volume_usage(self, volume: str) -> VolumeUsage:
        return await in_thread(self._volume_usage, volume)

    async def quota_scope(self, volume: str, scope: QuotaScopeID) -> QuotaScopeUsage:
        stop = threading.Event()
        return await stoppable(stop, self._quotas, volume, lambda quotas: quotas.usage(scope, stop))

    async def create_quota_scope(
        self, volume: str, scope: QuotaScopeID, limit_bytes: int | None = None
    ) -> None:
        await in_thread(self._quotas, volume, lambda quotas: quotas.create(scope, limit_bytes))

    async def set_quota(self, volume: str, scope: QuotaScopeID, limit_bytes: int) -> None:
        await in_thread(self._quotas, volume, lambda quotas: quotas.limit(scope, limit_bytes))

    async def unset_quota(self, volume: str, scope: QuotaScopeID) -> None:
        await in_thread(self._quotas, volume, lambda quotas: quotas.unlimit(scope))

    async def create_folder(
        self, folder: FolderRef, *, mode: int | None = None, scope_limit_bytes: int | None = None
    ) -> None:
        await in_thread(self._create, folder, mode, scope_limit_bytes)

    async def delete_folder(self, folder: FolderRef, *, timeout: float | None = None) -> None:
        await self._stoppable(
            lambda stop: self._delete(folder, stop), f"remove folder {folder}", timeout
        )

    async def clone_folder(
        self, source: FolderRef, target: FolderRef, *, timeout: float | None = None
    ) -> None:
        if source.volume != target.volume and not await self.folder_exists(source):
            raise FolderMissing(self.name, source)
        try:
            await self._stoppable(
                lambda stop: self._clone(source, target, stop),
                f"copy folder {source} to {target}",
                timeout,
            )
        except FolderExists:
            if not await CopyCheck(self, source, target).is_complete():
                raise

    async def folder_exists(self, folder: FolderRef) -> bool:
        try:
            with self._open(folder):
                return True
        except FolderMissing:
            return False

    async def mount_path(self, folder: FolderRef, subpath: str = ".") -> str:
        if (await self.stat(folder, join(split_path(subpath)))).kind is not EntryKind.FOLDER:
            raise NotAFolder(subpath)
        return str(self._root.joinpath(folder.volume, *folder_parts(folder.id)))

    async def folder_usage(self, folder: FolderRef) -> FolderUsage:
        return await in_thread(self._usage, folder)

    async def list_files(
        self, folder: FolderRef, path: str = ".", *, recursive: bool = False
    ) -> AsyncGenerator[FileEntry, None]:
        found = self._list(folder, path, recursive)
        try:
            while batch := await in_thread(lambda: [*islice(found, _BATCH)]):
                for entry in batch:
                    yield entry
        finally:
            found.close()

    async def stat(self, folder: FolderRef, path: str) -> FileEntry:
        return await in_thread(self._files, folder, lambda files: files.stat(path))

    async def make_folder(
        self, folder: FolderRef, path: str, *, parents: bool = True, exist_ok: bool = False
    ) -> None:
        await in_thread(
            self._files,
            folder,
            lambda files: files.make_folder(path, parents=parents, exist_ok=exist_ok),
        )

    async def move(self, folder: FolderRef, source: str, target: str) -> None:
        await in_thread(self._move, folder, source, target)

    async def delete_files(
        self, folder: FolderRef, paths: Sequence[str], *, recursive: bool = False
    ) -> None:
        def delete(stop: threading.Event) -> None:
            with self._volume(folder.volume) as volume, self._open(folder) as top:
                trash = Trash(volume, stop)
                LocalFiles(self.name, top).delete(paths, recursive=recursive, trash=trash)

        await self._stoppable(delete, "remove files", None)

    @asynccontextmanager
    async def read_file(
        self,
        folder: FolderRef,
        path: str,
        *,
        offset: int = 0,
        expected: FileEntry | None = None,  # noqa: ARG002 - it saves nothing here
    ) -> AsyncIterator[FileContent]:
        fd, entry = self._files(folder, lambda files: files.open(path))
        try:
            if offset > entry.size:
                raise PathRefused(path, f"it has fewer than {offset} bytes")
            yield FileContent(
                size=entry.size,
                offset=offset,
                modified=entry.modified,
                chunks=_chunks(fd, entry, offset),
            )
        finally:
            os.close(fd)

    async def begin_upload(self, folder: FolderRef, path: str, size: int) -> UploadSession:
        def begin() -> str:
            with self._volume(folder.volume) as volume, self._open(folder) as top:
                quotas = LocalQuotas(self.name, folder.volume, volume)
                scope = folder.id.quota_scope
                return LocalUploads(self.name, top).begin(path, size, quotas, scope)

        token = await in_thread(begin)
        return UploadSession(folder=folder, path=path, size=size, token=token)

    async def upload_offset(self, session: UploadSession) -> int:
        return await in_thread(
            self._uploads, session.folder, lambda uploads: uploads.offset(session)
        )

    async def write_file(
        self, session: UploadSession, offset: int, data: AsyncIterable[bytes]
    ) -> None:
        fd = self._uploads(session.folder, lambda uploads: uploads.open(session, offset))
        try:
            async for chunk in as_announced(session, offset, data):
                await in_thread(append, self.name, session, fd, chunk)
            await in_thread(self._finish, session, fd)
        finally:
            os.close(fd)

    async def abort_upload(self, session: UploadSession) -> None:
        await in_thread(self._uploads, session.folder, lambda uploads: uploads.abort(session))

    async def checksum(self, folder: FolderRef, path: str) -> str:
        digest = sha256()
        async with self.read_file(folder, path) as content:
            async for chunk in content.chunks:
                await in_thread(digest.update, chunk)
        return digest.hexdigest()

    # What follows runs in threads.

    def _volumes(self) -> list[Volume]:
        try:
            found = sorted(path for path in self._root.iterdir() if path.is_dir())
        except FileNotFoundError:
            found = []
        return [
            Volume(name=path.name, backend="vfs", path=str(path), capabilities=_CAPABILITIES)
            for path in found
            if not path.name.startswith(".")
        ]

    def _volume_usage(self, volume: str) -> VolumeUsage:
        with self._volume(volume) as fd:
            numbers = os.fstatvfs(fd)
        return VolumeUsage(
            capacity_bytes=numbers.f_blocks * numbers.f_frsize,
            used_bytes=(numbers.f_blocks - numbers.f_bavail) * numbers.f_frsize,
        )

    @contextmanager
    def _volume(self, name: str) -> Iterator[int]:
        """The open folder of a volume, which may be a link: it is the operator's own."""
        if "/" in name or "\0" in name or name in {"", ".", ".."}:
            raise VolumeMissing(self.name, name)
        try:
            fd = os.open(self._root / name, FOLDER & ~os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            raise VolumeMissing(self.name, name) from None
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _open(self, folder: FolderRef) -> Iterator[int]:
        with self._volume(folder.volume) as volume, ExitStack() as stack:
            try:
                top = stack.enter_context(entered(volume, folder_parts(folder.id)))
            except (FileNotFoundError, NotADirectoryError):
                raise FolderMissing(self.name, folder) from None
            yield top

    def _create(self, folder: FolderRef, mode: int | None, limit_bytes: int | None) -> None:
        parts = folder_parts(folder.id)
        scope = folder.id.quota_scope
        with explained(self.name, "."), self._volume(folder.volume) as volume:
            if scope is not None:
                LocalQuotas(self.name, folder.volume, volume).create(scope, limit_bytes)
            with entered(volume, parts[:-1], create=True) as above:
                try:
                    os.mkdir(parts[-1], 0o755, dir_fd=above)
                except FileExistsError:
                    raise FolderExists(self.name, folder) from None
                if mode is not None:
                    with opened(parts[-1], FOLDER, above) as top:
                        os.fchmod(top, mode)

    def _delete(self, folder: FolderRef, stop: threading.Event) -> None:
        parts = folder_parts(folder.id)
        with explained(self.name, "."), self._volume(folder.volume) as volume:
            trash = Trash(volume, stop)
            discard_copy(trash, volume, parts)
            with suppress(FileNotFoundError), entered(volume, parts[:-1]) as above:
                trash.take(above, parts[-1])
            for depth in (len(parts) - 1, len(parts) - 2):  # as long as they are empty
                with suppress(OSError), entered(volume, parts[: depth - 1]) as above:
                    os.rmdir(parts[depth - 1], dir_fd=above)
            trash.sweep()

    def _clone(self, source: FolderRef, target: FolderRef, stop: threading.Event) -> None:
        parts, scope = folder_parts(target.id), target.id.quota_scope
        with (
            explained(self.name, "."),
            self._open(source) as top,
            self._volume(target.volume) as volume,
        ):
            trash = Trash(volume, stop)
            try:
                FolderCopy(volume, top, parts, stop).run(
                    LocalQuotas(self.name, target.volume, volume), scope
                )
            except FileExistsError:
                discard_copy(trash, volume, parts)
                raise FolderExists(self.name, target) from None
            except QuotaExceeded:
                discard_copy(trash, volume, parts)
                raise

    def _finish(self, session: UploadSession, fd: int) -> None:
        folder = session.folder
        with self._volume(folder.volume) as volume, self._open(folder) as top:
            quotas = LocalQuotas(self.name, folder.volume, volume)
            LocalUploads(self.name, top).finish(session, fd, quotas)

    def _move(self, folder: FolderRef, source: str, target: str) -> None:
        with self._volume(folder.volume) as volume, self._open(folder) as top:
            quotas = LocalQuotas(self.name, folder.volume, volume)
            with quotas.unmoved(folder.id.quota_scope):
                LocalFiles(self.name, top).move(source, target)

    def _list(self, folder: FolderRef, path: str, recursive: bool) -> Generator[FileEntry]:
        with self._open(folder) as top:
            yield from LocalFiles(self.name, top).list(path, recursive=recursive)

    def _usage(self, folder: FolderRef) -> FolderUsage:
        with self._open(folder) as top:
            sizes = [
                entry.size
                for entry in entries_below(top, (), hidden=is_hidden)
                if entry.kind is EntryKind.FILE
            ]
        return FolderUsage(file_count=len(sizes), used_bytes=sum(sizes))

    def _quotas(self, volume: str, work: Callable[[LocalQuotas], T]) -> T:
        with explained(self.name, "."), self._volume(volume) as fd:
            return work(LocalQuotas(self.name, volume, fd))

    def _files(self, folder: FolderRef, work: Callable[[LocalFiles], T]) -> T:
        with self._open(folder) as top:
            return work(LocalFiles(self.name, top))

    def _uploads(self, folder: FolderRef, work: Callable[[LocalUploads], T]) -> T:
        with self._open(folder) as top:
            return work(LocalUploads(self.name, top))

    async def _stoppable(
        self, work: Callable[[threading.Event], None], task: str, timeout: float | None
    ) -> None:
        stop = threading.Event()
        try:
            async with asyncio.timeout(timeout):
                await stoppable(stop, work, stop)
        except TimeoutError:
            raise StorageTaskUnfinished(self.name, task, timeout or 0) from None


async def _chunks(fd: int, entry: FileEntry, offset: int) -> AsyncIterator[bytes]:
    while offset < entry.size:
        chunk = await in_thread(os.pread, fd, min(CHUNK, entry.size - offset), offset)
        if not chunk:
            raise FileChanged(entry.path)
        offset += len(chunk)
        yield chunk
