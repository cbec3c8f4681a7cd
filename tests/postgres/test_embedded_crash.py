from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from bai_manager.clients.postgres import starting
from bai_manager.clients.postgres.binaries import find_program, run_program
from bai_manager.clients.postgres.embedded import EmbeddedPostgres
from bai_manager.clients.postgres.errors import DatabaseStartFailed
from tests.postgres.conftest import NOT_DURABLE, ask, in_process, pid_of, until
from tests.postgres.test_embedded_start import START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.thorough

FULL_DISK = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"


@pytest.fixture
def stranger() -> Iterator[int]:
    """The pid of a process that has nothing to do with it."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid


def kill_all(server: EmbeddedPostgres) -> None:
    postmaster = psutil.Process(pid_of(server))
    for process in (postmaster, *postmaster.children()):
        process.kill()
    until(lambda: not server.is_running())


def test_after_sigkill_of_all_its_processes_committed_data_is_there(
    server: EmbeddedPostgres,
) -> None:
    ask(server, "CREATE TABLE kept AS SELECT generate_series(1, 10000) AS x")
    kill_all(server)
    server.start()
    assert ask(server, "SELECT count(*) FROM kept") == 10_000


def test_after_sigkill_of_the_postmaster_the_orphans_are_waited_for(
    server: EmbeddedPostgres,
) -> None:
    ask(server, "CREATE TABLE orphaned AS SELECT 42 AS answer")
    os.kill(pid_of(server), signal.SIGKILL)
    until(lambda: not server.is_running())
    server.start()
    assert ask(server, "SELECT answer FROM orphaned") == 42


def test_a_killed_server_does_not_count_as_running(server: EmbeddedPostgres) -> None:
    kill_all(server)
    assert not server.is_running()
    until(lambda: server.status().pid is None)
    assert (server.data_dir / "pgdata" / "postmaster.pid").exists()


def test_the_number_of_a_leftover_pid_file_may_be_anybodys(
    server: EmbeddedPostgres, stranger: int
) -> None:
    kill_all(server)
    pid_file = server.data_dir / "pgdata" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    pid_file.write_text("\n".join([str(stranger), *lines[1:]]))
    server.stop()
    server.start()
    assert pid_of(server) != stranger
    assert psutil.Process(stranger).is_running()


def test_a_garbled_pid_file_does_not_prevent_a_start(stopped: EmbeddedPostgres) -> None:
    (stopped.data_dir / "pgdata" / "postmaster.pid").write_bytes(b"\xff\0")
    stopped.start()
    assert ask(stopped, "SELECT 1") == 1


def test_a_server_started_by_hand_is_left_alone_and_named(
    place: Path, stopped: EmbeddedPostgres
) -> None:
    pgdata = stopped.data_dir / "pgdata"
    elsewhere = place / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    command = [find_program("postgres"), "-D", str(pgdata), "-h", "", "-k", str(elsewhere)]
    log = str(place / "by-hand.log")
    run_program(starting._launcher_argv("--detach", log, str(pgdata), *command))
    until((elsewhere / ".s.PGSQL.5432").exists)
    pid = int((pgdata / "postmaster.pid").read_text().split("\n")[0])
    with pytest.raises(DatabaseStartFailed, match=f"process {pid}, not started by bai-manager"):
        stopped.start()
    assert psutil.Process(pid).is_running()
    os.kill(pid, signal.SIGINT)
    until(lambda: not (pgdata / "postmaster.pid").exists())
    stopped.start()


@pytest.mark.parametrize("killed", ["only the starter", "its programs too"])
def test_an_interrupted_creation_leaves_nothing_half_made(place: Path, killed: str) -> None:
    folder = place / "data"
    starter = in_process(START, folder)
    until(lambda: any(folder.glob("pgdata.new-*/base/1")))
    if killed == "only the starter":
        starter.kill()
    else:
        os.killpg(starter.pid, signal.SIGKILL)
    starter.communicate()
    assert not (folder / "pgdata").exists()
    server = EmbeddedPostgres(folder, extra_settings=NOT_DURABLE)
    server.start()
    assert ask(server, "SELECT current_database()") == "bai"
    assert not list(folder.glob("pgdata.new-*"))


def test_a_killed_starter_does_not_take_the_server_with_it(stopped: EmbeddedPostgres) -> None:
    starter = in_process(START, stopped.data_dir)
    until((stopped.data_dir / "pgdata" / "postmaster.pid").exists)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.communicate()
    stopped.start()
    assert ask(stopped, "SELECT 1") == 1


def test_a_full_disk_is_reported_and_leaves_room_for_another_try(place: Path) -> None:
    _, errors = in_process(f"{FULL_DISK}\n{START}", place / "data").communicate(timeout=60)
    assert "DatabaseStartFailed" in errors
    assert "it could not be created" in errors
    assert not (place / "data" / "pgdata").exists()
    EmbeddedPostgres(place / "data", extra_settings=NOT_DURABLE).start()


def test_a_server_that_lost_its_socket_is_replaced(server: EmbeddedPostgres) -> None:
    before = pid_of(server)
    (server.data_dir / "run" / ".s.PGSQL.5432").unlink()
    assert not server.is_running()
    server.start()
    assert pid_of(server) != before
    assert ask(server, "SELECT 1") == 1
