from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bai_manager.clients.postgres.embedded import EmbeddedPostgres
from bai_manager.clients.postgres.errors import DatabaseVersionMismatch, DataFolderRefused
from bai_manager.errors import ExitCode
from tests.postgres.conftest import ask, moved

ROOT = os.geteuid() == 0
NAMELESS = 54321
"""A uid that no system gives a name."""
TOO_LONG = "long" * 30

LIFE = """
import json, subprocess, sys
from pathlib import Path
from bai_manager.clients.postgres.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), extra_settings={"fsync": "off"})
server.start()
psql = [*server.psql_argv(), "-XAtqc"]
subprocess.run([*psql, "CREATE TABLE t AS SELECT 42 AS x"], check=True)
server.stop()
server.start()
answer = subprocess.run([*psql, "SELECT x FROM t"], check=True, stdout=subprocess.PIPE).stdout
server.stop()
assert not server.is_running()
print(json.dumps({"answer": int(answer), "owner": Path(sys.argv[1], "pgdata").stat().st_uid}))
"""


def run_as(user: int, interpreter: str, script: str, *arguments: object) -> tuple[str, str]:
    """Run Python code as a user; what it says on stdout and on stderr."""
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    done = subprocess.run(
        [interpreter, "-B", "-c", script, *map(str, arguments)],
        user=user if ROOT else None,
        group=user if ROOT else None,
        extra_groups=[] if ROOT else None,
        env=environment | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd="/",
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return done.stdout, done.stderr


def interpreters(user: int) -> list[str]:
    """List one Python that the user can run: this one may be in the private folder of root."""
    script = "import bai_manager.clients.postgres.starting, psutil; print('works')"
    for candidate in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        try:
            works = run_as(user, candidate, script)[0] == "works\n"
        except OSError:
            continue
        if works:
            return [candidate]
    return []


def people() -> list[tuple[int, str]]:
    """List who can be tried: this user; for root also an ordinary one, and one without a name."""
    me = [(os.geteuid(), sys.executable)]
    nobody = pwd.getpwnam("nobody").pw_uid
    if not ROOT:
        return me
    others = [(user, found) for user in (nobody, NAMELESS) for found in interpreters(user)]
    return me + others


@pytest.mark.thorough
@pytest.mark.parametrize(("user", "interpreter"), people())
def test_root_and_ordinary_users_can_have_one(place: Path, user: int, interpreter: str) -> None:
    os.chown(place, user, -1)
    said, complaints = run_as(user, interpreter, LIFE, place / "data")
    assert complaints == ""
    assert json.loads(said) == {"answer": 42, "owner": user}


def test_root_without_capabilities_is_told_and_others_need_none(place: Path) -> None:
    drop = "import ctypes\nfor cap in range(64): ctypes.CDLL(None).prctl(24, cap, 0, 0, 0)"
    again = "import os, sys\nos.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    script = f"{drop}\n{again}"
    said, complaints = run_as(os.geteuid(), sys.executable, script, "-c", LIFE, place / "data")
    if ROOT:
        assert "PrivilegesNotDroppable: PostgreSQL does not run as root" in complaints
    else:
        assert json.loads(said)["answer"] == 42


@pytest.mark.parametrize("owner", [NAMELESS, 0] if ROOT else [os.geteuid()])
def test_the_folder_may_be_below_a_private_one(
    place: Path, stopped: EmbeddedPostgres, owner: int
) -> None:
    """Of root, or, with ``sudo``, of somebody else; and that may change."""
    private = place / "private"
    private.mkdir(mode=0o700)
    os.chown(private, owner, -1)
    with moved(stopped, private / "data") as server:
        server.start()
        assert ask(server, "SELECT 1") == 1
        server.stop()
        os.chown(private, os.geteuid(), -1)
        server.start()
        assert ask(server, "SELECT 1") == 1
        assert (server.data_dir / "pgdata").stat().st_uid == os.geteuid()


def test_a_path_too_long_for_a_socket_gets_a_short_one_elsewhere(
    place: Path, stopped: EmbeddedPostgres
) -> None:
    with moved(stopped, place / TOO_LONG) as server:
        server.start()
        folder = server.status().socket_dir
        assert folder is not None
        assert place not in folder.parents
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert str(folder) in server.dsn()
        assert ask(server, "SELECT 1") == 1
        server.stop()
        assert not folder.exists()


def test_the_address_is_known_before_the_start(place: Path, stopped: EmbeddedPostgres) -> None:
    with moved(stopped, place / TOO_LONG) as server:
        before = server.dsn()
        server.start()
        assert EmbeddedPostgres(server.data_dir).dsn() == before


def test_a_socket_folder_that_others_can_enter_is_not_used(
    place: Path, stopped: EmbeddedPostgres
) -> None:
    """After a reboot anybody can have taken the name below ``/tmp``."""
    with moved(stopped, place / TOO_LONG) as server:
        taken = Path(server.dsn().split("'")[1])
        taken.chmod(0o755)
        server.start()
        assert str(taken) not in server.dsn()
        assert ask(server, "SELECT 1") == 1
    taken.rmdir()


@pytest.mark.parametrize("name", ["with, comma", 'it\'s "quoted"', "back\\slash", "umläut $HOME"])
def test_odd_characters_in_the_path_are_no_trouble(
    place: Path, stopped: EmbeddedPostgres, name: str
) -> None:
    with moved(stopped, place / name) as server:
        server.start()
        assert ask(server, "SELECT 1") == 1


def test_the_folder_of_somebody_else_is_refused(place: Path) -> None:
    foreign = Path("/usr")
    if ROOT:
        foreign = place / "foreign"
        foreign.mkdir()
        os.chown(foreign, NAMELESS, -1)
    for use in (EmbeddedPostgres.start, EmbeddedPostgres.stop, EmbeddedPostgres.status):
        with pytest.raises(DataFolderRefused, match="belongs to uid") as caught:
            use(EmbeddedPostgres(foreign))
        assert caught.value.exit_code == ExitCode.CONFIGURATION


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_folder_that_others_may_write_in_is_refused(place: Path, mode: int) -> None:
    folder = place / "shared"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(DataFolderRefused, match=f"others may write in it \\(mode {mode:04o}\\)"):
        EmbeddedPostgres(folder).start()
    assert not list(folder.iterdir())


def test_a_path_with_a_line_break_is_refused(place: Path) -> None:
    with pytest.raises(DataFolderRefused, match="line break"):
        EmbeddedPostgres(place / "two\nlines").start()
    assert not list(place.iterdir())


def test_a_folder_that_cannot_be_made_is_a_configuration_error(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(DataFolderRefused, match="not a directory"):
        EmbeddedPostgres(place / "file" / "data").start()


def test_a_database_of_another_major_version_is_refused(place: Path) -> None:
    version = place / "pgdata" / "PG_VERSION"
    version.parent.mkdir()
    version.write_text("16\n")
    with pytest.raises(DatabaseVersionMismatch, match="made by PostgreSQL 16") as caught:
        EmbeddedPostgres(place).start()
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert [*version.parent.iterdir()] == [version]


def test_a_folder_that_is_no_database_is_left_as_it_is(place: Path) -> None:
    precious = place / "data" / "pgdata" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("all of it")
    with pytest.raises(DataFolderRefused, match="no PostgreSQL database"):
        EmbeddedPostgres(place / "data").start()
    assert precious.read_text() == "all of it"
