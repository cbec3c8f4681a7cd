"""Copying a folder on a local volume: all of it or nothing, and on from where it was stopped.

The copy grows in ``.copy-<id>`` beside the folders of its scope and takes its place by one
rename. A file that is there already with the size and time of its source is not copied again;
its time is set last.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.beneath import (
    FOLDER,
    READING,
    entered,
    entries,
    entries_below,
    opened,
    rename_new,
)
from bai_manager.clients.storage_proxy.errors import TransferBusy
from bai_manager.clients.storage_proxy.protocol import UPLOADS, EntryKind
from bai_manager.clients.storage_proxy.trash import Interrupted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event

    from bai_manager.clients.storage_proxy.local_quotas import LocalQuotas
    from bai_manager.clients.storage_proxy.protocol import FileEntry
    from bai_manager.clients.storage_proxy.trash import Trash
    from bai_manager.types.vfolder import QuotaScopeID

_TREE, _TO_COME = "tree", "to-come"
_AT_ONCE = 2**23
_NOT_COPYABLE = {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class FolderCopy:
    """One copy from the open folder ``source`` to ``target`` on the open ``volume``."""

    def __init__(self, volume: int, source: int, target: Sequence[str], stop: Event) -> None:
        self._volume = volume
        self._source = source
        self._target = target
        self._scope = target[:-3]
        self._box = _box(target)
        self._stop = stop

    def run(self, quotas: LocalQuotas, scope: QuotaScopeID | None) -> None:
        """Raises ``QuotaExceeded``, ``TransferBusy`` and ``FileExistsError``."""
        left = _bytes_in(self._source)
        with entered(self._volume, self._scope, create=True) as above:
            with suppress(FileExistsError):
                os.mkdir(self._box, 0o700, dir_fd=above)
            with opened(self._box, FOLDER, above) as box:
                self._lock(box)
                with quotas.room(scope, left, replaced=_bytes_in(box)):
                    self._announce(box, left)
                self._copy(box, left)
                with quotas.unmoved(scope):
                    self._finish(box)
                os.rmdir(self._box, dir_fd=above)

    def _lock(self, box: int) -> None:
        try:
            fcntl.flock(box, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransferBusy(f"folder {''.join(self._target[-3:])}") from None
        with suppress(FileExistsError):
            os.mkdir(_TREE, 0o755, dir_fd=box)

    @staticmethod
    def _announce(box: int, left: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with opened(_TO_COME, flags, box) as fd:
            os.truncate(fd, left)

    def _copy(self, box: int, left: int) -> None:
        with entered(box, (_TREE,)) as tree:
            waiting: list[tuple[str, ...]] = [()]
            while waiting:
                parts = waiting.pop()
                with (
                    entered(self._source, parts) as here,
                    entered(tree, parts, create=True) as there,
                ):
                    for entry in entries(here, parts):
                        if self._stop.is_set():
                            raise Interrupted
                        if entry.path == UPLOADS:
                            continue
                        if entry.kind is EntryKind.FOLDER:
                            waiting.append((*parts, entry.name))
                        left -= self._copy_entry(here, there, entry)
                    self._announce(box, max(0, left))
                    os.fchmod(there, os.fstat(here).st_mode & 0o7777 | 0o700)

    def _copy_entry(self, here: int, there: int, entry: FileEntry) -> int:
        """Copy what is no folder: files and links. Return how many bytes that was."""
        if entry.kind is EntryKind.LINK and entry.link_target is not None:
            with suppress(FileExistsError):
                os.symlink(entry.link_target, entry.name, dir_fd=there)
        elif entry.kind is EntryKind.FILE:
            with suppress(FileNotFoundError), opened(entry.name, READING, here) as source:
                status = os.fstat(source)
                if not _is_there(there, entry.name, status):
                    self._copy_file(source, there, entry.name, status)
                return entry.size
        return 0

    def _copy_file(self, source: int, there: int, name: str, status: os.stat_result) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with opened(name, flags, there) as target:
            while _copy_some(source, target):
                if self._stop.is_set():
                    raise Interrupted
            os.fchmod(target, status.st_mode & 0o7777)
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _finish(self, box: int) -> None:
        with entered(self._volume, self._target[:-1], create=True) as place:
            rename_new((box, _TREE), (place, self._target[-1]))
        os.unlink(_TO_COME, dir_fd=box)


def discard_copy(trash: Trash, volume: int, target: Sequence[str]) -> None:
    """Remove what an interrupted copy to ``target`` left."""
    with suppress(FileNotFoundError), entered(volume, target[:-3]) as above:
        trash.take(above, _box(target))


def _box(target: Sequence[str]) -> str:
    return f".copy-{''.join(target[-3:])}"


def _bytes_in(folder: int) -> int:
    return sum(entry.size for entry in entries_below(folder, ()) if entry.kind is EntryKind.FILE)


def _is_there(folder: int, name: str, wanted: os.stat_result) -> bool:
    with suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return (status.st_size, status.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns)
    return False


def _copy_some(source: int, target: int) -> int:
    """Let the system copy some megabytes, without reading them where it can."""
    try:
        return os.copy_file_range(source, target, _AT_ONCE)
    except OSError as error:
        if error.errno not in _NOT_COPYABLE:
            raise
    return os.sendfile(target, source, None, _AT_ONCE)
