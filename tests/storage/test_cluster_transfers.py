"""A real storage proxy, through our client, moves files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.storage.proxies import cluster_client
from tests.storage.transfers import *  # noqa: F403 - that is what they are there for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bai_manager.clients.storage_proxy.http import HttpStorageClient

pytestmark = pytest.mark.cluster


@pytest_asyncio.fixture
async def storage() -> AsyncIterator[HttpStorageClient]:
    async with cluster_client() as client:
        yield client
