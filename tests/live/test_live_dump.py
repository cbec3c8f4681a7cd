"""A real manager on a dump of a database of ours: what grew on one machine can move on."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import psycopg
import pytest

from bai_manager.clients.postgres.binaries import find_program, run_program
from tests.cli.conftest import new_home
from tests.live.conftest import CLUSTER, Keypair, Official, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.cli.conftest import Home

pytestmark = pytest.mark.cluster

SESSIONS = """
query = "{ compute_session_list(limit: 9, offset: 0) { items { name status } } }"
tell(session.Admin.query(query, {})["compute_session_list"]["items"])
"""
USERS = """
tell([user["email"] for user in session.User.list(status="active")])
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], folder: Path, log: str) -> Iterator[Path]:
    """A program in the environment of the cluster's own; its log."""
    root = Path(CLUSTER["BAI_CLUSTER_ROOT"])
    environ = {
        "PATH": f"{root}/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "BAI_CLUSTER_GUARD_LOG": str(folder / "guard.log"),
        "DOCKER_HOST": "tcp://127.0.0.1:9",
    }
    path = folder / log
    with path.open("w") as stream:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        try:
            yield path
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait(5)


@contextmanager
def restored(dump: Path) -> Iterator[str]:
    """The dump in a database of the cluster's own server: its name."""
    name = f"moved_{uuid4().hex[:12]}"
    server = CLUSTER["BAI_CLUSTER_PG_DSN"].rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            subprocess.run(
                [CLUSTER["BAI_CLUSTER_PSQL"], "-Xqf", str(dump), f"{server}/{name}"],
                check=True,
                capture_output=True,
            )
            yield name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def namespace(redis_port: int) -> Iterator[str]:
    """The cluster's etcd keys below another namespace, with another Redis."""
    name = f"moved{uuid4().hex[:8]}"
    environ = {**CLUSTER, "ETCDCTL_API": "3"}
    etcdctl = ["etcdctl", f"--endpoints={CLUSTER['BAI_CLUSTER_ETCD_URL']}"]

    def etcd(*words: str) -> str:
        done = subprocess.run(
            [*etcdctl, *words], env=environ, check=True, capture_output=True, text=True
        )
        return done.stdout

    prefix = CLUSTER["BAI_CLUSTER_ETCD_PREFIX"]
    for part in ("config/", "volumes/"):
        lines = etcd("get", "--prefix", f"{prefix}/{part}").split("\n")
        for key, value in zip(lines[::2], lines[1::2], strict=False):
            moved = f"127.0.0.1:{redis_port}" if key.endswith("config/redis/addr") else value
            etcd("put", "--", key.replace(prefix, f"/sorna/{name}", 1), moved)
    try:
        yield name
    finally:
        etcd("del", "--prefix", f"/sorna/{name}/")


@contextmanager
def manager_on(database: str, folder: Path) -> Iterator[str]:
    """The address of a manager with its own Redis and etcd namespace."""
    ports = [free_port() for _ in range(5)]
    redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(ports[0]), "--save", ""]
    with ExitStack() as stack:
        stack.enter_context(running(redis, folder, "redis.log"))
        etcd_namespace = stack.enter_context(namespace(ports[0]))
        root = Path(CLUSTER["BAI_CLUSTER_ROOT"])
        config = folder / "manager.toml"
        config.write_text(
            manager_toml((root / "etc/manager.toml").read_text(), folder, ports[1:])
            .replace('"local"', f'"{etcd_namespace}"', 1)
            .replace('"backend"', f'"{database}"', 1)
        )
        command = [str(root / "venv/bin/python"), "-m", "ai.backend.manager.server", "-f"]
        log = stack.enter_context(running([*command, str(config)], folder, "manager.log"))
        url = f"http://127.0.0.1:{ports[1]}"
        try:
            until(lambda: answers(url), patience=90)
        except AssertionError:
            raise AssertionError(log.read_text()[-4000:]) from None
        yield url


def manager_toml(text: str, folder: Path, ports: Sequence[int]) -> str:
    """The cluster's own file with other ports and another folder for its sockets."""
    (folder / "ipc").mkdir()
    text = re.sub(r"(ipc-base-path = ).*", rf'\1"{folder}/ipc"', text)
    used = re.findall(r"^(?:service|internal)-addr = .*port = (\d+)", text, re.MULTILINE)
    used += re.findall(r"^aiomonitor-\w+-port = (\d+)", text, re.MULTILINE)
    for old, new in zip(used, ports, strict=True):
        text = re.sub(rf"\b{old}\b", str(new), text)
    return text


def answers(url: str) -> bool:
    try:
        answer: dict[str, str] = httpx.get(url, timeout=5, trust_env=False).json()
    except httpx.HTTPError:
        return False
    return answer["manager"] == "25.17.0"


def dumped(home: Home, folder: Path) -> Path:
    """What the wheel's own pg_dump writes of an embedded database."""
    file = folder / "dump.sql"
    program = find_program("pg_dump")
    done = run_program([program, "--no-owner", "-f", str(file), home.postgres.dsn()])
    assert done.returncode == 0, done.stderr
    return file


def superadmin_of(home: Home) -> Keypair:
    with psycopg.connect(home.postgres.dsn()) as connection:
        found = connection.execute("SELECT access_key, secret_key FROM keypairs").fetchone()
    assert found is not None
    return Keypair(*found)


def test_a_real_manager_starts_on_our_database_and_its_client_lists_what_is_in_it(
    tmp_path: Path,
) -> None:
    assert shutil.which("redis-server"), "this test needs the program itself"
    with new_home() as home:
        admin = superadmin_of(home)
        secret = str(tmp_path / "eve.env")
        assert home.run("user", "create", "eve@example.com", "--secret-file", secret) == 0
        assert home.run("session", "create", "python", "--name", "moving-on") == 0
        dump = dumped(home, tmp_path)
        assert home.run("session", "destroy", "moving-on") == 0
    with restored(dump) as database, manager_on(database, tmp_path) as url:
        client = Official(url)
        assert client.program(SESSIONS, who=admin) == [{"name": "moving-on", "status": "RUNNING"}]
        assert set(client.program(USERS, who=admin)) == {"admin@localhost", "eve@example.com"}
        assert "moving-on" in client("session", "list", who=admin)
