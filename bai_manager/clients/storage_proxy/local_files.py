"""Files of one folder on a local volume; every method runs in a thread of its own."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.beneath import (
    READING,
    entered,
    entries,
    entries_below,
    entry_at,
    explained,
    rename_new,
    time_of,
)
from bai_manager.clients.storage_proxy.errors import (
    TAKES_ALL,
    FileExists,
    FileMissing,
    IsAFolder,
    PathRefused,
)
from bai_manager.clients.storage_proxy.paths import join, split_entry, split_path
from bai_manager.clients.storage_proxy.protocol import UPLOADS, EntryKind, FileEntry, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bai_manager.clients.storage_proxy.trash import Trash


class LocalFiles:
    """The files below the open folder ``top``."""

    def __init__(self, storage: str, top: int) -> None:
        self._storage = storage
        self._top = top

    def list(self, path: str, *, recursive: bool) -> Iterator[FileEntry]:
        parts = split_path(path)
        with explained(self._storage, path), entered(self._top, parts) as fd:
            if recursive:
                yield from entries_below(self._top, parts, hidden=is_hidden)
            else:
                yield from (entry for entry in entries(fd, parts) if not is_hidden(entry))

    def stat(self, path: str) -> FileEntry:
        parts = split_path(path)
        with explained(self._storage, path):
            if not parts:
                return _itself(self._top)
            with entered(self._top, parts[:-1]) as fd:
                return entry_at(fd, parts[-1], parts[:-1])

    def make_folder(self, path: str, *, parents: bool, exist_ok: bool) -> None:
        parts = split_entry(path)
        with explained(self._storage, path), entered(self._top, parts[:-1], create=parents) as fd:
            try:
                os.mkdir(parts[-1], 0o755, dir_fd=fd)
            except FileExistsError:
                if not exist_ok or entry_at(fd, parts[-1], ()).kind is not EntryKind.FOLDER:
                    raise FileExists(path) from None

    def move(self, source: str, target: str) -> None:
        old, new = split_entry(source), split_entry(target)
        if new[: len(old)] == old:
            raise PathRefused(target, f"it is in {source} itself")
        self.stat(source)
        with (
            explained(self._storage, target),
            entered(self._top, old[:-1]) as here,
            entered(self._top, new[:-1], create=True) as there,
        ):
            rename_new((here, old[-1]), (there, new[-1]))

    def delete(self, paths: Sequence[str], *, recursive: bool, trash: Trash) -> None:
        for path in paths:
            if self.stat(join(split_entry(path))).kind is EntryKind.FOLDER and not recursive:
                raise IsAFolder(path, hint=TAKES_ALL)
        for path in paths:
            parts = split_entry(path)
            # one of several may have been in another
            with (
                suppress(FileMissing),
                explained(self._storage, path),
                entered(self._top, parts[:-1]) as fd,
            ):
                if entry_at(fd, parts[-1], ()).kind is EntryKind.FOLDER:
                    trash.take(fd, parts[-1])
                else:
                    os.unlink(parts[-1], dir_fd=fd)

    def open(self, path: str) -> tuple[int, FileEntry]:
        """A descriptor, which the caller closes, and what it is of."""
        parts = split_entry(path)
        with explained(self._storage, path), entered(self._top, parts[:-1]) as folder:
            fd = os.open(parts[-1], READING, dir_fd=folder)
        try:
            return fd, _regular(fd, path)
        except BaseException:
            os.close(fd)
            raise


def _regular(fd: int, path: str) -> FileEntry:
    status = os.fstat(fd)
    kind = kind_of(status.st_mode)
    if kind is EntryKind.FOLDER:
        raise IsAFolder(path)
    if kind is not EntryKind.FILE:
        raise PathRefused(path, "it is no regular file")
    return FileEntry(
        path=path,
        kind=kind,
        size=status.st_size,
        mode=status.st_mode,
        modified=time_of(status),
    )


def _itself(top: int) -> FileEntry:
    status = os.fstat(top)
    return FileEntry(
        path=".",
        kind=EntryKind.FOLDER,
        size=status.st_size,
        mode=status.st_mode,
        modified=time_of(status),
    )


def is_hidden(entry: FileEntry) -> bool:
    """Whether it belongs to unfinished uploads."""
    return entry.path == UPLOADS or entry.path.startswith(f"{UPLOADS}/")
