"""What a kernel's scratch folder holds, and who holds the kernel.

::

    <root>/.locks/<kernel>    locked (flock) by whoever starts, supervises or buries the kernel
    <root>/<kernel>/          0700
        spec.json             what was asked for; there from the start
        pids.json             the guardian and the supervisor, written by the guardian
        state.json            what the supervisor says once it serves
        stop.json             why the kernel is asked to end
        exit.json             how it ended; from then on the kernel is over
        bootstrap.sh          run before the kernel serves; absent when there is none
        access                when it was used last: its modification time
        sock                  the supervisor's Unix socket, 0600
        log, log.1            console output, newest part
        supervisor.log        what the supervisor itself had to say
        work/                 home of the session

The lock tells life from death without asking anybody: it is taken by the caller that creates
the kernel, inherited by the guardian and the supervisor, and released by the system when both
are gone, also by SIGKILL. A folder appears complete, by a rename, while the lock is held.

Files are JSON objects, replaced atomically. What cannot be read counts as absent.

This module, and all that the supervising processes load, keeps paths as text: ``pathlib`` would
add to the start-up time and memory of each kernel.
"""

# ruff: noqa: PTH103, PTH105, PTH116, PTH120, PTH123 - paths are text here: see state.py
from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bai_manager.types.json import JsonObject

SPEC = "spec.json"
PIDS = "pids.json"
STATE = "state.json"
STOP = "stop.json"
EXIT = "exit.json"
BOOTSTRAP = "bootstrap.sh"
ACCESS = "access"
SOCKET = "sock"
SUPERVISOR_LOG = "supervisor.log"
WORK = "work"

SELF_TERMINATED = "self-terminated"
FAILED_TO_START = "failed-to-start"
UNKNOWN = "unknown"


def read_json(path: str) -> JsonObject | None:
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: str, value: JsonObject) -> None:
    temporary = f"{path}.{os.getpid()}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(temporary, path)


def try_lock(path: str) -> int | None:
    """Take the lock; return its file descriptor, or None while somebody else has it."""
    locks = os.path.dirname(path)
    for folder in (os.path.dirname(locks), locks):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        if _is_still_there(fd, path):
            return fd
        os.close(fd)


def is_locked(path: str) -> bool:
    """Say whether somebody has the lock, without being in anybody's way for long."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)


def _is_still_there(fd: int, path: str) -> bool:
    """Say whether the locked file is the one others will find: it may have been removed."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False
