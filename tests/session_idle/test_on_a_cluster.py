"""The whole way: a profile of a cluster; its database is real, its etcd and Valkey are not."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import psycopg

from tests.live.test_etcd import serving
from tests.session_idle.conftest import NOW
from tests.session_idle.fake_valkey import FakeValkey, Values

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.cli.conftest import Ask

RULES = {
    "config/idle/enabled": "network_timeout",
    "config/idle/checkers/network_timeout/threshold": "5m",
}


@contextmanager
def valkey(values: Values) -> Iterator[str]:
    """In a thread of its own: commands have a loop of theirs."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    server = FakeValkey(values, {}, NOW).serving()
    try:
        yield asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _etcd() -> dict[str, tuple[int, bytes]]:
    pairs = [
        {"key": _b64(f"/sorna/local/{key}"), "value": _b64(value)} for key, value in RULES.items()
    ]
    return {"/v3/kv/range": (200, json.dumps({"kvs": pairs}).encode())}


def _train(database: str) -> str:
    """The running session; its policy leaves the time-out to the checker."""
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE keypair_resource_policies SET idle_timeout = -1")
        row = connection.execute("SELECT id FROM sessions WHERE name = 'train-1'").fetchone()
    assert row is not None
    return str(row[0])


def test_what_nobody_used_for_long_is_told_and_ended_when_that_is_agreed_to(
    change: Ask, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"session.{_train(database)}.last_access"
    values: Values = {(2, key): f"{NOW.timestamp() - 200}".encode()}
    with serving(_etcd()) as (etcd, _), valkey(values) as url:
        monkeypatch.setenv("BAI_ETCD_URL", etcd)
        monkeypatch.setenv("BAI_VALKEY_URL", url)
        told = json.loads(change("alice", "session", "idle", "train-1", "-o", "json").out)
        assert told[0]["idle_checks"]["network_timeout"]["remaining"] == 100
        assert change("alice", "session", "idle", "--over", "-o", "name").out == ""
        values[2, key] = f"{NOW.timestamp() - 301}".encode()
        assert change("alice", "session", "idle", "--over", "-o", "name").out == "train-1\n"
        asked = change("root", "session", "end-idle")
        assert asked.code == 2
        assert "1 session: train-1. Nobody can be asked" in asked.err
        values[5, "leader:sokovan:scheduler"] = b"manager-1"
        refused = change("root", "session", "end-idle", "--yes")
        assert refused.code == 5
        assert "manager-1" in refused.err
        del values[5, "leader:sokovan:scheduler"]
        done = change("root", "session", "end-idle", "--yes", "-o", "json")
    assert done.code == 0, done.err
    assert [(one["name"], one["reason"]) for one in json.loads(done.out)] == [
        ("train-1", "idle-timeout")
    ]
