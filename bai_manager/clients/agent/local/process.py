"""Processes of this machine: who they are, what they have started, how to end all of it.

Linux only: ``/proc``, process file descriptors and ``prctl``. A process is known by its number
*and* start time, so that a number used again is never mistaken for the process that had it.
"""

# ruff: noqa: PTH110, PTH116, PTH123, PTH208 - paths are text here: see state.py
from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

KERNEL_ID_VARIABLE = "BACKENDAI_KERNEL_ID"
"""Every process of a kernel has it in its environment; what is left over is found by it."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_STATE, _PARENT, _USER_TICKS, _CHILD_SYSTEM_TICKS, _THREADS, _STARTED = 0, 1, 11, 14, 17, 19


class ProcessId(NamedTuple):
    pid: int
    started: int
    """Clock ticks since boot."""


class ProcessStat(NamedTuple):
    """What ``/proc/PID/stat`` says; ``ticks`` includes children that were waited for."""

    identity: ProcessId
    parent: int
    state: str
    ticks: int
    threads: int

    @property
    def has_ended(self) -> bool:
        """It is a zombie: its parent has not collected it yet.

        Where only its first thread has ended it looks like one, and the others still run and
        hold its files and sockets.
        """
        return self.state in {"Z", "X"} and self.threads <= 1


def read_stat(pid: int) -> ProcessStat | None:
    """None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    return ProcessStat(
        identity=ProcessId(pid, int(fields[_STARTED])),
        parent=int(fields[_PARENT]),
        state=fields[_STATE].decode(),
        ticks=sum(map(int, fields[_USER_TICKS : _CHILD_SYSTEM_TICKS + 1])),
        threads=int(fields[_THREADS]),
    )


def identify(pid: int) -> ProcessId:
    stat = read_stat(pid)
    if stat is None:
        raise ProcessLookupError(pid)
    return stat.identity


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def send_signal(process: ProcessId, number: signal.Signals) -> bool:
    """Say whether the very process was there to be signalled."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        stat = read_stat(process.pid)
        if stat is None or stat.identity != process or stat.has_ended:
            return False
        signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def children(pid: int) -> list[int]:
    try:
        return _listed_children(pid)
    except FileNotFoundError:
        return [stat.identity.pid for stat in all_processes() if stat.parent == pid]
    except ProcessLookupError:
        return []


def _listed_children(pid: int) -> list[int]:
    """Raise FileNotFoundError where the system does not list children."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
        except FileNotFoundError:
            if os.path.exists(f"/proc/{pid}/task/{task}"):
                raise
    return found


def all_processes() -> Iterable[ProcessStat]:
    for name in os.listdir("/proc"):
        if name.isdecimal() and (stat := read_stat(int(name))) is not None:
            yield stat


def descendants(root: int) -> list[ProcessStat]:
    """Everything below ``root`` that has not ended, zombies included, parents first."""
    found: list[ProcessStat] = []
    pending = children(root)
    while pending:
        pid = pending.pop()
        stat = read_stat(pid)
        if stat is not None:
            found.append(stat)
            pending += children(pid)
    return found


def kill_below(
    root: int, *, reap: Callable[[], None], include_root: bool = False, within: float = 5.0
) -> bool:
    """Kill all descendants; say whether none is left.

    They are stopped before they are killed, so that none can start another meanwhile, and the
    walk is repeated until it finds nothing. Those that become children of the caller are
    collected by ``reap``.
    """
    deadline = time.monotonic() + within
    while True:
        found = _stop_tree(root, include_root=include_root)
        for process in found:
            send_signal(process, signal.SIGKILL)
        reap()
        if not found:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)


def _stop_tree(root: int, *, include_root: bool) -> set[ProcessId]:
    stopped: set[ProcessId] = set()
    while True:
        tree = descendants(root)
        if include_root and (top := read_stat(root)) is not None:
            tree.append(top)
        new = {stat.identity for stat in tree if not stat.has_ended} - stopped
        if not new:
            # A zombie that is not ours to collect goes when its parent does.
            return stopped
        for process in new:
            send_signal(process, signal.SIGSTOP)
        stopped |= new


def kill_marked(kernel_id: str) -> None:
    """Kill every process of this user that has the kernel's marker.

    Finds what the process tree no longer tells, e.g. after both supervising processes were
    killed. The caller's own process is spared.
    """
    deadline = time.monotonic() + 5.0
    while (found := marked_processes(kernel_id)) and time.monotonic() < deadline:
        for pid in found:
            _kill_if_marked(pid, _marker(kernel_id))
        time.sleep(0.001)


def marked_processes(kernel_id: str) -> list[int]:
    """Numbers of this user's other processes that have the kernel's marker and live."""
    own, marker = os.getpid(), _marker(kernel_id)
    pids = (int(name) for name in os.listdir("/proc") if name.isdecimal())
    return [pid for pid in pids if pid != own and _has_marker(pid, marker)]


def _marker(kernel_id: str) -> bytes:
    return f"{KERNEL_ID_VARIABLE}={kernel_id}".encode()


def _has_marker(pid: int, marker: bytes) -> bool:
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return False
        with open(f"/proc/{pid}/environ", "rb") as file:
            return marker in file.read().split(b"\0")
    except OSError:
        return False


def _kill_if_marked(pid: int, marker: bytes) -> None:
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _has_marker(pid, marker):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(fd)


def exit_code_of(status: int) -> int:
    """Turn a wait status into an exit code: 128 + N for signal N."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def become_subreaper(*, on: bool = True) -> None:
    """Orphans below this process become its children instead of init's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(on))


def die_with_parent(number: signal.Signals) -> None:
    """Have ``number`` sent to this process when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> None:
    import ctypes  # noqa: PLC0415 - only supervising processes need it

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def run_detached(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Start a program that is no descendant of this subreaper, so that it outlives it.

    The subreaper mark is taken off for the millisecond in which the program is orphaned.
    """
    become_subreaper(on=False)
    try:
        first = os.fork()
        if first == 0:
            _become_detached(argv, environ)
        os.waitpid(first, 0)
    finally:
        become_subreaper()


def _become_detached(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.umask(0o077)
            os.chdir("/")
            restore_signals()
            os.execvpe(argv[0], [*argv], environ)  # noqa: S606 - no shell is wanted
    finally:
        os._exit(0)


def restore_signals() -> None:
    """Give a child that is about to become another program the default signal handling."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
