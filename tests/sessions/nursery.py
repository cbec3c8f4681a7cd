"""Command lines as real processes that start in milliseconds: forked where all is imported.

``python nursery.py`` reads jobs, one JSON object a line, and answers each with two lines:
``{"id", "pid"}`` when it was started and ``{"id", "code"}`` when it has ended (-N: signal N).
A job is ``{"id", "argv", "environ", "stdin", "stdout", "stderr"}`` (the last three are paths) and
may bend what it runs:

``kill_at``
    ``Class.method:before`` or ``:after``: the process kills itself there, as SIGKILL would.
``trace``
    a file that gets the names of all such moments it passes.
``stuck_after``, ``patience``
    seconds, instead of the scheduler's own.
``here``
    no process is started: it runs where all others are forked from, so that they know what it
    has learnt. Its output is discarded.
"""

from __future__ import annotations

import functools
import gc
import inspect
import io
import json
import os
import select
import signal
import sys
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bai_manager.cli import root
from bai_manager.clients.agent.local.client import LocalAgentClient
from bai_manager.config import load_config
from bai_manager.repositories.audit import AuditRepository
from bai_manager.repositories.scheduler import SchedulerRepository
from bai_manager.repositories.session import SessionRepository
from bai_manager.sokovan.runner import SchedulerRunner
from tests import engines

if TYPE_CHECKING:
    from collections.abc import Callable

Job = dict[str, Any]

# What commands import when they need it: here it is there before the first fork.
_EARLY = [
    "app",
    "cli.audit",
    "cli.kernel",
    "cli.output.bulk",
    "cli.output.errors",
    "cli.output.human",
    "cli.output.writers",
    "cli.scheduler",
    "cli.session",
    "cli.session_create",
    "cli.session_inside",
    "clients.agent.local.creation",
    "clients.agent.local.ownership",
    "clients.agent.pool",
    "clients.agent.rehearsal",
    "clients.idle_series",
    "clients.passes",
    "clients.postgres.embedded",
    "clients.storage_proxy.pool",
    "config",
    "config.settings",
    "repositories.idle",
    "repositories.image",
    "repositories.open_groups",
    "repositories.owner",
    "repositories.scaling_group",
    "repositories.session_mounts",
    "services.scheduler.service",
    "services.session_inside.execution",
    "services.session.mounts",
    "services.session.planning",
    "services.session.request",
    "services.session.service",
    "sokovan.idle_step",
]

_WRITES = {
    AuditRepository: ("record_started", "record_finished"),
    SessionRepository: ("enqueue", "mark_destroyed"),
    SchedulerRepository: (
        "schedule",
        "begin_preparing",
        "retry_preparing",
        "mark_pulled",
        "claim_starts",
        "reclaim_stuck",
        "mark_kernel_running",
        "mark_running",
        "cancel_start",
        "finish_batch",
        "mark_lost",
        "mark_kernel_terminated",
        "finish_terminated",
    ),
    LocalAgentClient: (
        "create_kernels",
        "destroy_kernel",
        "forget_kernels",
        "trigger_batch_execution",
    ),
}


def main() -> None:
    for name in _EARLY:
        import_module(f"bai_manager.{name}")
    engines.share()
    load_config(os.environ)  # which is when pydantic builds what it validates with
    gc.freeze()  # or the first collection in every child would look through all modules
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    running: dict[int, int] = {}
    pending = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            report_ended(running)
        if 0 in ready:
            data = os.read(0, 1 << 16)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                job = json.loads(line)
                if job.get("here"):
                    learn(job)
                    continue
                pid = start(job)
                running[pid] = job["id"]
                say(id=job["id"], pid=pid)


def say(**facts: int) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


def report_ended(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        say(id=running.pop(pid), code=os.waitstatus_to_exitcode(status))


def learn(job: Job) -> None:
    before = dict(os.environ)
    os.environ.update(job["environ"])
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = root.run(job["argv"])
    os.environ.clear()
    os.environ.update(before)
    gc.freeze()
    say(id=job["id"], code=code)


def start(job: Job) -> int:
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = become(job)
        except BaseException:  # noqa: BLE001 - this process ends here, and says why
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(code)
    return pid


def become(job: Job) -> int:
    """Carry out one command line; the exit code."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    for number, (name, flags) in enumerate(
        (
            ("stdin", os.O_RDONLY),
            ("stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            ("stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        )
    ):
        os.dup2(os.open(job[name], flags, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(open(number, mode, closefd=False), "utf-8", write_through=True)  # noqa: SIM115
        for number, mode in enumerate(("rb", "wb", "wb"))
    )
    os.environ.clear()
    os.environ.update(job["environ"])
    bend(job)
    code = root.run(job["argv"])
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def bend(job: Job) -> None:
    defaults = SchedulerRunner.__init__.__kwdefaults__ or {}
    if "patience" in job:
        defaults["patience"] = timedelta(seconds=job["patience"])
    if "stuck_after" in job:
        os.environ["BAI_SCHEDULER_RETRY_AFTER"] = str(max(job["stuck_after"], 0.001))
    trace = os.open(job["trace"], os.O_WRONLY | os.O_CREAT, 0o600) if "trace" in job else None
    kill_at = job.get("kill_at")
    if kill_at is None and trace is None:
        return

    def passed(moment: str) -> None:
        if trace is not None:
            os.write(trace, f"{moment}\n".encode())
        if moment == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, names in _WRITES.items():
        for name in names:
            setattr(owner, name, watched(getattr(owner, name), f"{owner.__name__}.{name}", passed))


def watched(method: Any, name: str, passed: Callable[[str], None]) -> Any:
    assert inspect.iscoroutinefunction(method), name

    @functools.wraps(method)
    async def wrapper(*args: object, **named: object) -> object:
        passed(f"{name}:before")
        result = await method(*args, **named)
        passed(f"{name}:after")
        return result

    return wrapper


if __name__ == "__main__":
    main()
