"""Limits of quota scopes on a local volume, kept by counting what is there.

A scope is its folder on the volume; its limit is a file in the volume's own folder, where a
storage proxy on the same volume does not look. Whoever wants to add bytes counts and announces
them under the scope's lock: an unfinished upload counts with its announced size, which is part
of its name, and an unfinished copy with a file that is as long as what is still to come.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import contextmanager, suppress
from itertools import takewhile
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.beneath import (
    FOLDER,
    READING,
    entered,
    entries_below,
    opened,
)
from bai_manager.clients.storage_proxy.errors import QuotaExceeded, QuotaScopeMissing
from bai_manager.clients.storage_proxy.paths import OWN
from bai_manager.clients.storage_proxy.protocol import UPLOADS, EntryKind, QuotaScopeUsage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    from bai_manager.types.vfolder import QuotaScopeID

_PLACE = (OWN, "quotas")
_BIGGEST = 4096


class LocalQuotas:
    """The scopes of the volume whose folder is open as ``volume``."""

    def __init__(self, storage: str, volume_name: str, volume: int) -> None:
        self._storage = storage
        self._volume_name = volume_name
        self._volume = volume

    def usage(self, scope: QuotaScopeID, stop: Event) -> QuotaScopeUsage:
        """Count what is there, unless nobody waits for it any more."""
        self._refuse_missing(scope)
        return QuotaScopeUsage(used_bytes=self._used(scope, stop), limit_bytes=self._limit(scope))

    def create(self, scope: QuotaScopeID, limit_bytes: int | None) -> None:
        if not self._exists(scope):
            if limit_bytes is not None:
                self.limit(scope, limit_bytes)
            with suppress(FileExistsError):
                os.mkdir(scope.path, 0o755, dir_fd=self._volume)

    def limit(self, scope: QuotaScopeID, limit_bytes: int) -> None:
        """Set the limit, making the scope if need be."""
        with entered(self._volume, _PLACE, create=True) as place:
            temporary = f"{scope.path}.{os.urandom(4).hex()}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with opened(temporary, flags, place) as fd:
                os.write(fd, json.dumps({"limit_bytes": limit_bytes}).encode())
                os.fsync(fd)
            os.rename(temporary, _file(scope), src_dir_fd=place, dst_dir_fd=place)
        with suppress(FileExistsError):
            os.mkdir(scope.path, 0o755, dir_fd=self._volume)

    def unlimit(self, scope: QuotaScopeID) -> None:
        self._refuse_missing(scope)
        with suppress(FileNotFoundError), entered(self._volume, _PLACE) as place:
            os.unlink(_file(scope), dir_fd=place)

    @contextmanager
    def room(self, scope: QuotaScopeID | None, asked: int, replaced: int = 0) -> Iterator[None]:
        """Check that ``asked`` bytes more fit; others wait until they are announced.

        ``replaced`` bytes are freed in exchange. Raises ``QuotaExceeded``.
        """
        limit = None if scope is None else self._limit(scope)
        if scope is None or limit is None:
            yield
            return
        with opened(scope.path, FOLDER, self._volume) as fd:
            fcntl.flock(fd, fcntl.LOCK_EX)
            used = self._used(scope)
            if used - replaced + asked > limit:
                raise QuotaExceeded(self._storage, limit=limit, used=used, asked=asked)
            yield

    @contextmanager
    def unmoved(self, scope: QuotaScopeID | None) -> Iterator[None]:
        """Let something change its place in the scope while nobody counts: it would be missed."""
        if scope is None or self._limit(scope) is None:
            yield
            return
        with opened(scope.path, FOLDER, self._volume) as fd:
            fcntl.flock(fd, fcntl.LOCK_SH)
            yield

    def _exists(self, scope: QuotaScopeID) -> bool:
        try:
            status = os.stat(scope.path, dir_fd=self._volume, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return stat.S_ISDIR(status.st_mode)

    def _refuse_missing(self, scope: QuotaScopeID) -> None:
        if not self._exists(scope):
            raise QuotaScopeMissing(self._storage, self._volume_name, scope)

    def _limit(self, scope: QuotaScopeID) -> int | None:
        try:
            with entered(self._volume, _PLACE) as place, opened(_file(scope), READING, place) as fd:
                value = json.loads(os.read(fd, _BIGGEST))
        except FileNotFoundError:
            return None
        return int(value["limit_bytes"])

    def _used(self, scope: QuotaScopeID, stop: Event | None = None) -> int:
        entries = entries_below(self._volume, (scope.path,))
        return sum(
            max(entry.size, announced_size(entry.path))
            for entry in takewhile(lambda _: stop is None or not stop.is_set(), entries)
            if entry.kind is EntryKind.FILE
        )


def part_name(size: int) -> str:
    """A new name for an unfinished upload of ``size`` bytes."""
    return f"{os.urandom(16).hex()}-{size}.part"


def announced_size(path: str) -> int:
    """The size in the name of an unfinished upload; 0 for anything else."""
    above, _, name = path.rpartition("/")
    number = name.removesuffix(".part").rpartition("-")[2]
    is_upload = above.endswith(f"/{UPLOADS}") and name.endswith(".part") and number.isdecimal()
    return int(number) if is_upload else 0


def _file(scope: QuotaScopeID) -> str:
    return f"{scope.path}.json"
