"""Files and folders of a virtual folder onto this machine."""

# ruff: noqa: ASYNC240 - what is small and of this machine is asked for at once
from __future__ import annotations

import fcntl
import os
import stat
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Final

from bai_manager.clients.storage_proxy.blocks import Writer
from bai_manager.clients.storage_proxy.errors import (
    ChecksumMismatch,
    FileChanged,
    FileExists,
    StorageUnreachable,
    TransferBusy,
)
from bai_manager.clients.storage_proxy.paths import join, split_path
from bai_manager.clients.storage_proxy.patterns import Filter
from bai_manager.clients.storage_proxy.protocol import CHUNK, EntryKind, FileEntry
from bai_manager.clients.storage_proxy.threads import in_thread
from bai_manager.clients.storage_proxy.transfer import (
    FileResult,
    Outcome,
    Progress,
    TransferOptions,
    Unobserved,
    failed,
    here,
    pause,
    transfer_all,
)
from bai_manager.errors import BackendAIError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from pathlib import Path

    from bai_manager.clients.storage_proxy.protocol import (
        Chunk,
        FileContent,
        FolderRef,
        StorageClient,
    )
    from bai_manager.clients.storage_proxy.transfer import TransferObserver, TransferSummary

_PART: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_LONGEST_NAME: Final = 255
_PRECISION: Final = timedelta(seconds=1)
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Download:
    """A file to the path ``target``, or what is in a folder into the folder ``target``.

    ``label`` stands before the names of its results.
    """

    source: str
    target: Path
    label: str = ""


async def download(
    storage: StorageClient,
    folder: FolderRef,
    source: str,
    target: Path,
    *,
    options: TransferOptions | None = None,
    observer: TransferObserver | None = None,
) -> TransferSummary:
    """Fetch one file or folder; as ``download_all``."""
    downloads = [Download(source, target)]
    return await download_all(storage, folder, downloads, options=options, observer=observer)


async def download_all(
    storage: StorageClient,
    folder: FolderRef,
    downloads: Sequence[Download],
    *,
    options: TransferOptions | None = None,
    observer: TransferObserver | None = None,
) -> TransferSummary:
    """Fetch files and folders, all of which are looked at first.

    Symbolic links are skipped. A file grows in ``<name>.<12 hex>.part`` beside its place, from
    which the same call goes on, and appears complete, with the time it has in the folder; one
    that is there with the same size and time is not fetched again. A folder that the storage
    does not list in full (``ListingCut``) is a failed result of its own. One of
    several sources that is not there is one too; raises ``FileMissing`` if the only one is not,
    and what ends all (``transfer.ENDS_ALL``).
    """
    options, observer = options or TransferOptions(), observer or Unobserved()
    receiver = _Receiver(storage, folder, options, observer)
    if len(downloads) == 1:
        entries: list[FileEntry | FileResult] = [await storage.stat(folder, downloads[0].source)]
    else:
        entries = [await _looked_at(storage, folder, one) for one in downloads]
    items = receiver.each([*zip(downloads, entries, strict=True)])
    return await transfer_all(items, receiver.fetch, options.in_flight, observer)


async def _looked_at(
    storage: StorageClient, folder: FolderRef, one: Download
) -> FileEntry | FileResult:
    try:
        return await storage.stat(folder, one.source)
    except BackendAIError as error:
        return failed(one.label or one.source, error)


async def read_stream(
    storage: StorageClient, folder: FolderRef, path: str, *, attempts: int = 3
) -> AsyncGenerator[Chunk, None]:
    """The bytes of a file, taken up again where a connection broke.

    Raises ``FileChanged`` if the file is another one by then.
    """
    offset, size = 0, None
    for attempt in range(attempts):
        try:
            async with storage.read_file(folder, path, offset=offset) as content:
                if size not in {None, content.size}:
                    raise FileChanged(path)
                size = content.size
                async for chunk in content.chunks:
                    yield chunk
                    offset += len(chunk)
        except StorageUnreachable:
            if attempt == attempts - 1:
                raise
            await pause(attempt)
        else:
            return


class _Item:
    """A file of the folder, its name from the top, and its place on this machine."""

    __slots__ = ("entry", "name", "place")

    def __init__(self, entry: FileEntry, name: str, place: Path) -> None:
        self.entry = entry
        self.name = name
        self.place = place


class _Receiver:
    def __init__(
        self,
        storage: StorageClient,
        folder: FolderRef,
        options: TransferOptions,
        observer: TransferObserver,
    ) -> None:
        self._storage = storage
        self._folder = folder
        self._options = options
        self._observer = observer
        self._filter = Filter(options.include, options.exclude)

    async def each(
        self, planned: Sequence[tuple[Download, FileEntry | FileResult]]
    ) -> AsyncIterator[_Item | FileResult]:
        for one, entry in planned:
            if isinstance(entry, FileResult):
                yield entry
            elif entry.kind is EntryKind.FOLDER:
                if not self._options.rehearse:
                    with here(one.target):
                        one.target.mkdir(parents=True, exist_ok=True)
                async for item in self.below(split_path(one.source), one.target, one.label):
                    yield item
            else:
                yield self._found(entry, one.label or entry.name, one.target)

    async def below(
        self, source: tuple[str, ...], target: Path, label: str
    ) -> AsyncIterator[_Item | FileResult]:
        """What is in a folder, found while the first of it is being fetched."""
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            parts = waiting.pop()
            try:
                path = join((*source, *parts))
                async with aclosing(self._storage.list_files(self._folder, path)) as listing:
                    async for entry in listing:
                        inner = (*parts, entry.name)
                        if entry.kind is EntryKind.FOLDER:
                            if self._filter.enters(join(inner)):
                                waiting.append(inner)
                            self._make_folder(inner, target)
                        elif self._filter.takes_file(join(inner)):
                            name = f"{label}/{join(inner)}" if label else join(inner)
                            yield self._found(entry, name, target.joinpath(*inner))
            except BackendAIError as error:
                yield failed(f"{label}/{join(parts)}" if label else join(parts), error)

    def _make_folder(self, parts: tuple[str, ...], target: Path) -> None:
        if self._filter.takes_folder(join(parts)) and not self._options.rehearse:
            with here(join(parts)):
                target.joinpath(*parts).mkdir(parents=True, exist_ok=True)

    def _found(self, entry: FileEntry, name: str, place: Path) -> _Item | FileResult:
        if entry.kind is not EntryKind.FILE:
            return _skipped(entry, name)
        self._observer.found(entry.size)
        return _Item(entry, name, place)

    async def fetch(self, item: _Item) -> FileResult:
        size = item.entry.size
        try:
            with here(item.place):
                is_there = await in_thread(_is_there, item.place, item.entry)
            if is_there:
                self._observer.moved(size)
                return FileResult(path=item.name, outcome=Outcome.UNCHANGED, size=size)
            if not self._options.replace and os.path.lexists(item.place):
                raise FileExists(str(item.place))
            checksum = None if self._options.rehearse else await self._fetch(item)
        except BackendAIError as error:
            return failed(item.name, error)
        return FileResult(path=item.name, outcome=Outcome.TRANSFERRED, size=size, checksum=checksum)

    async def _fetch(self, item: _Item) -> str | None:
        progress = Progress(self._observer)
        entry = item.entry
        for attempt in range(self._options.attempts):
            try:
                return await self._fetch_rest(entry, item.place, progress)
            except StorageUnreachable:
                if attempt == self._options.attempts - 1:
                    raise
                await pause(attempt)
            except FileChanged:
                if attempt == self._options.attempts - 1:
                    raise
                entry = await self._storage.stat(self._folder, entry.path)
        raise FileChanged(entry.path)

    async def _fetch_rest(self, entry: FileEntry, place: Path, progress: Progress) -> str | None:
        part = place.with_name(self._part_name(entry, place.name))
        with here(part):
            fd, offset = await in_thread(_open_part, part)
        try:
            progress.at(offset)
            if offset < entry.size:
                await self._receive(entry, fd, offset, progress)
            checksum = await self._verified(entry, part, fd) if self._options.verify else None
            with here(place):
                await in_thread(_finish, fd, part, place, entry)
        except FileChanged:
            part.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        return checksum

    async def _receive(self, entry: FileEntry, fd: int, offset: int, progress: Progress) -> None:
        opened = self._storage.read_file(self._folder, entry.path, offset=offset, expected=entry)
        async with opened as content:
            _refuse_changed(entry, content)
            async with Writer(fd, offset) as writer:
                async for chunk in content.chunks:
                    await writer.write(chunk)
                    progress.at(writer.offset)
        progress.at(entry.size)

    async def _verified(self, entry: FileEntry, part: Path, fd: int) -> str:
        mine = await in_thread(_checksum, fd)
        theirs = await self._storage.checksum(self._folder, entry.path)
        if mine != theirs:
            part.unlink(missing_ok=True)
            raise ChecksumMismatch(entry.path, mine, theirs)
        return mine

    def _part_name(self, entry: FileEntry, name: str) -> str:
        """The same for the same content of the same file, and for no other."""
        of = f"{self._storage.name}:{self._folder}/{entry.path} {entry.size} {entry.modified}"
        digest = blake2b(of.encode(errors="surrogatepass"), digest_size=6).hexdigest()
        ending = f".{digest}.part"
        return os.fsdecode(os.fsencode(name)[: _LONGEST_NAME - len(ending)]) + ending


def _skipped(entry: FileEntry, name: str) -> FileResult:
    why = "a symbolic link" if entry.kind is EntryKind.LINK else "no regular file"
    return FileResult(path=name, outcome=Outcome.SKIPPED, why=why)


def _refuse_changed(entry: FileEntry, content: FileContent) -> None:
    if content.size != entry.size:
        raise FileChanged(entry.path)
    if content.modified is None or entry.modified == _EPOCH:
        return  # it is not told
    if abs(content.modified - entry.modified) > _PRECISION:
        raise FileChanged(entry.path)


def _is_there(place: Path, entry: FileEntry) -> bool:
    try:
        status = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    is_file = stat.S_ISREG(status.st_mode)
    return is_file and (status.st_size, status.st_mtime_ns // 1000) == (entry.size, _time(entry))


def _time(entry: FileEntry) -> int:
    """When it was modified, in microseconds since 1970."""
    return (entry.modified - _EPOCH) // timedelta(microseconds=1)


def _open_part(part: Path) -> tuple[int, int]:
    """The part, open and locked, and its size. Raises ``TransferBusy`` and ``OSError``."""
    while True:
        try:
            fd = os.open(part, _PART, 0o666)
        except FileNotFoundError:
            part.parent.mkdir(parents=True, exist_ok=True)
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(status := os.fstat(fd), part.stat()):
                return fd, status.st_size
        except BlockingIOError:
            os.close(fd)
            raise TransferBusy(str(part)) from None
        except FileNotFoundError:
            pass
        os.close(fd)  # another process has just put it in its place


def _finish(fd: int, part: Path, place: Path, entry: FileEntry) -> None:
    os.ftruncate(fd, entry.size)
    os.utime(fd, ns=(_time(entry) * 1000, _time(entry) * 1000))
    part.replace(place)


def _checksum(fd: int) -> str:
    digest = sha256()
    offset = 0
    while chunk := os.pread(fd, CHUNK, offset):
        digest.update(chunk)
        offset += len(chunk)
    return digest.hexdigest()
