from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.storage.helpers import new_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bai_manager.clients.storage_proxy.protocol import FolderRef, StorageClient

pytest.register_assert_rewrite("tests.storage.contract", "tests.storage.transfers")


@pytest.fixture
def volume() -> str:
    return "volume1"


@pytest_asyncio.fixture
async def folder(storage: StorageClient, volume: str) -> AsyncIterator[FolderRef]:
    """An empty folder in a scope of its own; it is removed at the end."""
    folder = new_folder(volume)
    await storage.create_folder(folder)
    yield folder
    await storage.delete_folder(folder)
