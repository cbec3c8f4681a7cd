"""What is done with sessions of a running cluster: kept, served, begun anew, reported.

A dummy agent keeps no file and starts no program, and says so or says nothing; what it answers is
what is asserted here.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from valkey import Valkey

from tests.live.conftest import CLUSTER, IMAGE, SMALL, SUPERADMIN
from tests.programs import greeter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from subprocess import CompletedProcess

    from tests.live.conftest import Live, Official, Row

pytestmark = pytest.mark.cluster

Runs = dict[str, "CompletedProcess[str]"]
AGENTS = {"default": "i-dummy-1", "curve": "i-dummy-2"}


@contextmanager
def running(live: Live, *words: str) -> Iterator[str]:
    """The name of a session that runs, and is ended afterwards."""
    name = f"live-{uuid4().hex[:8]}"
    live.json("session", "create", IMAGE, "-n", name, *SMALL, *words, "--timeout", "90s")
    try:
        yield name
    finally:
        live("session", "destroy", name, "--timeout", "60s")


def while_known(live: Live, verbs: Mapping[str, tuple[str, ...]], *words: str) -> Runs:
    """Run all at once on a new session; on another, where its dummy had its minute meanwhile."""
    done: Runs = {}
    for _ in range(5):
        with running(live, *words) as name, ThreadPoolExecutor() as threads:
            runs = threads.map(
                lambda verb, name=name: live("session", *verb.split(), name, *verbs[verb]), verbs
            )
            done = dict(zip(verbs, runs, strict=True))
        if not any("does not know kernel" in run.stderr for run in done.values()):
            break
    return done


def assert_healthy(live: Live, group: str) -> None:
    shown = live.json("agent", "show", AGENTS[group])
    assert (shown["status"], shown["health"]) == ("ALIVE", "ok")


@pytest.fixture
def keeping_project(live: Live) -> Iterator[str]:
    """A project whose images go to a registry, and of which the superadmin is a member."""
    name = f"keep-{uuid4().hex[:8]}"
    registry = ("--container-registry", "cr.backend.ai/stable")
    live.json("group", "create", name, "--domain", "default", *registry)
    live.json("group", "members", "add", name, SUPERADMIN[0])
    yield name
    live("group", "purge", name, "--confirm", name)


@pytest.mark.parametrize("group", AGENTS, ids=["plain", "curve"])
def test_a_session_is_kept_in_a_file_and_as_an_image(
    live: Live, keeping_project: str, group: str
) -> None:
    done = while_known(
        live,
        {
            "commit": ("-o", "json"),
            "commit-status": ("-o", "json"),
            "convert-to-image": ("mine", "--timeout", "30s", "-o", "json"),
        },
        *("--project", keeping_project, "--scaling-group", group),
    )
    assert {verb: run.stderr for verb, run in done.items() if run.returncode != 0} == {}
    kept, status, image = (json.loads(run.stdout) for run in done.values())
    assert kept["path"].startswith(f"{SUPERADMIN[0]}/live-")
    assert kept["task_id"]
    assert status["status"] in {"ready", "ongoing"}
    name, _, tag = image["image"].rpartition(":")
    assert name == "cr.backend.ai/stable/python"
    assert tag.startswith("3.9-ubuntu20.04-customized_")
    assert_healthy(live, group)


@pytest.mark.parametrize("group", AGENTS, ids=["plain", "curve"])
def test_a_restart_arrives_and_the_dummy_s_failure_is_told(
    live: Live, rows: Callable[..., list[Row]], group: str
) -> None:
    """It unpickles what it never wrote of its kernel; the session runs on as it was."""
    statement = "SELECT status, status_history, num_queries FROM sessions WHERE name = %s"
    for _ in range(5):
        with running(live, "--scaling-group", group) as name:
            [before] = rows(statement, name)
            done = live("session", "restart", name, "-o", "json")
            [after] = rows(statement, name)
        if "does not know kernel" not in done.stderr:
            break
    assert done.returncode == 1, done.stderr
    error = json.loads(done.stderr)["error"]
    assert error["details"] == {"agent": AGENTS[group], "name": "EOFError"}
    assert after == {**before, "num_queries": before["num_queries"] + 1}
    assert_healthy(live, group)


def test_what_a_watcher_left_in_valkey_is_reported(live: Live, official: Official) -> None:
    with running(live) as name, Valkey.from_url(CLUSTER["BAI_CLUSTER_REDIS_URL"], db=0) as valkey:
        unreported = live.json("session", "abuse-report", name)
        assert unreported["abuse_report"] is None
        valkey.hset("abuse_report", unreported["kernel"], json.dumps("detected"))
        try:
            assert live.json("session", "abuse-report", name)["abuse_report"] == "detected"
            theirs = official("session", "abuse-history", unreported["session_id"])
            assert "detected" in theirs
        finally:
            valkey.hdel("abuse_report", unreported["kernel"])


@pytest.fixture
def program() -> Iterator[int]:
    """The port of a program, as if a kernel had opened it."""
    with greeter() as listening:
        yield listening


def test_services_are_listed_and_reached_through_the_app_proxy(
    live: Live, rows: Callable[..., list[Row]], program: int
) -> None:
    """The image of the test cluster serves nothing, so the row is told what it would."""
    with running(live) as name:
        assert live.json("session", "service", "list", name) == []
        missing = live.error(3, "session", "service", "start", name, "web")
        assert "has no service 'web'; it has: none" in missing["message"]
        rows(
            "UPDATE kernels SET service_ports = %s WHERE session_name = %s RETURNING id",
            json.dumps([port("web", "preopen", program), port("ttyd", "http", program)]),
            name,
        )
        listed = live.json("session", "service", "list", name)
        assert [(app["name"], app["host_ports"]) for app in listed] == [
            ("web", [program]),
            ("ttyd", [program]),
        ]
        started = live.json("session", "service", "start", name, "web")
        shown = live("session", "service", "url", name, "web").stdout.strip()
        for url in (started["url"], shown):
            answer = httpx.get(url, follow_redirects=True, trust_env=False)
            assert (answer.status_code, answer.text) == (200, "hello")


def test_a_dummy_says_that_it_started_no_program(
    live: Live, rows: Callable[..., list[Row]], program: int
) -> None:
    for _ in range(5):
        with running(live) as name:
            rows(
                "UPDATE kernels SET service_ports = %s WHERE session_name = %s RETURNING id",
                json.dumps([port("ttyd", "http", program)]),
                name,
            )
            started = live("session", "service", "start", name, "ttyd")
            stopped = live("session", "service", "stop", name, "ttyd")
        if not any("does not know kernel" in run.stderr for run in (started, stopped)):
            break
    assert started.returncode == 1
    assert "the agent does not say that it started" in started.stderr
    assert stopped.returncode == 0, stopped.stderr


def port(name: str, protocol: str, number: int) -> dict[str, object]:
    return {
        "name": name,
        "protocol": protocol,
        "container_ports": [8000],
        "host_ports": [number],
        "is_inference": False,
    }
