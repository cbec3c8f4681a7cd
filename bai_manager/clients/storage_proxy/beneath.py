"""What lies beneath an open folder, reached one name at a time and never through a link.

Every step opens the next folder from the one before (``dir_fd``) and refuses a symbolic link,
so that no link, no ``..`` and no exchange of a folder for a link meanwhile leads out. All
descriptors are closed on exec.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final

from bai_manager.clients.storage_proxy.errors import LinkRefused, failure_of
from bai_manager.clients.storage_proxy.paths import join
from bai_manager.clients.storage_proxy.protocol import EntryKind, FileEntry, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
APPENDING: Final = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC

_NOREPLACE = 1
_NO_RENAMEAT2 = {errno.ENOSYS, errno.EINVAL}


@contextmanager
def explained(storage: str, path: str) -> Iterator[None]:
    """Turn what the system says about ``path`` into our error for it."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise failure_of(storage, number, path, os.strerror(number)) from None


@contextmanager
def opened(
    name: str | os.PathLike[str], flags: int, dir_fd: int | None = None, mode: int = 0o644
) -> Iterator[int]:
    """An open file or folder; it is closed at the end."""
    fd = os.open(name, flags, mode, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def entered(top: int, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """The folder at ``parts`` below the open folder ``top``, made first if ``create``."""
    fd = os.dup(top)
    try:
        for depth, name in enumerate(parts):
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=fd)
            inner = _step(fd, name, parts[: depth + 1])
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def _step(fd: int, name: str, so_far: Sequence[str]) -> int:
    try:
        return os.open(name, FOLDER, dir_fd=fd)
    except OSError as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP} and is_link(fd, name):
            raise LinkRefused(join(so_far)) from None
        raise


def is_link(fd: int, name: str) -> bool:
    with suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
    return False


def entry_at(fd: int, name: str, parts: Sequence[str]) -> FileEntry:
    """What is called ``name`` in the open folder at ``parts``."""
    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    kind = kind_of(status.st_mode)
    return FileEntry(
        path="/".join((*parts, name)),
        kind=kind,
        size=status.st_size,
        mode=status.st_mode,
        modified=time_of(status),
        link_target=os.readlink(name, dir_fd=fd) if kind is EntryKind.LINK else None,
    )


def time_of(status: os.stat_result) -> datetime:
    """To the microsecond, as storage proxies tell it."""
    return datetime.fromtimestamp(status.st_mtime_ns // 1000 / 1_000_000, UTC)


def entries(fd: int, parts: Sequence[str]) -> Iterator[FileEntry]:
    """The entries of an open folder, as the system gives them; what vanishes is left out."""
    with os.scandir(fd) as found:
        for item in found:
            with suppress(FileNotFoundError):
                yield entry_at(fd, item.name, parts)


def entries_below(
    top: int, parts: Sequence[str], *, hidden: Callable[[FileEntry], bool] = lambda _: False
) -> Iterator[FileEntry]:
    """The same with all that is in folders below; these are opened from ``top`` anew.

    A folder that is gone or exchanged for something else meanwhile is passed over.
    """
    waiting = [tuple(parts)]
    while waiting:
        parts = waiting.pop()
        try:
            with entered(top, parts) as fd:
                for entry in entries(fd, parts):
                    if hidden(entry):
                        continue
                    if entry.kind is EntryKind.FOLDER:
                        waiting.append((*parts, entry.name))
                    yield entry
        except (FileNotFoundError, NotADirectoryError, LinkRefused):
            continue


def rename_new(source: tuple[int, str], target: tuple[int, str]) -> None:
    """Rename without replacing anything: raises ``FileExistsError``."""
    call = _renameat2()
    if call is not None:
        names = os.fsencode(source[1]), os.fsencode(target[1])
        if call(source[0], names[0], target[0], names[1], _NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _NO_RENAMEAT2:
            raise OSError(number, os.strerror(number), target[1])
    with suppress(FileNotFoundError):
        os.stat(target[1], dir_fd=target[0], follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target[1])
    os.rename(source[1], target[1], src_dir_fd=source[0], dst_dir_fd=target[0])


@cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
