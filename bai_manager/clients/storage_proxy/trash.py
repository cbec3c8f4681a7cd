"""Removing folders of any size and depth, so that it can be interrupted and completed.

What is to go is first moved into a box of its own, out of sight; then the box is emptied, folder
by folder and without recursion: a folder in a folder is moved up into the box. A box is locked
by whoever empties it; boxes without an owner, of processes that were killed, are emptied by the
next removal on the volume.
"""

# ruff: noqa: PTH101, PTH208 - a folder is a descriptor here
from __future__ import annotations

import fcntl
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.beneath import FOLDER, entered, opened
from bai_manager.clients.storage_proxy.paths import OWN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

_PLACE = (OWN, "trash")


class Interrupted(Exception):
    """Asked to stop: what is left is for the next call."""


class Trash:
    """The trash of a volume whose folder is open as ``volume``."""

    def __init__(self, volume: int, stop: Event) -> None:
        self._volume = volume
        self._stop = stop

    def take(self, folder: int, name: str) -> None:
        """Remove what is called ``name`` in an open folder of the same volume."""
        with entered(self._volume, _PLACE, create=True) as place:
            box = os.urandom(8).hex()
            with self._new_box(place, box) as inside:
                try:
                    _movable(folder, name)
                    os.rename(name, "0", src_dir_fd=folder, dst_dir_fd=inside)
                except OSError:
                    os.rmdir(box, dir_fd=place)
                    raise
                self._empty(inside)
                os.rmdir(box, dir_fd=place)

    def sweep(self) -> None:
        """Empty the boxes that nobody empties any more."""
        with suppress(FileNotFoundError), entered(self._volume, _PLACE) as place:
            for box in os.listdir(place):
                with suppress(FileNotFoundError, BlockingIOError), opened(box, FOLDER, place) as fd:
                    with _locked(place):
                        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._empty(fd)
                    os.rmdir(box, dir_fd=place)

    @contextmanager
    def _new_box(self, place: int, box: str) -> Iterator[int]:
        """A box that nobody else takes for abandoned before it is locked."""
        with ExitStack() as stack:
            with _locked(place):
                os.mkdir(box, 0o700, dir_fd=place)
                fd = stack.enter_context(opened(box, FOLDER, place))
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield fd

    def _empty(self, box: int) -> None:
        while names := os.listdir(box):
            for name in names:
                self._remove(box, name)

    def _remove(self, box: int, name: str) -> None:
        if not stat.S_ISDIR(os.stat(name, dir_fd=box, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=box)
            return
        _movable(box, name)
        with opened(name, FOLDER, box) as folder, os.scandir(folder) as found:
            for item in found:
                if self._stop.is_set():
                    raise Interrupted
                if item.is_dir(follow_symlinks=False):
                    _movable(folder, item.name)
                    inner = os.urandom(8).hex()
                    os.rename(item.name, inner, src_dir_fd=folder, dst_dir_fd=box)
                else:
                    os.unlink(item.name, dir_fd=folder)
        with suppress(OSError):  # something was put there meanwhile: the next round takes it
            os.rmdir(name, dir_fd=box)


@contextmanager
def _locked(place: int) -> Iterator[None]:
    fcntl.flock(place, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(place, fcntl.LOCK_UN)


def _movable(folder: int, name: str) -> None:
    """See that a folder can be read and moved, whatever its permissions; it is about to go."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o700 != 0o700:  # noqa: PLR2004
        with opened(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, folder) as fd:
            os.chmod(f"/proc/self/fd/{fd}", 0o700)
