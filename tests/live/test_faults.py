"""What is said of servers that are not there, hang, break off or speak another language."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from bai_manager.clients.cluster.errors import ClusterUnknown, EtcdUnreachable
from bai_manager.clients.cluster.etcd import EtcdClient
from bai_manager.clients.cluster.signals import ManagerSignals, ValkeyUnreachable
from bai_manager.clients.faults import fault_of
from bai_manager.clients.probes import EtcdProbe, ServiceUnreachable, StorageProbe
from bai_manager.types.credentials import Secret
from tests.live.test_etcd import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bai_manager.errors import BackendAIError

NOBODY = "127.0.0.1:1"
SOON = 0.2


@asynccontextmanager
async def answering(text: bytes | None) -> AsyncIterator[str]:
    """A server that says the same to everybody and hangs up; ``None`` is silence."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if text is None:
            await reader.read()
        else:
            writer.write(text)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def said(address: str, kind: str) -> str:
    """How a part that is asked at the address says that it cannot be."""
    error: type[BackendAIError]
    if kind == "etcd":
        client = EtcdClient(f"http://{address}", namespace="local", timeout=SOON)
        question, error = client.version(), EtcdUnreachable
    elif kind == "valkey":
        signals = ManagerSignals(f"redis://{address}", password=Secret("x"), timeout=SOON)
        question, error = signals.version(), ValkeyUnreachable
    else:
        probe = StorageProbe("one", f"http://{address}", Secret("x"), timeout=SOON)
        with pytest.raises(ServiceUnreachable) as told:
            await probe.ask()
        return told.value.message
    with pytest.raises(error) as failed:
        await question
    return failed.value.message


@pytest.mark.parametrize("kind", ["etcd", "valkey", "storage"])
async def test_each_part_says_in_words_why_it_cannot_be_asked(kind: str) -> None:
    assert "does not answer: nothing listens there." in await said(NOBODY, kind)
    async with answering(None) as silent:
        assert "does not answer: no answer within 0.2 s." in await said(silent, kind)
    async with answering(b"") as curt:
        closed = (
            "Connection closed by server." if kind == "valkey" else "breaks the connection off."
        )
        assert closed in await said(curt, kind)
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as other:
        message = await said(other, kind)
        assert "Expecting value" not in message
        assert not message.endswith("..")


async def test_a_password_that_is_refused_is_told_apart() -> None:
    async with answering(b"-WRONGPASS invalid username-password pair\r\n") as address:
        assert "refuses: " in await said(address, "valkey")


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "refuses our secret"), (403, "refuses our secret"), (500, "HTTP 500")],
)
async def test_a_storage_proxy_says_whether_it_takes_our_secret(status: int, words: str) -> None:
    version = b'{"storage-proxy": "25.17.0"}'
    refusing = serving({"/": (200, version), "/volumes": (status, b"{}")})
    with refusing as (url, _), pytest.raises(ServiceUnreachable, match=words):
        await StorageProbe("one", url, Secret("x")).ask()
    with serving({"/": (200, version), "/volumes": (200, b"{}")}) as (url, _):
        assert (await StorageProbe("one", url, Secret("x")).ask()).version == "25.17.0"


async def test_an_etcd_without_the_cluster_is_none_of_ours() -> None:
    answers = {"/version": (200, b'{"etcdserver": "3.4"}'), "/v3/kv/range": (200, b"{}")}
    with serving(answers) as (url, _), pytest.raises(ClusterUnknown, match="/sorna/other/"):
        await EtcdProbe(EtcdClient(url, namespace="other")).ask()


def _caused(cause: BaseException) -> Exception:
    error = RuntimeError("a library's own words.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name is not known"),
        (ConnectionRefusedError(111, "x"), "nothing listens there"),
        (_caused(ExceptionGroup("all", [OSError(113, "x")])), "No route to host"),
        (TimeoutError(), "no answer within 5 s"),
        (httpx.ReadTimeout(""), "no answer within 5 s"),
        (ssl.SSLError(1, "x"), "TLS fails: x"),
        (ValueError("odd."), "odd"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_cause_is_told_rather_than_what_was_made_of_it(error: Exception, words: str) -> None:
    assert fault_of(error, within=5) == words
