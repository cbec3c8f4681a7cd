"""What is asked of the storage behind virtual folders (``reference/storage-proxy.md``).

A ``StorageClient`` speaks for one storage: a storage proxy, or a folder of this machine that
stands for one. What it keeps is named by a ``FolderRef``: a volume of that storage and the id
of a virtual folder. Paths of files are text relative to the folder, ``/`` between names, with
``.`` for the folder itself; they never lead out of it, neither by ``..`` nor by a symbolic
link. Names that are no UTF-8 are handed out with surrogate escapes, as everywhere in Python.

All sizes are bytes and all times are UTC. What can go wrong is in ``errors.py``.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bai_manager.types.choice import Choice

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Awaitable,
        Callable,
        Sequence,
    )
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from typing import TypeAlias

    from bai_manager.types.vfolder import QuotaScopeID, VFolderID

    Chunk: TypeAlias = bytes | bytearray
    TaskWatch: TypeAlias = Callable[[str], Awaitable["TaskReport | None"]]

UPLOADS = ".upload"
"""The entry of a folder that holds unfinished uploads; it is in no listing."""

CHUNK = 2**20
"""Bytes that are read, sent and written at once; what is held per file in flight."""


class EntryKind(Choice):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


def kind_of(mode: int) -> EntryKind:
    """What the type bits of ``st_mode`` say."""
    if stat.S_ISREG(mode):
        return EntryKind.FILE
    if stat.S_ISDIR(mode):
        return EntryKind.FOLDER
    return EntryKind.LINK if stat.S_ISLNK(mode) else EntryKind.OTHER


class TaskState(Choice):
    """Of a background task of a storage proxy (``reference/events-valkey.md`` §4)."""

    ONGOING = "ongoing"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskReport:
    state: TaskState
    message: str = ""


@dataclass(frozen=True, slots=True)
class FolderRef:
    """A virtual folder where it is kept; ``volume`` is the second part of its storage host."""

    volume: str
    id: VFolderID

    def __str__(self) -> str:
        return f"{self.volume}/{self.id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """``path`` is that of the mount on the storage's machine.

    ``capabilities`` are those of ``reference/storage-proxy.md`` §4; ``quota`` says that limits
    of quota scopes bind.
    """

    name: str
    backend: str
    path: str
    capabilities: frozenset[str]

    @property
    def has_quotas(self) -> bool:
        return "quota" in self.capabilities


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeUsage:
    capacity_bytes: int
    used_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaScopeUsage:
    """``limit_bytes`` is None without a limit; either is None where the storage cannot tell."""

    used_bytes: int | None
    limit_bytes: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderUsage:
    """Either is None where counting takes the storage too long.

    A storage proxy counts folders and unfinished uploads as well, a local folder only files.
    """

    file_count: int | None
    used_bytes: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FileEntry:
    """One entry of a folder; ``path`` is relative to the virtual folder.

    ``mode`` is ``st_mode`` with its type bits, or 0 where the storage does not tell.
    ``link_target`` is what a symbolic link says, and None for anything else.
    """

    path: str
    kind: EntryKind
    size: int
    mode: int
    modified: datetime
    link_target: str | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def permissions(self) -> str:
        """As ``ls -l`` shows it: ``-rw-r--r--``."""
        return stat.filemode(self.mode)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileContent:
    """An open file: ``chunks`` are its bytes from ``offset`` to its end.

    ``size`` is that of the whole file, ``modified`` its time (whole seconds on some storages).
    Fewer bytes than promised are an error, raised by ``chunks``.
    """

    size: int
    offset: int
    modified: datetime | None
    chunks: AsyncIterator[Chunk]


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadSession:
    """An unfinished upload of ``size`` bytes to ``path``.

    ``token`` is the storage's own, and lets whoever has it continue; it may be kept in a file
    to go on in another process.
    """

    folder: FolderRef
    path: str
    size: int
    token: str = field(repr=False)


class StorageClient(Protocol):
    """One storage.

    Every method raises ``StorageUnreachable`` when the storage does not answer in time,
    ``UnexpectedStorageAnswer`` when it answers with garbage, ``StorageTokenRefused`` when the
    secret of the profile is not its own, and ``VolumeMissing``. Methods that take a folder
    raise ``FolderMissing``, and those that take a path ``PathRefused`` (of which
    ``LinkRefused`` is a kind), ``NotAFolder`` and ``StorageForbids``.
    """

    name: str

    async def aclose(self) -> None:
        """Let go of connections."""

    async def volumes(self) -> Sequence[Volume]: ...

    async def volume_usage(self, volume: str) -> VolumeUsage: ...

    async def quota_scope(self, volume: str, scope: QuotaScopeID) -> QuotaScopeUsage:
        """Raises ``QuotaScopeMissing``."""

    async def create_quota_scope(
        self, volume: str, scope: QuotaScopeID, limit_bytes: int | None = None
    ) -> None:
        """Make the scope, with a limit if given; one that is there already is left alone."""

    async def set_quota(self, volume: str, scope: QuotaScopeID, limit_bytes: int) -> None:
        """Limit the scope, making it if need be."""

    async def unset_quota(self, volume: str, scope: QuotaScopeID) -> None:
        """Remove the limit. Raises ``QuotaScopeMissing``."""

    async def create_folder(
        self, folder: FolderRef, *, mode: int | None = None, scope_limit_bytes: int | None = None
    ) -> None:
        """Make an empty folder and, if need be, its quota scope with that limit.

        ``mode`` are permission bits, by default 0o755. Raises ``FolderExists``.
        """

    async def delete_folder(self, folder: FolderRef, *, timeout: float | None = None) -> None:
        """Remove a folder for ever with all that is in it; returns when it is gone.

        A folder that is not there is gone already, so an interrupted call is completed by
        another. ``timeout`` is in seconds. Raises ``StorageTaskFailed`` and
        ``StorageTaskUnfinished``; the storage then goes on by itself.
        """

    async def clone_folder(
        self, source: FolderRef, target: FolderRef, *, timeout: float | None = None
    ) -> None:
        """Copy a folder to a new one of the same storage; returns when all is there.

        A target that exists is taken for an earlier attempt at the same: its end is waited
        for. ``FolderExists`` is raised if it neither is nor becomes equal to the source.
        Raises as ``delete_folder`` does, and ``UnsupportedByStorage`` between two volumes that
        the storage cannot copy between.
        """

    async def folder_exists(self, folder: FolderRef) -> bool: ...

    async def mount_path(self, folder: FolderRef, subpath: str = ".") -> str:
        """The folder's path on machines that mount the volume; that of ``subpath`` is below it.

        Raises ``FileMissing`` and ``NotAFolder`` if ``subpath`` is no folder in it.
        """

    async def folder_usage(self, folder: FolderRef) -> FolderUsage: ...

    def list_files(
        self, folder: FolderRef, path: str = ".", *, recursive: bool = False
    ) -> AsyncGenerator[FileEntry, None]:
        """Entries below ``path``, in the storage's order, as they come: there may be millions.

        Who stops before the end closes it (``contextlib.aclosing``).

        Symbolic links are told, never followed. Raises ``FileMissing``, and ``ListingCut`` at
        the end of a listing that the storage may not have told in full.
        """

    async def stat(self, folder: FolderRef, path: str) -> FileEntry:
        """Raises ``FileMissing``."""

    async def make_folder(
        self, folder: FolderRef, path: str, *, parents: bool = True, exist_ok: bool = False
    ) -> None:
        """Raises ``FileExists`` (also for a folder unless ``exist_ok``) and ``FileMissing``
        (the folder above, unless ``parents``).
        """

    async def move(self, folder: FolderRef, source: str, target: str) -> None:
        """Rename a file or folder; folders above ``target`` are made, nothing is replaced.

        Raises ``FileMissing`` and ``FileExists``.
        """

    async def delete_files(
        self, folder: FolderRef, paths: Sequence[str], *, recursive: bool = False
    ) -> None:
        """Remove files and, if ``recursive``, folders with all that is in them.

        All are looked at first: with one missing (``FileMissing``) or being a folder
        (``IsAFolder``) nothing is removed. A symbolic link itself is removed, or refused
        (``LinkRefused``) by storages that would remove what it leads to.
        """

    def read_file(
        self, folder: FolderRef, path: str, *, offset: int = 0, expected: FileEntry | None = None
    ) -> AbstractAsyncContextManager[FileContent]:
        """Open a file for reading from ``offset`` on.

        ``expected`` is what a listing said; some storages then need one request less. Raises
        ``FileMissing``, ``IsAFolder``, ``FileChanged``, and ``PathRefused`` for an offset
        beyond the end.
        """

    async def begin_upload(self, folder: FolderRef, path: str, size: int) -> UploadSession:
        """Announce a file of exactly ``size`` bytes; folders above it are made.

        Nothing is visible until all bytes are there. What is announced and not gone on with
        for a week may be gone after another upload to the folder. Raises ``IsAFolder``,
        ``QuotaExceeded`` and ``StorageFull``.
        """

    async def upload_offset(self, session: UploadSession) -> int:
        """How many bytes the storage has. Raises ``UploadGone`` (also when it is complete) and
        ``UploadExpired``.
        """

    async def write_file(
        self, session: UploadSession, offset: int, data: AsyncIterable[bytes]
    ) -> None:
        """Send all the bytes from ``offset`` on.

        ``offset`` must be what ``upload_offset`` says. With the last byte the file appears at
        once and complete, in place of one that was there; an empty file needs one call, too.
        Raises as ``upload_offset`` does, ``UploadClash`` (also for more data than announced,
        which is not sent, and for less), ``IsAFolder``, ``QuotaExceeded`` and ``StorageFull``;
        what was sent stays, to go on from.
        """

    async def abort_upload(self, session: UploadSession) -> None:
        """Throw away what was sent. A session that is gone is no error."""

    async def checksum(self, folder: FolderRef, path: str) -> str:
        """The SHA-256 of a file in hex, of bytes read back from the storage."""
