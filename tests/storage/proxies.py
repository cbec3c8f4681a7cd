"""Storage proxies for tests: one of our own that can be made to fail, and the cluster's."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.http import HttpStorageClient
from bai_manager.clients.storage_proxy.wire import Timeouts
from bai_manager.types.credentials import Secret
from tests.storage.fake_proxy import SECRET, FakeProxy
from tests.storage.fault_server import FaultServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

IMPATIENT = Timeouts(connect=2, answer=2, stall=2, task=5, settle=0.02)


@asynccontextmanager
async def fake_proxy(
    root: Path, volume: str, *, listing_limit: int = 1000
) -> AsyncIterator[tuple[FakeProxy, FaultServer]]:
    (root / volume).mkdir(parents=True)
    proxy = FakeProxy(root, listing_limit=listing_limit)
    async with FaultServer(proxy) as server:
        yield proxy, server


@asynccontextmanager
async def http_client(
    url: str, *, timeouts: Timeouts = IMPATIENT, listing_limit: int = 1000, secret: str = SECRET
) -> AsyncIterator[HttpStorageClient]:
    client = HttpStorageClient(
        "fake",
        manager_url=url,
        client_url=url,
        secret=Secret(secret),
        timeouts=timeouts,
        listing_limit=listing_limit,
    )
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def cluster_client() -> AsyncIterator[HttpStorageClient]:
    """The storage proxy of a cluster, named by the environment; its volumes are here."""
    client = HttpStorageClient(
        "local",
        manager_url=os.environ["BAI_CLUSTER_STORAGE_URL"],
        client_url=os.environ["BAI_CLUSTER_STORAGE_CLIENT_URL"],
        secret=Secret(os.environ["BAI_CLUSTER_STORAGE_SECRET"]),
    )
    try:
        yield client
    finally:
        await client.aclose()
