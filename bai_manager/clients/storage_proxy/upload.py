"""Files and folders of this machine into a virtual folder."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.blocks import Reader
from bai_manager.clients.storage_proxy.errors import (
    ChecksumMismatch,
    FileChanged,
    FileExists,
    FileMissing,
    IsAFolder,
    LocalFailure,
    NotAFolder,
    StorageUnreachable,
    UploadClash,
    UploadExpired,
    UploadGone,
)
from bai_manager.clients.storage_proxy.journal import UploadJournal, Version
from bai_manager.clients.storage_proxy.paths import join, split_entry, split_path
from bai_manager.clients.storage_proxy.patterns import Filter
from bai_manager.clients.storage_proxy.protocol import EntryKind, UploadSession
from bai_manager.clients.storage_proxy.threads import in_thread, unbroken
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
    from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from bai_manager.clients.storage_proxy.protocol import FolderRef, StorageClient
    from bai_manager.clients.storage_proxy.transfer import TransferObserver, TransferSummary

_BATCH = 256
_PATIENCE = 2.0
"""Seconds that a stop waits for an upload that is being announced."""
_READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to the path ``target``, or what is in a folder into the folder ``target``.

    ``label`` stands before the names of its results.
    """

    source: Path
    target: str
    label: str = ""


async def upload(
    storage: StorageClient,
    folder: FolderRef,
    source: Path,
    target: str,
    *,
    options: TransferOptions | None = None,
    observer: TransferObserver | None = None,
    journal_folder: Path | None = None,
) -> TransferSummary:
    """Send one file or folder; as ``upload_all``."""
    return await upload_all(
        storage,
        folder,
        [Upload(source, target)],
        options=options,
        observer=observer,
        journal_folder=journal_folder,
    )


async def upload_all(
    storage: StorageClient,
    folder: FolderRef,
    uploads: Sequence[Upload],
    *,
    options: TransferOptions | None = None,
    observer: TransferObserver | None = None,
    journal_folder: Path | None = None,
) -> TransferSummary:
    """Send files and folders, all of which are looked at first.

    Symbolic links below a source are skipped. With ``journal_folder`` the same call goes on
    where an earlier one was stopped: files that are through are not sent again, and one that
    was being sent is continued. One of several sources that is not there is a failed result;
    raises ``LocalFailure`` if the only one is not, ``TransferBusy``, and what ends all
    (``transfer.ENDS_ALL``).
    """
    options, observer = options or TransferOptions(), observer or Unobserved()
    of = "\n".join(
        f"{one.source.absolute()} to {storage.name}:{folder}/{one.target}" for one in uploads
    )
    planned = [_planned(uploads[0])] if len(uploads) == 1 else [_looked_at(one) for one in uploads]
    with opened_journal(journal_folder, of) as journal:
        sender = _Sender(storage, folder, options, observer, journal)
        items = sender.each(planned)
        summary = await transfer_all(items, sender.send, options.in_flight, observer)
        if not summary.failed:
            journal.forget()
    return summary


def _looked_at(one: Upload) -> tuple[Upload, tuple[str, ...], bool] | FileResult:
    try:
        return _planned(one)
    except LocalFailure as error:
        return failed(one.label or one.source.name, error)


def _planned(one: Upload) -> tuple[Upload, tuple[str, ...], bool]:
    """An upload, the names of its target, and whether it is of a folder."""
    with here(one.source):
        is_folder = stat.S_ISDIR(one.source.stat().st_mode)
    return one, split_path(one.target) if is_folder else split_entry(one.target), is_folder


async def upload_stream(
    storage: StorageClient,
    folder: FolderRef,
    data: AsyncIterable[bytes],
    target: str,
    *,
    spool: Path,
    options: TransferOptions | None = None,
    observer: TransferObserver | None = None,
) -> FileResult:
    """Send what has no size beforehand; it is gathered in a nameless file in ``spool``."""
    options, observer = options or TransferOptions(), observer or Unobserved()
    path = join(split_entry(target))
    with here(spool):
        file = tempfile.TemporaryFile(dir=spool)  # noqa: SIM115 - closed by the next
    with file:
        async for chunk in data:
            with here(spool):
                await in_thread(file.write, chunk)
        with here(spool):
            file.flush()
        observer.found(os.fstat(file.fileno()).st_size)
        sender = _Sender(storage, folder, options, observer, UploadJournal(None, ""))
        result = await sender.send_open(file.fileno(), "-", path)
    observer.finished(result)
    return result


@dataclass(frozen=True, slots=True)
class _Source:
    """``path`` on this machine, ``name`` from the top, ``target`` in the virtual folder."""

    path: str
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry of a folder of this machine; ``why`` says why it cannot be sent."""

    path: str
    name: str
    size: int
    is_folder: bool
    why: str = ""


class _Sender:
    def __init__(
        self,
        storage: StorageClient,
        folder: FolderRef,
        options: TransferOptions,
        observer: TransferObserver,
        journal: UploadJournal,
    ) -> None:
        self._storage = storage
        self._folder = folder
        self._options = options
        self._observer = observer
        self._journal = journal
        self._filter = Filter(options.include, options.exclude)

    async def each(
        self, planned: Sequence[tuple[Upload, tuple[str, ...], bool] | FileResult]
    ) -> AsyncIterator[_Source | FileResult]:
        for each in planned:
            if isinstance(each, FileResult):
                yield each
                continue
            one, target, is_folder = each
            if is_folder:
                async for item in self.below(one.source, target, one.label):
                    yield item
            else:
                with here(one.source):
                    self._observer.found(one.source.stat().st_size)
                yield _Source(str(one.source), one.label or one.source.name, join(target))

    async def below(
        self, source: Path, target: Sequence[str], label: str
    ) -> AsyncIterator[_Source | FileResult]:
        """What is in a folder, found while the first of it is being sent."""
        found = self._walk(str(source))
        if target and not self._options.rehearse:
            await self._storage.make_folder(self._folder, join(target), exist_ok=True)
        while batch := await in_thread(lambda: [*islice(found, _BATCH)]):
            for entry in batch:
                there = join((*target, entry.name))
                name = f"{label}/{entry.name}" if label else entry.name
                if entry.why:
                    outcome = Outcome.FAILED if entry.is_folder else Outcome.SKIPPED
                    yield FileResult(path=name, outcome=outcome, why=entry.why)
                elif not entry.is_folder:
                    self._observer.found(entry.size)
                    yield _Source(entry.path, name, there)
                elif (trouble := await self._make_folder(name, there)) is not None:
                    yield trouble

    async def _make_folder(self, name: str, target: str) -> FileResult | None:
        if self._options.rehearse:
            return None
        try:
            await self._storage.make_folder(self._folder, target, exist_ok=True)
        except BackendAIError as error:
            return failed(name, error)
        return None

    def _walk(self, top: str) -> Iterator[_Found]:
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            parts = waiting.pop()
            try:
                with os.scandir(os.path.join(top, *parts)) as entries:  # noqa: PTH118 - text
                    for entry in entries:
                        inner = (*parts, entry.name)
                        if entry.is_dir(follow_symlinks=False) and self._filter.enters(join(inner)):
                            waiting.append(inner)
                        yield from self._wanted(entry, join(inner))
            except OSError as error:
                yield _Found("", join(parts), 0, is_folder=True, why=error.strerror or str(error))

    def _wanted(self, entry: os.DirEntry[str], name: str) -> Iterator[_Found]:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            if self._filter.takes_folder(name):
                yield _Found(entry.path, name, 0, is_folder=True)
        elif self._filter.takes_file(name):
            why = "a symbolic link" if entry.is_symlink() else "no regular file"
            why = "" if stat.S_ISREG(status.st_mode) else why
            yield _Found(entry.path, name, status.st_size, is_folder=False, why=why)

    async def send(self, item: _Source) -> FileResult:
        try:
            with here(item.path):
                fd = os.open(item.path, _READING)
        except LocalFailure as error:
            return failed(item.name, error)
        try:
            return await self.send_open(fd, item.name, item.target)
        finally:
            os.close(fd)

    async def send_open(self, fd: int, name: str, target: str) -> FileResult:
        """Send what an open file holds."""
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return FileResult(path=name, outcome=Outcome.SKIPPED, why="no regular file")
        version = Version(target, status.st_size, status.st_mtime_ns)
        if self._journal.is_done(version):
            self._observer.moved(version.size)
            return FileResult(path=name, outcome=Outcome.UNCHANGED, size=version.size)
        try:
            await self._refuse_taken(target)
            if self._options.rehearse:
                return FileResult(path=name, outcome=Outcome.TRANSFERRED, size=version.size)
            await self._send(fd, version)
            checksum = await self._verified(fd, version) if self._options.verify else None
        except BackendAIError as error:
            return failed(name, error)
        self._journal.finish(version)
        return FileResult(
            path=name, outcome=Outcome.TRANSFERRED, size=version.size, checksum=checksum
        )

    async def _refuse_taken(self, target: str) -> None:
        if self._options.replace and not self._options.rehearse:
            return  # the storage looks
        try:
            found = await self._storage.stat(self._folder, target)
        except FileMissing:
            return
        if found.kind is EntryKind.FOLDER:
            raise IsAFolder(target)
        if not self._options.replace:
            raise FileExists(target)

    async def _send(self, fd: int, version: Version) -> None:
        progress = Progress(self._observer)
        for attempt in range(self._options.attempts):
            try:
                await self._send_rest(fd, version, progress)
            except (StorageUnreachable, UploadExpired, UploadGone):
                if attempt == self._options.attempts - 1:
                    raise
                await pause(attempt)
            else:
                return

    async def _send_rest(self, fd: int, version: Version, progress: Progress) -> None:
        token = self._journal.token(version)
        if token is None:
            session = await unbroken(self._begin(version), patience=_PATIENCE)
            offset = 0
        else:
            session = self._session(version, token)
        try:
            if token is not None:
                offset = await self._storage.upload_offset(session)
            progress.at(offset)
            data = self._read(fd, version, offset, progress)
            await self._storage.write_file(session, offset, data)
        except (UploadExpired, UploadGone):
            self._journal.drop(version)
            raise
        except (IsAFolder, NotAFolder, FileChanged, UploadClash):
            self._journal.drop(version)
            await self._storage.abort_upload(session)
            raise

    async def _begin(self, version: Version) -> UploadSession:
        """Announced and noted: without its token nobody could go on with it or remove it."""
        session = await self._storage.begin_upload(self._folder, version.path, version.size)
        self._journal.begin(version, session.token)
        return session

    def _session(self, version: Version, token: str) -> UploadSession:
        return UploadSession(folder=self._folder, path=version.path, size=version.size, token=token)

    async def _read(
        self, fd: int, version: Version, offset: int, progress: Progress
    ) -> AsyncIterator[bytes]:
        """The rest of the file. Its last bytes are held back if it changed meanwhile."""
        reader = Reader(fd, offset, version.size)
        try:
            while offset < version.size:
                with here(version.path):
                    chunk = await reader.read()
                    status = os.fstat(fd)
                if (status.st_size, status.st_mtime_ns) != (version.size, version.modified):
                    raise FileChanged(version.path)
                if not chunk:
                    raise FileChanged(version.path, "it became shorter while it was read")
                offset += len(chunk)
                yield chunk
                progress.at(offset)
        finally:
            await reader.close()

    async def _verified(self, fd: int, version: Version) -> str:
        digest = sha256()
        async for chunk in self._read(fd, version, 0, Progress(Unobserved())):
            await in_thread(digest.update, chunk)
        mine, theirs = digest.hexdigest(), await self._storage.checksum(self._folder, version.path)
        if mine != theirs:
            raise ChecksumMismatch(version.path, mine, theirs)
        return mine


def opened_journal(folder: Path | None, of: str) -> UploadJournal:
    with here(folder or "."):
        return UploadJournal(folder, of)
