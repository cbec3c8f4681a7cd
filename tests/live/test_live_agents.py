"""What the manager of a running cluster is told when agents are opened, closed and recounted."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from valkey import Valkey

from tests.live.conftest import CLUSTER, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import Live

pytestmark = pytest.mark.cluster

AGENT = "i-dummy-2"
CACHES = ("resource_preset:check:of-a-test", "system.total_resource_slots")
COUNTERS = ("keypair.concurrency_used.OFATEST", "keypair.sftp_concurrency_used.OFATEST")
KEPT = "resource_preset:list:of-a-test"


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """Database 0, with what a manager keeps there."""
    with Valkey.from_url(CLUSTER["BAI_CLUSTER_REDIS_URL"], db=0, decode_responses=True) as client:
        for key in (*CACHES, *COUNTERS, KEPT):
            client.set(key, "1", ex=60)
        yield client
        client.delete(*CACHES, *COUNTERS, KEPT)


@contextmanager
def overheard(client: Valkey) -> Iterator[list[str]]:
    """Every command that the server is given meanwhile, with the number of its database."""
    heard: list[str] = []
    with client.monitor() as monitor:  # type: ignore[no-untyped-call]

        def listen() -> None:
            for told in monitor.listen():
                heard.append(f"{told['db']} {told['command']}")
                if "end of the test" in told["command"]:
                    return

        thread = Thread(target=listen, daemon=True)
        thread.start()
        yield heard
        client.echo("end of the test")
        thread.join(10)


@pytest.mark.parametrize("words", [("drain",), ("undrain",)], ids=["drain", "undrain"])
def test_an_agent_that_is_closed_or_opened_is_told(
    live: Live, valkey: Valkey, words: tuple[str, ...]
) -> None:
    with overheard(valkey) as heard:
        live.json("agent", *words, AGENT)
        assert valkey.exists(*CACHES) == 0
        assert valkey.exists(*COUNTERS, KEPT) == len(COUNTERS) + 1
    assert "2 SET schedule:schedule 1" in heard
    live.json("agent", "undrain", AGENT)


def test_a_recount_is_told(live: Live, valkey: Valkey) -> None:
    with overheard(valkey) as heard:
        live.json("agent", "recalculate")
        assert valkey.exists(*CACHES, *COUNTERS) == 0
        assert valkey.exists(KEPT) == 1
    assert "2 SET schedule:schedule 1" in heard


def test_where_valkey_is_down_it_is_done_with_a_warning(live: Live, valkey: Valkey) -> None:
    nowhere = {"BAI_VALKEY_URL": "redis://127.0.0.1:1"}
    for words in (("drain", AGENT), ("undrain", AGENT), ("recalculate",)):
        done = live("agent", *words, env=nowhere)
        assert done.returncode == 0, done.stderr
        assert "it takes up to a quarter of a minute" in done.stderr
    assert valkey.exists(CACHES[0]) == 1
    assert live.json("agent", "show", AGENT)["schedulable"]


def test_a_mark_is_taken_by_the_manager(live: Live, valkey: Valkey) -> None:
    """It looks for marks every two seconds."""
    with Valkey.from_url(CLUSTER["BAI_CLUSTER_REDIS_URL"], db=2) as marks:
        live.json("agent", "undrain", AGENT)
        until(lambda: marks.exists("schedule:schedule") == 0)
    assert valkey.exists(*CACHES) == 0
