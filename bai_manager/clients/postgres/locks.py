"""Locks that end with the processes holding them: ``flock`` on a file of the data folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAUSE = 0.005  # seconds between two looks


def try_lock(path: Path) -> int | None:
    """Take the lock: a descriptor holding it, or None when somebody else does.

    It lasts until the descriptor and all its inherited copies are closed.
    """
    return _lock(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)


def is_locked(path: Path) -> bool:
    """Tell whether a process holds the lock."""
    try:
        descriptor = _lock(os.open(path, os.O_RDONLY), fcntl.LOCK_SH)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextmanager
def locked(path: Path, deadline: float) -> Iterator[int]:
    """Hold the lock; the value is its descriptor, for child processes to inherit.

    Raises `TimeoutError` when others have held it until the deadline (of `time.monotonic`).
    """
    descriptor = try_lock(path)
    while descriptor is None:
        pause(deadline)
        descriptor = try_lock(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def pause(deadline: float) -> None:
    """Wait a moment; raise `TimeoutError` when the deadline is over."""
    if monotonic() >= deadline:
        raise TimeoutError
    sleep(_PAUSE)


def _lock(descriptor: int, kind: int) -> int | None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
