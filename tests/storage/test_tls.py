"""Storage proxies behind TLS: trusted when their authority is, and not otherwise."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.probes import ServiceUnreachable, StorageProbe
from bai_manager.clients.storage_proxy import wire
from bai_manager.clients.storage_proxy.errors import AuthorityUnreadable, StorageUnreachable
from bai_manager.clients.storage_proxy.http import HttpStorageClient
from bai_manager.clients.storage_proxy.wire import Timeouts
from bai_manager.types.credentials import Secret
from tests.storage.certificates import AUTHORITY, SERVER
from tests.storage.fake_proxy import SECRET, FakeProxy
from tests.storage.fault_server import FaultServer
from tests.storage.helpers import get, new_folder, put

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def proxy(tmp_path: Path, volume: str) -> FaultServer:
    (tmp_path / "server.pem").write_text(SERVER)
    (tmp_path / "authority.pem").write_text(AUTHORITY)
    (tmp_path / "volumes" / volume).mkdir(parents=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    return FaultServer(FakeProxy(tmp_path / "volumes"), tls=context)


def client(
    url: str,
    *,
    verify_tls: bool = True,
    ca_file: Path | None = None,
    timeouts: Timeouts | None = None,
) -> HttpStorageClient:
    return HttpStorageClient(
        "secure",
        manager_url=url,
        client_url=url,
        secret=Secret(SECRET),
        verify_tls=verify_tls,
        ca_file=ca_file,
        timeouts=timeouts,
    )


@pytest.mark.parametrize("trust", ["authority", "anybody"])
async def test_files_go_through_tls(
    proxy: FaultServer, tmp_path: Path, trust: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = tmp_path / "authority.pem"
    async with proxy, asyncio.timeout(10):
        storage = (
            client(proxy.url, ca_file=authority)
            if trust == "authority"
            else client(proxy.url, verify_tls=False)
        )
        folder = new_folder("volume1")
        await storage.create_folder(folder)
        await put(storage, folder, "file", b"x" * 2_000_000)
        assert await get(storage, folder, "file") == b"x" * 2_000_000
        monkeypatch.setattr(wire, "_MUCH", 1)
        assert await get(storage, folder, "file", 1) == b"x" * 1_999_999
        await storage.aclose()


async def test_its_health_is_asked_by_the_same_authority(
    proxy: FaultServer, tmp_path: Path
) -> None:
    secret, authority = Secret(SECRET), tmp_path / "authority.pem"
    async with proxy:
        trusting = StorageProbe("secure", proxy.url, secret, verify=True, ca_file=authority)
        assert (await trusting.ask()).version == "25.17.0"
        with pytest.raises(ServiceUnreachable):
            await StorageProbe("secure", proxy.url, secret, verify=True).ask()


async def test_unknown_authority_is_not_trusted_and_said(proxy: FaultServer) -> None:
    async with proxy:
        storage = client(proxy.url)
        with pytest.raises(StorageUnreachable, match="not trusted") as raised:
            await storage.volumes()
        assert "verify_tls" in str(raised.value.hint)
        await storage.aclose()


@pytest.mark.parametrize("behaviour", ["ends", "resets", "hangs", "babbles"])
async def test_handshake_that_comes_to_nothing_is_told_in_time(behaviour: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100 if behaviour == "resets" else 2**16)
        if behaviour == "hangs":
            await reader.read()
        elif behaviour == "babbles":
            writer.write(b"HTTP/1.1 400 This is not TLS\r\n\r\n")
        elif behaviour == "resets":
            writer.transport.abort()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        served.set()

    served = asyncio.Event()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, asyncio.timeout(5):
        port = server.sockets[0].getsockname()[1]
        storage = client(f"https://127.0.0.1:{port}", timeouts=Timeouts(connect=0.2))
        with pytest.raises(StorageUnreachable):
            await storage.volumes()
        await storage.aclose()
        await served.wait()


async def test_authority_file_that_cannot_be_read_is_a_matter_of_configuration(
    tmp_path: Path,
) -> None:
    (tmp_path / "nonsense.pem").write_text("nonsense")
    for name in ("nothing.pem", "nonsense.pem"):
        storage = client("https://127.0.0.1:1", ca_file=tmp_path / name)
        with pytest.raises(AuthorityUnreadable, match=name):
            await storage.volumes()
