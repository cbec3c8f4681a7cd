"""Resumable uploads to a folder of a local volume.

What has come is in ``.upload/<id>-<size>.part`` of the folder, as a storage proxy would keep
it, locked by whoever adds to it. With the last byte it is written to disk and takes its place
by one rename.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.beneath import (
    APPENDING,
    NEW_FILE,
    entered,
    entries,
    entry_at,
    explained,
    opened,
    time_of,
)
from bai_manager.clients.storage_proxy.errors import IsAFolder, UploadClash, UploadGone
from bai_manager.clients.storage_proxy.local_quotas import part_name
from bai_manager.clients.storage_proxy.paths import split_entry
from bai_manager.clients.storage_proxy.protocol import UPLOADS, EntryKind
from bai_manager.clients.storage_proxy.sessions import ABANDONED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from bai_manager.clients.storage_proxy.local_quotas import LocalQuotas
    from bai_manager.clients.storage_proxy.protocol import UploadSession
    from bai_manager.types.vfolder import QuotaScopeID

_TOKEN = re.compile(r"[0-9a-f]{32}-\d+\.part")


class LocalUploads:
    """Uploads to the open folder ``top``."""

    def __init__(self, storage: str, top: int) -> None:
        self._storage = storage
        self._top = top

    def begin(self, path: str, size: int, quotas: LocalQuotas, scope: QuotaScopeID | None) -> str:
        """Announce a file; return the name of its part."""
        parts = split_entry(path)
        with explained(self._storage, path):
            with entered(self._top, parts[:-1], create=True) as above:
                replaced = _replaced(above, parts[-1], path)
            name = part_name(size)
            with (
                quotas.room(scope, size, replaced),
                entered(self._top, (UPLOADS,), create=True) as place,
                opened(name, NEW_FILE, place) as part,
            ):
                _sweep(place, time_of(os.fstat(part)))
                return name

    def offset(self, session: UploadSession) -> int:
        with self._place(session) as place:
            return os.stat(session.token, dir_fd=place, follow_symlinks=False).st_size

    def open(self, session: UploadSession, offset: int) -> int:
        """The part, open for writing and locked; the caller closes it.

        Raises ``UploadGone`` and ``UploadClash``.
        """
        with self._place(session) as place:
            fd = os.open(session.token, APPENDING, dir_fd=place)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = os.fstat(fd).st_size
        except BlockingIOError:
            os.close(fd)
            raise UploadClash(session.path, "another process is uploading it") from None
        if size != offset:
            os.close(fd)
            why = f"the storage has {size} bytes of it, not {offset}"
            raise UploadClash(session.path, why)
        return fd

    def finish(self, session: UploadSession, fd: int, quotas: LocalQuotas) -> None:
        """Put the complete part in its place."""
        parts = split_entry(session.path)
        with explained(self._storage, session.path):
            os.fsync(fd)
            with (
                self._place(session) as place,
                entered(self._top, parts[:-1], create=True) as above,
                quotas.unmoved(session.folder.id.quota_scope),
            ):
                os.rename(session.token, parts[-1], src_dir_fd=place, dst_dir_fd=above)
                os.fsync(above)

    def abort(self, session: UploadSession) -> None:
        with suppress(UploadGone), self._place(session) as place:
            os.unlink(session.token, dir_fd=place)

    @contextmanager
    def _place(self, session: UploadSession) -> Iterator[int]:
        if _TOKEN.fullmatch(session.token) is None:
            raise UploadGone(session.path)
        with explained(self._storage, session.path):
            try:
                with entered(self._top, (UPLOADS,)) as place:
                    yield place
            except FileNotFoundError:
                raise UploadGone(session.path) from None


def _sweep(place: int, now: datetime) -> None:
    """Remove parts that nobody went on with for so long that nobody will."""
    for entry in entries(place, ()):
        if now - entry.modified > ABANDONED and _TOKEN.fullmatch(entry.name):
            with suppress(OSError), opened(entry.name, APPENDING, place) as part:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.name, dir_fd=place)


def append(storage: str, session: UploadSession, fd: int, data: bytes) -> None:
    """Write all of ``data`` to an open part."""
    with explained(storage, session.path):
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]


def _replaced(above: int, name: str, path: str) -> int:
    """The size of the file that the upload will take the place of."""
    try:
        entry = entry_at(above, name, ())
    except FileNotFoundError:
        return 0
    if entry.kind is EntryKind.FOLDER:
        raise IsAFolder(path)
    return entry.size
