"""The process that runs one kernel, and the guardian that watches over it.

``python -m bai_manager.clients.agent.local.supervisor FOLDER LOCK_FD`` returns at once and
leaves two processes behind, of one program::

    guardian ── supervisor ── interpreter, commands, services, and what these have started

Both are subreapers: what a program below orphans stays below. When the supervisor ends, for
whatever reason, everything below becomes the guardian's and is killed; when the guardian is
killed, the supervisor is told by the system (``PR_SET_PDEATHSIG``) and ends everything itself.
Either writes ``exit.json`` and runs the hook. When both are killed at once, the programs they
started are killed by the system, and what those had started is found by its environment the
next time somebody looks (``process.kill_marked``).

The lock on ``LOCK_FD`` is held until both have ended (``state``).
"""

# ruff: noqa: PTH110 - paths are text here: see state.py
from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local import process, state

if TYPE_CHECKING:
    from bai_manager.types.json import JsonObject

_FAILED = 1
_HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1)
_OWN_VARIABLES = frozenset({process.KERNEL_ID_VARIABLE})
_LAST_GRACE = 3
"""Seconds a supervisor may take beyond the grace time of the kernel before it is killed."""


def main() -> None:
    folder, lock = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(lock, False)
    if os.fork() > 0:
        os._exit(0)
    os.chdir(folder)
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spec = state.read_json(state.SPEC) or {}
    try:
        Guardian(folder, lock, spec).run()
    except BaseException:  # noqa: BLE001 - the process ends here, and says why
        print_traceback()
        os._exit(_FAILED)
    os._exit(0)


class Guardian:
    """Small on purpose: it imports no more than it needs, and outlives the supervisor."""

    def __init__(self, folder: str, lock: int, spec: JsonObject) -> None:
        self._folder = folder
        self._lock = lock
        self._spec = spec
        self._exit_status: int | None = None

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        process.become_subreaper()
        own = process.identify(os.getpid())
        self._supervisor = os.fork()
        if self._supervisor == 0:
            self._become_supervisor(own)
        pids: JsonObject = {
            "boot_id": process.boot_id(),
            "guardian": [*own],
            "supervisor": [*process.identify(self._supervisor)],
        }
        state.write_json(state.PIDS, pids)
        while self._exit_status is None:
            self._on_signal(signal.sigwait(_HANDLED))
        process.kill_below(os.getpid(), reap=self._reap)
        record_exit(process.exit_code_of(self._exit_status))
        os.close(self._lock)
        run_hook(self._spec)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGTERM:
            os.kill(self._supervisor, signal.SIGTERM)
            grace = self._spec.get("stop_grace")
            signal.alarm(_LAST_GRACE + int(grace if isinstance(grace, int | float) else 0))
        elif number == signal.SIGALRM:
            os.kill(self._supervisor, signal.SIGKILL)
        elif number == signal.SIGUSR1:
            run_hook(self._spec)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._supervisor:
                self._exit_status = status

    def _become_supervisor(self, guardian: process.ProcessId) -> None:
        exit_code = _FAILED
        try:
            process.become_subreaper()
            process.die_with_parent(signal.SIGTERM)
            exit_code = supervise(self._folder, self._spec, guardian.pid)
            if os.getppid() != guardian.pid:
                record_exit(exit_code)
                os.close(self._lock)
                run_hook(self._spec)
        except BaseException:  # noqa: BLE001 - see main
            print_traceback()
        finally:
            os._exit(exit_code)


def supervise(folder: str, spec: JsonObject, guardian: int) -> int:
    """Serve the kernel until told to stop; return the exit code."""
    # The event loop does without TLS; leaving it out saves a quarter of the memory.
    sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
    from bai_manager.clients.agent.local import serving  # noqa: PLC0415 - not for the guardian

    return serving.serve(folder, spec, guardian)


def print_traceback() -> None:
    import traceback  # noqa: PLC0415 - it is large, and hardly ever needed

    traceback.print_exc()


def record_exit(exit_code: int) -> None:
    """Write ``exit.json`` unless it is there: the reason asked for, or what can be told."""
    if os.path.exists(state.EXIT):
        return
    stop = state.read_json(state.STOP)
    if stop is not None:
        reason = str(stop.get("reason"))
    elif os.path.exists(state.STATE):
        reason = state.SELF_TERMINATED
    else:
        reason = state.FAILED_TO_START
    ended: JsonObject = {"exit_code": exit_code, "reason": reason, "ended_at": time.time()}
    state.write_json(state.EXIT, ended)


def run_hook(spec: JsonObject) -> None:
    """Start the hook, unless somebody asked for the end and knows of it."""
    hook = spec.get("on_kernel_end")
    if not isinstance(hook, dict) or os.path.exists(state.STOP):
        return
    argv, added = hook["argv"], hook["environ"]
    if isinstance(argv, list) and isinstance(added, dict):
        environ = {name: text for name, text in os.environ.items() if name not in _OWN_VARIABLES}
        environ.update({name: str(value) for name, value in added.items()})
        process.run_detached([str(word) for word in argv], environ)


if __name__ == "__main__":
    main()
