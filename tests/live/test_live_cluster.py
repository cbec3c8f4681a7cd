"""On a running Backend.AI 25.17 cluster: attach, create, list, show, destroy, both ways."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.cluster

CLUSTER = dict(os.environ)
"""As it was before each test is given an environment of its own."""

IMAGE = "cr.backend.ai/stable/python:3.9-ubuntu20.04"


@pytest.fixture
def live(run_cli: Run) -> Run:
    """Our command line on a profile that was made by ``connect``, as the superadmin."""
    manager_toml = Path(CLUSTER["BAI_CLUSTER_ROOT"]) / "etc" / "manager.toml"
    who = {
        "BAI_ACCESS_KEY": CLUSTER["BACKEND_ACCESS_KEY"],
        "BAI_SECRET_KEY": CLUSTER["BACKEND_SECRET_KEY"],
    }
    connected = run_cli("connect", "--manager-toml", str(manager_toml), "--name", "live")
    assert connected.returncode == 0, connected.stderr

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return run_cli("--profile", "live", *args, env=who)

    return run


@pytest.fixture
def session_name(live: Run) -> Iterator[str]:
    name = f"live-{uuid4().hex[:8]}"
    yield name
    live("session", "destroy", name, "--timeout", "60s")


def official(*args: str) -> str:
    """The output of the official client."""
    done = subprocess.run(
        [CLUSTER["BAI_CLUSTER_CLIENT"], *args],
        env=CLUSTER,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_status_finds_every_part(live: Run) -> None:
    status = live("status", "-o", "json")
    assert status.returncode == 0, status.stderr
    names = {dependency["name"] for dependency in json.loads(status.stdout)}
    assert {"database", "etcd", "valkey", "prometheus", "storage local"} <= names


def test_our_session_is_run_by_the_manager_and_seen_by_the_official_client(
    live: Run, session_name: str
) -> None:
    made = live(
        *("session", "create", IMAGE, "-n", session_name, "-r", "cpu=1", "-r", "mem=1g"),
        *("--timeout", "90s", "-o", "json"),
    )
    assert made.returncode == 0, made.stderr
    session = json.loads(made.stdout)
    assert session["status"] == "RUNNING"
    assert set(session["status_history"]) == {
        *("PENDING", "SCHEDULED", "PREPARING", "PREPARED", "CREATING", "RUNNING")
    }
    assert session_name in official("session", "list")
    official("session", "destroy", session_name)
    ended = live("session", "wait", session_name, "--until", "TERMINATED", "--timeout", "60s")
    assert ended.returncode == 0, ended.stderr


def test_the_official_clients_session_is_seen_and_destroyed_by_us(
    live: Run, session_name: str
) -> None:
    official(*("session", "create", "--name", session_name, "-r", "cpu=1", "-r", "mem=1g"), IMAGE)
    shown = live("session", "show", session_name, "-o", "json")
    assert shown.returncode == 0, shown.stderr
    session = json.loads(shown.stdout)
    assert session["requested_slots"] == {"cpu": "1", "mem": "1073741824"}
    assert session_name in live("session", "list", "-o", "name").stdout.split()
    done = live("session", "destroy", session_name, "--timeout", "60s", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "terminated"
    assert session_name not in official("session", "list")
