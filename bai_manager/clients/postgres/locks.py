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

_PAUSE = 0.01  # seconds between two looks


def try_lock(path: Path) -> int | None:
    """A descriptor holding the lock (created if missing), or None when somebody else holds it.

    The lock lasts until the descriptor and all its inherited copies are closed.
    """
    return _lock(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)


def is_locked(path: Path) -> bool:
    """Whether a process holds it exclusively."""
    try:
        descriptor = _lock(os.open(path, os.O_RDONLY), fcntl.LOCK_SH)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def _lock(descriptor: int, kind: int) -> int | None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked(path: Path, deadline: float) -> Iterator[int]:
    """Hold the lock; the value is its descriptor, to be passed on to child processes.

    Raises:
        TimeoutError: others held it until DEADLINE (:func:`time.monotonic`).
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
    """Wait a moment.

    Raises:
        TimeoutError: DEADLINE is over.
    """
    if monotonic() >= deadline:
        raise TimeoutError
    sleep(_PAUSE)
