"""Servers of their own for the tests that stop, kill and damage them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeAlias

import psycopg
import pytest

from bai_manager.clients.postgres.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOT_DURABLE = {"fsync": "off"}

Start: TypeAlias = "Callable[..., EmbeddedPostgres]"


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path, so that sockets fit, to a folder where servers may be; they are stopped."""
    path = Path(tempfile.mkdtemp(prefix="bai-test-"))
    yield path
    for lock in path.rglob("server.lock"):
        os.chown(lock.parent, os.geteuid(), -1)
        EmbeddedPostgres(lock.parent).stop("immediate")
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose server has been started and stopped once."""
    folder = tmp_path_factory.mktemp("pristine") / "data"
    server = EmbeddedPostgres(folder, extra_settings=NOT_DURABLE)
    server.start()
    server.stop()
    return folder


@pytest.fixture
def stopped(place: Path, pristine: Path) -> EmbeddedPostgres:
    """A server that has been started before; synchronising to the disk is off."""
    folder = place / "data"
    shutil.copytree(pristine, folder)
    return EmbeddedPostgres(folder, extra_settings=NOT_DURABLE)


@pytest.fixture
def server(stopped: EmbeddedPostgres) -> EmbeddedPostgres:
    """A running one."""
    stopped.start()
    return stopped


def ask(server: EmbeddedPostgres, statement: str, database: str = "bai") -> object:
    """Run a statement in a connection of its own; the first value of its first row, if any."""
    with psycopg.connect(server.dsn(database), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def pid_of(server: EmbeddedPostgres) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def in_process(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Run Python code in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def until(condition: Callable[[], bool], timeout: float = 20) -> None:
    deadline = monotonic() + timeout
    while not condition():
        assert monotonic() < deadline, "it did not happen"
        sleep(0.002)
