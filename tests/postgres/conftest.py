"""A server for the tests that stop, kill and damage it.

Making one writes 40 MB, so most tests share one folder: each starts from a sound database, running
or not, and may leave it in any state that `EmbeddedPostgres.start` is to mend.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

import psycopg
import pytest

from bai_manager.clients.postgres.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOT_DURABLE = {"fsync": "off"}


@contextmanager
def short_folder() -> Iterator[Path]:
    """A path with room for the name of a socket; the servers below it are stopped in the end."""
    path = Path(tempfile.mkdtemp(prefix="bai-test-"))
    yield path
    for lock in path.rglob("server.lock"):
        os.chown(lock.parent, os.geteuid(), -1)
        EmbeddedPostgres(lock.parent).stop("immediate")
    shutil.rmtree(path)


@pytest.fixture
def place() -> Iterator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture(scope="session")
def shared_server() -> Iterator[EmbeddedPostgres]:
    with short_folder() as path:
        yield EmbeddedPostgres(path / "data", extra_settings=NOT_DURABLE)


@pytest.fixture
def server(shared_server: EmbeddedPostgres) -> EmbeddedPostgres:
    """A running one; it does not wait for the disk."""
    shared_server.start()
    return shared_server


@pytest.fixture
def stopped(server: EmbeddedPostgres) -> EmbeddedPostgres:
    """The same, stopped."""
    server.stop()
    return server


@contextmanager
def moved(stopped: EmbeddedPostgres, folder: Path) -> Iterator[EmbeddedPostgres]:
    """Have it somewhere else for a while."""
    stopped.data_dir.rename(folder)
    server = EmbeddedPostgres(folder, extra_settings=NOT_DURABLE)
    try:
        yield server
    finally:
        server.stop("immediate")
        folder.rename(stopped.data_dir)


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
