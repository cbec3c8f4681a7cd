"""A folder of this machine keeps the contract of all storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.storage_proxy.local import LocalStorageClient
from tests.storage.contract import *  # noqa: F403 - that is what they are there for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def storage(tmp_path: Path, volume: str) -> LocalStorageClient:
    (tmp_path / "volumes" / volume).mkdir(parents=True)
    return LocalStorageClient("local", tmp_path / "volumes")
