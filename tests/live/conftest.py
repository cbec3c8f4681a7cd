"""A running Backend.AI 25.17 cluster, our command line on it, and its official client.

The cluster's addresses are in ``BAI_CLUSTER_…``, the superadmin's key pair in ``BACKEND_…``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

CLUSTER = dict(os.environ)
"""As it was before each test is given an environment of its own."""

IMAGE = "cr.backend.ai/stable/python:3.9-ubuntu20.04"
SMALL = ("-r", "cpu=1", "-r", "mem=1g")
SUPERADMIN = ("admin@lablup.com", "AKIAIOSFODNN7EXAMPLE")

Row = dict[str, Any]


@dataclass(frozen=True)
class Keypair:
    access_key: str
    secret_key: str


def superadmin() -> Keypair:
    return Keypair(CLUSTER["BACKEND_ACCESS_KEY"], CLUSTER["BACKEND_SECRET_KEY"])


@dataclass(frozen=True)
class Live:
    """Our command line on the profile that ``connect`` wrote, by default as the superadmin."""

    home: Path

    def __call__(
        self,
        *words: str,
        who: Keypair | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        keypair = who or superadmin()
        return subprocess.run(
            [sys.executable, "-m", "bai_manager", "--profile", "live", *words],
            env={
                **{name: value for name, value in CLUSTER.items() if not name.startswith("BAI_")},
                "BAI_HOME": str(self.home),
                "BAI_ACCESS_KEY": keypair.access_key,
                "BAI_SECRET_KEY": keypair.secret_key,
                **(env or {}),
            },
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def json(self, *words: str, who: Keypair | None = None, stdin: str | None = None) -> Any:
        """What a command that succeeds prints with ``-o json``."""
        done = self(*words, "-o", "json", who=who, stdin=stdin)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def error(self, code: int, *words: str, who: Keypair | None = None) -> Any:
        """The error that a command ends with."""
        done = self(*words, "-o", "json", who=who)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return json.loads(done.stderr[done.stderr.index('{"error"') :])["error"]


@dataclass(frozen=True)
class Official:
    """The official client: its command, and programs that use it as a library."""

    endpoint: str = CLUSTER.get("BACKEND_ENDPOINT", "")

    def __call__(self, *words: str, who: Keypair | None = None) -> str:
        """What the command prints, whether it succeeds or not."""
        done = self._run([CLUSTER["BAI_CLUSTER_CLIENT"], *words], who)
        return done.stdout + done.stderr

    def program(self, text: str, *arguments: object, who: Keypair | None = None) -> Any:
        """Run a program that finds ``arguments`` and an open ``session``, and calls ``tell``."""
        python = Path(CLUSTER["BAI_CLUSTER_CLIENT"]).with_name("python")
        done = self._run([str(python), "-c", _PROGRAM], who, json.dumps([text, arguments]))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def _run(
        self, command: Sequence[str], who: Keypair | None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        keypair = who or superadmin()
        keys = {
            "BACKEND_ENDPOINT": self.endpoint,
            "BACKEND_ACCESS_KEY": keypair.access_key,
            "BACKEND_SECRET_KEY": keypair.secret_key,
        }
        return subprocess.run(
            command,
            env={**CLUSTER, **keys},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


_PROGRAM = """
import json, os, sys, traceback
from ai.backend.client.exceptions import BackendAPIError
from ai.backend.client.session import Session
def tell(value):
    print(json.dumps(value, default=str), flush=True)
text, arguments = json.load(sys.stdin)
session = Session().__enter__()
try:
    exec(text)
except BaseException:
    traceback.print_exc()
    os._exit(1)
os._exit(0)  # sessions leave threads behind
"""


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    command = Live(tmp_path_factory.mktemp("live"))
    manager_toml = Path(CLUSTER["BAI_CLUSTER_ROOT"]) / "etc" / "manager.toml"
    connected = command("connect", "--manager-toml", str(manager_toml), "--name", "live")
    assert connected.returncode == 0, connected.stderr
    return command


@pytest.fixture(scope="session")
def official() -> Official:
    return Official()


@pytest.fixture
def rows() -> Iterator[Callable[..., list[Row]]]:
    """Ask the cluster's database: ``rows("SELECT …", argument)``."""
    import psycopg  # noqa: PLC0415 - few tests need it
    from psycopg.rows import dict_row  # noqa: PLC0415

    with psycopg.connect(CLUSTER["BAI_CLUSTER_PG_DSN"], autocommit=True) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        yield lambda statement, *given: cursor.execute(statement.encode(), given).fetchall()


@pytest.fixture
def session_name(live: Live) -> Iterator[str]:
    """A name for a session, which is ended afterwards."""
    name = f"live-{uuid4().hex[:8]}"
    yield name
    live("session", "destroy", name, "--timeout", "60s")


def until(condition: Callable[[], bool], *, patience: float = 30.0) -> None:
    """Wait for what another process does."""
    deadline = monotonic() + patience
    while not condition():
        assert monotonic() < deadline
        sleep(0.1)
