"""A system of its own on this machine, its command line, and what must always hold of it."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from bai_manager.clients.agent.local import state
from bai_manager.repositories.database import Database
from tests.seeds import seed_keypair_policy, seed_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bai_manager.clients.postgres.embedded import EmbeddedPostgres
    from tests.seeds import Person

Row = dict[str, Any]

LIMIT = 60.0
SESSION_ORDER = [
    "PENDING",
    "SCHEDULED",
    "PREPARING",
    "PULLING",
    "PREPARED",
    "CREATING",
    "RUNNING",
    "TERMINATING",
    "TERMINATED",
    "CANCELLED",
]
_COUNTED = {
    **dict.fromkeys(("SCHEDULED", "PREPARING", "PULLING", "PREPARED", "CREATING"), "requested"),
    **dict.fromkeys(("RUNNING", "TERMINATING"), "occupied"),
}
_KERNEL_STATUSES = {
    "PENDING": {"PENDING"},
    "SCHEDULED": {"SCHEDULED"},
    "PREPARING": {"PREPARING", "PREPARED"},
    "PREPARED": {"PREPARED"},
    "CREATING": {"CREATING", "RUNNING"},
    "RUNNING": {"RUNNING"},
    "TERMINATING": {"TERMINATING", "TERMINATED"},
    "TERMINATED": {"TERMINATED"},
    "CANCELLED": {"CANCELLED"},
}


_USUAL = [
    ["session", "create", "python", "--name", "usual"],
    ["session", "list"],
    ["session", "show", "usual", "-o", "json"],
    ["session", "exec", "usual", "1"],
    ["session", "wait", "usual"],
    ["kernel", "list", "--session", "usual"],
    ["session", "logs", "usual"],
    ["session", "destroy", "usual"],
]


@dataclass(frozen=True)
class Done:
    """What a command said and how it ended; ``code`` is -N after signal N."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """What a failed command with ``-o json`` said."""
        return json.loads(self.err.splitlines()[-1])["error"]

    def ok(self) -> Done:
        assert self.code == 0, f"{self.argv}: exit {self.code}\n{self.out}{self.err}"
        return self


@dataclass
class Nursery:
    """Starts command lines in processes forked from one that has imported everything."""

    folder: Path
    process: subprocess.Popen[bytes]
    ids: count[int] = field(default_factory=count)
    pids: dict[int, int] = field(default_factory=dict)
    codes: dict[int, int] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> Nursery:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.sessions.nursery"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        return cls(folder, process)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def start(self, argv: Sequence[str], environ: Mapping[str, str], **job: object) -> Child:
        assert self.process.stdin is not None
        number = next(self.ids)
        stdin = Path(os.devnull)
        if (text := job.pop("input", None)) is not None:
            stdin = self.folder / f"{number}.in"
            stdin.write_text(str(text))
        child = Child(
            self, number, tuple(argv), self.folder / f"{number}.out", self.folder / f"{number}.err"
        )
        child.out.touch()
        child.err.touch()
        line = {
            "id": number,
            "argv": [*argv],
            "environ": dict(environ),
            "stdin": str(stdin),
            "stdout": str(child.out),
            "stderr": str(child.err),
            **job,
        }
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()
        return child

    def read_until(self, known: dict[int, int], number: int) -> int:
        assert self.process.stdout is not None
        while number not in known:
            assert select.select([self.process.stdout], [], [], LIMIT)[0], "a command hangs"
            told = json.loads(self.process.stdout.readline())
            if "pid" in told:
                self.pids[told["id"]] = told["pid"]
            else:
                self.codes[told["id"]] = told["code"]
        return known[number]


@dataclass
class Child:
    nursery: Nursery
    number: int
    argv: tuple[str, ...]
    out: Path
    err: Path

    @property
    def pid(self) -> int:
        return self.nursery.read_until(self.nursery.pids, self.number)

    @property
    def is_running(self) -> bool:
        return Path(f"/proc/{self.pid}").exists()

    def wait(self) -> Done:
        code = self.nursery.read_until(self.nursery.codes, self.number)
        out, err = (path.read_bytes().decode() for path in (self.out, self.err))
        self.out.unlink()
        self.err.unlink()
        return Done(self.argv, code, out, err)


@dataclass
class System:
    """One initialised BAI_HOME with its embedded database; emptied after each test."""

    home: Path
    environ: Mapping[str, str]
    embedded: EmbeddedPostgres
    nursery: Nursery
    connection: psycopg.Connection[Row] = field(init=False)

    def __post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        self.connection = psycopg.connect(
            self.embedded.dsn(), autocommit=True, row_factory=dict_row
        )

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """Stop the database meanwhile."""
        self.connection.close()
        self.embedded.stop()
        try:
            yield
        finally:
            self.embedded.start()
            self.connect()

    @property
    def agents_root(self) -> Path:
        return self.home / "data" / "local" / "agents"

    def start(self, *argv: str, environ: Mapping[str, str] | None = None, **job: object) -> Child:
        """One command line; ``job`` bends it (see ``nursery``) or gives it ``input``."""
        return self.nursery.start(argv, {**self.environ, **(environ or {})}, **job)

    def run(self, *argv: str, environ: Mapping[str, str] | None = None, **job: object) -> Done:
        return self.start(*argv, environ=environ, **job).wait()

    def rehearse(self) -> None:
        """Have the nursery do what most tests do, so that all its processes know how."""
        for line in _USUAL:
            self.run(*line, here=True)
        self.empty()

    def add_user(self, name: str, **policy: object) -> dict[str, str]:
        """A user of the default project under a policy of the same name: the environment to act
        as that user. ``policy`` are columns of ``keypair_resource_policies``.
        """
        (project,) = self.rows("SELECT id FROM groups WHERE name = 'default'")

        async def seed() -> Person:
            database = Database(self.embedded.sqlalchemy_url())
            try:
                async with database.transaction() as connection:
                    await seed_keypair_policy(connection, name, **policy)
                    return await seed_user(connection, name, project_id=project["id"], policy=name)
            finally:
                await database.close()

        person = asyncio.run(seed())
        return {
            "BAI_ACCESS_KEY": person.access_key,
            "BAI_SECRET_KEY": person.secret_key.reveal(),
        }

    def rows(self, statement: str, *values: object) -> list[Row]:
        return self.connection.execute(statement.encode(), values).fetchall()

    def execute(self, statement: str, *values: object) -> None:
        self.connection.execute(statement.encode(), values)

    def session(self, name: str) -> Row:
        """The newest session row of that name."""
        (row,) = self.rows(
            "SELECT * FROM sessions WHERE name = %s ORDER BY created_at DESC LIMIT 1", name
        )
        return row

    def kernels(self, name: str) -> list[Row]:
        """The kernels of the newest session of that name, the main one first."""
        return self.rows(
            "SELECT * FROM kernels WHERE session_id = %s ORDER BY local_rank",
            self.session(name)["id"],
        )

    def statuses(self) -> dict[str, str]:
        """Session name → status, of the newest of each name."""
        return {
            row["name"]: row["status"]
            for row in self.rows("SELECT name, status FROM sessions ORDER BY created_at")
        }

    def until(self, check: Callable[[], object], limit: float = LIMIT) -> None:
        """Poll until true."""
        deadline = time.monotonic() + limit
        while not check():
            assert time.monotonic() < deadline, f"did not come about: {self.statuses()}"
            time.sleep(0.01)

    def keepers(self, kernel_id: UUID) -> tuple[int, int]:
        """The process numbers of a kernel's guardian and supervisor."""
        pids = state.read_json(str(self.agents_root / kernel_id.hex / state.PIDS)) or {}
        guardian, supervisor = pids["guardian"], pids["supervisor"]
        assert isinstance(guardian, list)
        assert isinstance(supervisor, list)
        return int(str(guardian[0])), int(str(supervisor[0]))

    def is_kept(self, kernel_id: UUID) -> bool:
        return state.is_locked(str(self.agents_root / ".locks" / kernel_id.hex))

    def folders(self) -> set[str]:
        """The kernels that the local agent keeps something of, ended ones included."""
        if not self.agents_root.exists():
            return set()
        return {entry.name for entry in self.agents_root.iterdir() if entry.name[0] != "."}

    def processes(self) -> list[str]:
        """Command lines of the processes that kernels of this system consist of."""
        return [line for _, line in self._processes_at(str(self.agents_root))]

    def wait_for_hooks(self) -> None:
        """Wait for the scheduler runs that ended kernels have started."""
        mark = f"BAI_HOME={self.home}".encode()
        self.until(lambda: not any(_is_hook(pid, mark) for pid in _pids()))

    def empty(self) -> None:
        """End and forget every session; nothing of it may be left."""
        live = "status NOT IN ('TERMINATED', 'CANCELLED', 'ERROR')"
        names = [str(row["id"]) for row in self.rows(f"SELECT id FROM sessions WHERE {live}")]  # noqa: S608
        if names:
            self.run("session", "destroy", *names).ok()
        self.wait_for_hooks()
        if self.folders():
            self.run("session", "list").ok()
        check_consistent(self)
        assert self.processes() == []
        for table in ("kernels", "sessions", "audit_logs"):
            self.execute(f"DELETE FROM {table}")  # noqa: S608

    def end_processes(self) -> None:
        """Kill what a test that failed has left of its kernels."""
        for pid, _ in self._processes_at(str(self.agents_root)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _processes_at(self, root: str) -> list[tuple[int, str]]:
        found = []
        for pid in _pids():
            try:
                line = (
                    Path(f"/proc/{pid}/cmdline")
                    .read_bytes()
                    .replace(b"\0", b" ")
                    .decode(errors="replace")
                )
                cwd = str(Path(f"/proc/{pid}/cwd").readlink())
            except OSError:
                continue
            if f"{root}/" in line or cwd.startswith(f"{root}/"):
                found.append((pid, line))
        return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _is_hook(pid: int, mark: bytes) -> bool:
    try:
        if b"scheduler\0run\0" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return False
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def check_consistent(system: System) -> None:
    """What must hold whenever no command is running.

    Statuses of sessions and kernels fit, histories run forwards, ended rows say when, agents
    count exactly their kernels, every running kernel is kept by a process, and every process of
    a kernel has a row that says so.
    """
    sessions = system.rows("SELECT * FROM sessions")
    kernels = system.rows("SELECT * FROM kernels")
    for session in sessions:
        own = [kernel for kernel in kernels if kernel["session_id"] == session["id"]]
        assert len(own) == session["cluster_size"], session
        assert {kernel["status"] for kernel in own} <= _KERNEL_STATUSES[session["status"]], session
    for row in [*sessions, *kernels]:
        _check_history(row)
    _check_agents(system, kernels)
    _check_processes(system, kernels)


def _check_history(row: Row) -> None:
    entered = [
        (SESSION_ORDER.index(status), time) for status, time in row["status_history"].items()
    ]
    times = [time for _, time in sorted(entered)]
    assert times == sorted(times), row["status_history"]
    assert next(iter(sorted(entered)))[0] == 0
    if row["status"] in {"TERMINATED", "CANCELLED"}:
        assert row["terminated_at"].isoformat() == row["status_history"][row["status"]]
    else:
        assert row["terminated_at"] is None, row


def _check_agents(system: System, kernels: list[Row]) -> None:
    for agent in system.rows("SELECT id, occupied_slots FROM agents"):
        held: dict[str, float] = {}
        for kernel in kernels:
            if kernel["agent"] == agent["id"] and kernel["status"] in _COUNTED:
                for slot, amount in kernel[f"{_COUNTED[kernel['status']]}_slots"].items():
                    held[slot] = held.get(slot, 0) + float(amount)
        counted = {slot: float(amount) for slot, amount in agent["occupied_slots"].items()}
        assert {slot: amount for slot, amount in counted.items() if amount} == held


def _check_processes(system: System, kernels: list[Row]) -> None:
    running = {kernel["id"].hex for kernel in kernels if kernel["status"] == "RUNNING"}
    for kernel_id in running:
        assert system.is_kept(UUID(kernel_id)), f"no process for {kernel_id}"
    assert system.folders() == running
    supervised = {
        line.split(str(system.agents_root) + "/")[1][:32]
        for line in system.processes()
        if str(system.agents_root) in line
    }
    assert supervised == running
