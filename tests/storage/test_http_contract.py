"""A storage proxy, through our client, keeps the contract of all storage.

One of tests with the manners of the real one; the same is asked of a real one in
``test_cluster_contract.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.storage.contract import *  # noqa: F403 - that is what they are there for
from tests.storage.proxies import fake_proxy, http_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bai_manager.clients.storage_proxy.http import HttpStorageClient


@pytest_asyncio.fixture
async def storage(tmp_path: Path, volume: str) -> AsyncIterator[HttpStorageClient]:
    async with (
        fake_proxy(tmp_path / "volumes", volume) as (_, server),
        http_client(server.url) as client,
    ):
        yield client
