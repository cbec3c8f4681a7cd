"""``bai-manager db``: the embedded database as a process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from bai_manager.clients.postgres.embedded import EmbeddedPostgres
from tests.cli.conftest import Home, new_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Ask, Typed


@pytest.fixture(scope="module")
def machine() -> Iterator[Home]:
    """A system of this machine that these tests start and stop."""
    with new_home() as home:
        yield home


@pytest.fixture
def running(machine: Home) -> Home:
    machine.postgres.start()
    return machine


@pytest.fixture
def stopped(machine: Home) -> Home:
    machine.postgres.stop("immediate")
    return machine


@pytest.fixture
def nothing() -> Iterator[Home]:
    """A place where there is no database yet; its path is short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="bai-test-"))
    home = Home(path, {"BAI_HOME": str(path)})
    yield home
    home.postgres.stop("immediate")
    shutil.rmtree(path)


def process(home: Home, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A process of its own: these commands become another program."""
    return subprocess.run(
        [sys.executable, "-m", "bai_manager", *words],
        env={**os.environ, **home.environ},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_status_of_a_database_that_runs(typed: Typed, running: Home) -> None:
    found = json.loads(typed("db", "status", "-o", "json", env=running.environ).out)
    assert found["running"] is True
    assert found["pid"] == running.postgres.status().pid
    assert found["data_dir"] == str(running.postgres.data_dir)
    assert found["size_bytes"] > 1 << 20
    table = typed("db", "status", "-o", "table", env=running.environ).out.splitlines()
    assert table[0].split() == ["Running", "yes"]
    assert any(line.startswith("Size") and line.endswith("MiB") for line in table)


def test_status_of_a_database_that_does_not_run_starts_nothing(typed: Typed, stopped: Home) -> None:
    done = typed("db", "status", "-o", "json", env=stopped.environ)
    found = json.loads(done.out)
    assert (done.code, found["running"], found["pid"]) == (0, False, None)
    assert not stopped.postgres.is_running()


def test_status_where_there_is_nothing_yet_makes_nothing(typed: Typed, nothing: Home) -> None:
    done = typed("db", "status", env=nothing.environ)
    assert (done.code, done.cells[0][0]) == (0, "false")
    assert list(nothing.path.iterdir()) == []


def test_stop_and_start(typed: Typed, running: Home) -> None:
    stopped = typed("db", "stop", "-o", "json", env=running.environ)
    assert (stopped.code, json.loads(stopped.out)["running"]) == (0, False)
    assert not running.postgres.is_running()
    started = typed("db", "start", "-o", "json", env=running.environ)
    assert (started.code, json.loads(started.out)["running"]) == (0, True)
    assert running.postgres.is_running()


def test_start_and_stop_twice_change_nothing_more(typed: Typed, running: Home) -> None:
    pid = running.postgres.status().pid
    again = typed("db", "start", env=running.environ)
    assert (again.code, again.err) == (0, "It runs already.\n")
    assert running.postgres.status().pid == pid
    assert typed("db", "stop", env=running.environ).code == 0
    assert typed("db", "stop", env=running.environ).code == 0


def test_a_dry_run_starts_and_stops_nothing(typed: Typed, running: Home) -> None:
    done = typed("db", "stop", "--dry-run", "-o", "json", env=running.environ)
    found = json.loads(done.out)
    assert (found["dry_run"], found["running"]) == (True, True)
    running.postgres.stop("immediate")
    done = typed("db", "start", "--dry-run", env=running.environ)
    assert "dry run" in done.err
    assert not running.postgres.is_running()


@pytest.mark.parametrize("mode", ["smart", "fast", "immediate"])
def test_every_mode_stops_it(typed: Typed, running: Home, mode: str) -> None:
    assert typed("db", "stop", "--mode", mode, env=running.environ).code == 0
    assert not running.postgres.is_running()


def test_an_unknown_mode_is_a_usage_error(typed: Typed, running: Home) -> None:
    done = typed("db", "stop", "--mode", "gently", env=running.environ)
    assert (done.code, done.out) == (2, "")
    assert running.postgres.is_running()


def test_a_client_that_stays_is_a_time_out_of_a_smart_stop(typed: Typed, running: Home) -> None:
    with psycopg.connect(running.postgres.dsn()):
        words = ("db", "stop", "--mode", "smart", "--timeout", "1")
        done = typed(*words, env=running.environ)
    assert (done.code, done.out) == (124, "")
    assert "immediate" in done.err


def test_kernels_that_run_are_asked_about_before_a_stop(typed: Typed, running: Home) -> None:
    created = typed("session", "create", "python", "--name", "kept-1", env=running.environ)
    assert created.code == 0
    asked = typed("db", "stop", env=running.environ)
    assert (asked.code, asked.out) == (2, "")
    assert "go on running without it: 1." in asked.err
    assert "--yes" in asked.err
    assert running.postgres.is_running()
    assert typed("db", "stop", "--yes", env=running.environ).code == 0
    assert typed("session", "show", "kept-1", "-o", "json", env=running.environ).code == 0
    assert typed("session", "destroy", "kept-1", env=running.environ).code == 0
    assert typed("db", "stop", env=running.environ).code == 0


def test_dsn_is_what_clients_take_and_nothing_else(typed: Typed, running: Home) -> None:
    done = typed("db", "dsn", env=running.environ)
    assert (done.code, done.err) == (0, "")
    with psycopg.connect(done.out.strip()) as connection:
        row = connection.execute("SELECT count(*) FROM agents").fetchone()
    assert row == (1,)
    found = json.loads(typed("db", "dsn", "-o", "json", env=running.environ).out)
    assert found == {"dsn": done.out.strip()}


def test_dsn_of_a_database_that_does_not_run_says_so_and_starts_nothing(
    typed: Typed, stopped: Home
) -> None:
    done = typed("db", "dsn", env=stopped.environ)
    assert done.out.startswith("host=")
    assert "bai-manager db start" in done.err
    assert not stopped.postgres.is_running()


def test_shell_is_psql_with_its_own_input_output_and_exit_code(stopped: Home) -> None:
    asked = process(stopped, "db", "shell", "--", "-XAt", stdin="SELECT id FROM agents;\n\\q\n")
    assert (asked.returncode, asked.stdout) == (0, "i-local\n")
    wrong = process(stopped, "db", "shell", "--", "-X", "-v", "ON_ERROR_STOP=1", stdin="NONSENSE;")
    assert wrong.returncode == 3
    assert "syntax error" in wrong.stderr


def test_arguments_of_a_shell_are_never_read_by_a_shell(running: Home) -> None:
    done = process(running, "db", "shell", "--", "-XAt", "-c", "SELECT '$(id) `id` ;'")
    assert done.stdout == "$(id) `id` ;\n"


def test_dump_is_the_database_as_sql(running: Home) -> None:
    done = process(running, "db", "dump", "--", "--table=agents", "--data-only")
    assert done.returncode == 0
    assert "COPY public.agents" in done.stdout
    assert "i-local" in done.stdout


@pytest.mark.parametrize("verb", ["start", "stop", "status", "dsn", "shell", "dump"])
def test_a_cluster_has_no_embedded_database(ask: Ask, verb: str) -> None:
    done = ask("root", "db", verb)
    assert (done.code, done.out) == (78, "")
    assert "--profile" in done.err


def test_without_autostart_a_shell_starts_nothing(stopped: Home) -> None:
    home = Home(stopped.path, {**stopped.environ, "BAI_DATABASE_AUTOSTART": "false"})
    done = process(home, "db", "shell", "--", "-XAt", stdin="SELECT 1;")
    assert done.returncode == 2
    assert not stopped.postgres.is_running()


def test_start_makes_a_database_where_there_is_none(typed: Typed, nothing: Home) -> None:
    done = typed("db", "start", "-o", "json", env=nothing.environ)
    assert (done.code, json.loads(done.out)["running"]) == (0, True)
    assert nothing.postgres.is_running()


def test_a_folder_that_cannot_be_used_is_a_configuration_error(typed: Typed, nothing: Home) -> None:
    nothing.postgres.data_dir.mkdir(parents=True)
    nothing.postgres.data_dir.chmod(0o777)
    try:
        done = typed("db", "start", env=nothing.environ)
    finally:
        nothing.postgres.data_dir.chmod(0o700)
    assert (done.code, done.out) == (78, "")
    assert "chmod" in done.err


def test_none_of_it_loads_sqlalchemy(running: Home) -> None:
    program = (
        "import sys\nfrom bai_manager.cli.root import run\n"
        "run(['db', 'status', '-o', 'name'])\nprint('sqlalchemy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **running.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [
        str(EmbeddedPostgres(running.postgres.data_dir).data_dir),
        "False",
    ]
