"""The console log of a kernel: two files that together never pass the limit.

The current file is ``log``; when it holds half of the limit it becomes ``log.1``, and what was
``log.1`` before is dropped. Only whole characters are written, so both begin with one.
"""

# ruff: noqa: PTH105, PTH118 - paths are text here: see state.py
from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CURRENT = "log"
OLDER = "log.1"
_RETRIES = 10


class LogStore:
    """The writing side, in the supervisor.

    Positions count bytes from the beginning of the kernel's life, dropped ones included.
    """

    def __init__(self, folder: str, limit: int) -> None:
        self._current_path = os.path.join(folder, CURRENT)
        self._older_path = os.path.join(folder, OLDER)
        self._half = max(limit // 2, 1)
        self._older: int | None = None
        self._current = self._open()
        self._older_start = self._current_start = self.end = 0
        self._listeners: set[Callable[[], None]] = set()

    def append(self, text: str) -> None:
        """Write text; when the disk is full it is lost, and the kernel goes on."""
        data = text.encode("utf-8", "replace")
        if len(data) > self._half:
            data = data[-self._half :].decode("utf-8", "ignore").encode()
        if self.end - self._current_start + len(data) > self._half:
            self._rotate()
        with suppress(OSError):
            self.end += os.write(self._current, data)
        for notify in tuple(self._listeners):
            notify()

    def read(self, position: int, size: int) -> tuple[int, bytes]:
        """Up to ``size`` bytes from ``position`` on, or from the oldest there is; and where
        to go on.
        """
        position = max(position, self._older_start)
        if position < self._current_start and self._older is not None:
            size = min(size, self._current_start - position)
            data = os.pread(self._older, size, position - self._older_start)
        else:
            data = os.pread(self._current, size, position - self._current_start)
        return position + len(data), data

    def listen(self, notify: Callable[[], None]) -> None:
        self._listeners.add(notify)

    def unlisten(self, notify: Callable[[], None]) -> None:
        self._listeners.discard(notify)

    def _rotate(self) -> None:
        if self._older is not None:
            os.close(self._older)
        with suppress(OSError):
            os.replace(self._current_path, self._older_path)
        self._older, self._older_start = self._current, self._current_start
        self._current, self._current_start = self._open(), self.end

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        return os.open(self._current_path, flags, 0o600)


def read_log(folder: str) -> str:
    """Return the log so far, also of a kernel that has ended; a rotation meanwhile does no harm."""
    for _ in range(_RETRIES):
        with ExitStack() as files:
            # The current file first: if it becomes the older one now, both are the same file.
            current = _open_part(folder, CURRENT, files)
            older = _open_part(folder, OLDER, files)
            if current is None:
                continue
            if older is not None and os.path.sameopenfile(current, older):
                continue
            parts = [_read_all(older)] if older is not None else []
            parts.append(_read_all(current))
            return b"".join(parts).decode("utf-8", "replace")
    return ""


def _open_part(folder: str, name: str, files: ExitStack) -> int | None:
    try:
        fd = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    files.callback(os.close, fd)
    return fd


def _read_all(fd: int) -> bytes:
    with open(fd, "rb", closefd=False) as file:
        return file.read()
