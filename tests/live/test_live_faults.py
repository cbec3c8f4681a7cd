"""Parts of a cluster that are down, hang, refuse or lie, while the rest of it runs."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import CLUSTER, IMAGE, SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import Live

pytestmark = pytest.mark.cluster

NOBODY = "127.0.0.1:1"


@contextmanager
def silent() -> Iterator[str]:
    """Something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def parts(live: Live, **elsewhere: str) -> dict[str, str | None]:
    """What ``status`` says of each part that does not answer."""
    done = live("status", "-o", "json", env=elsewhere)
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stderr
    return {
        part["name"]: part["detail"] for part in json.loads(done.stdout) if not part["reachable"]
    }


def test_parts_that_are_down_are_named_and_the_rest_is_shown(live: Live) -> None:
    silence = parts(
        live,
        BAI_ETCD_URL=f"http://{NOBODY}",
        BAI_VALKEY_URL=f"redis://{NOBODY}",
        BAI_PROMETHEUS_URL=f"http://{NOBODY}",
    )
    assert set(silence) == {"etcd", "valkey", "prometheus"}
    assert all(NOBODY in str(detail) for detail in silence.values())


def test_parts_that_hang_are_given_up(live: Live) -> None:
    with silent() as address:
        silence = parts(
            live,
            BAI_ETCD_URL=f"http://{address}",
            BAI_VALKEY_URL=f"redis://{address}",
            BAI_PROMETHEUS_URL=f"http://{address}",
            BAI_DATABASE_DSN=f"postgresql://postgres:x@{address}/backend",
        )
    assert set(silence) == {"database", "agents", "etcd", "valkey", "prometheus"}
    assert all(silence.values())


def test_parts_that_are_something_else_are_told(live: Live) -> None:
    """Each is asked for at another's address."""
    silence = parts(
        live,
        BAI_ETCD_URL=CLUSTER["BAI_CLUSTER_PROMETHEUS_URL"],
        BAI_VALKEY_URL=CLUSTER["BAI_CLUSTER_ETCD_URL"].replace("http:", "redis:"),
        BAI_PROMETHEUS_URL=CLUSTER["BAI_CLUSTER_ETCD_URL"],
        BAI_DATABASE_DSN=CLUSTER["BAI_CLUSTER_PG_DSN"].replace("develove", "wrong"),
    )
    assert set(silence) == {"database", "agents", "etcd", "valkey", "prometheus"}
    assert "password authentication failed" in str(silence["database"])


def test_an_agent_that_refuses_the_key_is_named(live: Live) -> None:
    silence = parts(live, BAI_AGENT_RPC_MANAGER_KEYPAIR=CLUSTER["BAI_CLUSTER_AGENT_PUBLIC_KEY"])
    assert set(silence) == {"agents"}
    assert "1 of 2 do not answer" in str(silence["agents"])
    assert "i-dummy-2" in str(silence["agents"])


def test_without_valkey_a_session_is_made_and_ended_with_a_warning(
    live: Live, session_name: str
) -> None:
    """The manager finds the rows by itself, later."""
    env = {"BAI_VALKEY_URL": f"redis://{NOBODY}"}
    words = ("session", "create", IMAGE, "-n", session_name, *SMALL, "--timeout", "120s")
    made = live(*words, env=env)
    assert made.returncode == 0, made.stderr
    assert "up to a minute" in made.stderr
    ended = live("session", "destroy", session_name, "--timeout", "150s", env=env)
    assert ended.returncode == 0, ended.stderr
    assert "up to a minute" in ended.stderr
    waited = live.json("session", "wait", session_name, "--until", "TERMINATED")
    assert waited["status"] == "TERMINATED"


def test_connecting_to_what_is_no_etcd_says_so_and_writes_nothing(live: Live) -> None:
    for address in (NOBODY, CLUSTER["BAI_CLUSTER_PROMETHEUS_URL"].removeprefix("http://")):
        error = live.error(6, "connect", "--etcd", f"http://{address}", "--name", "nowhere")
        assert address in error["message"]
    assert live("config", "profiles").stdout.count("nowhere") == 0


def test_what_is_not_to_be_connected_to_is_told_before_anything_is_written(live: Live) -> None:
    etcd = CLUSTER["BAI_CLUSTER_ETCD_URL"]
    wrong = live.error(2, "connect", "--etcd", etcd.removeprefix("http://"), "--name", "wrong")
    assert "http://HOST:PORT" in wrong["hint"]
    empty = live.error(78, "connect", "--etcd", etcd, "--namespace", "nobody", "--name", "wrong")
    assert "/sorna/nobody/" in empty["message"]
    assert "wrong" not in live("config", "profiles").stdout


def test_etcd_alone_does_not_tell_where_the_database_is(live: Live) -> None:
    done = live("connect", "--etcd", CLUSTER["BAI_CLUSTER_ETCD_URL"], "-n", "half", "-o", "json")
    assert done.returncode == 6, done.stderr
    found = {part["name"]: part for part in json.loads(done.stdout)}
    assert "database.dsn" in found["database"]["detail"]
    assert found["valkey"]["reachable"]
    assert found["storage local"]["reachable"]
