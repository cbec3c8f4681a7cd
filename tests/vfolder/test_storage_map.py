"""Which storages a profile knows (``reference/storage-proxy.md`` §2), and those of a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from bai_manager.clients.storage_proxy.errors import StorageUnknown
from bai_manager.clients.storage_proxy.http import HttpStorageClient
from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.clients.storage_proxy.pool import StoragePool
from bai_manager.clients.storage_proxy.profile import storage_map
from bai_manager.clients.storage_proxy.protocol import FolderRef
from bai_manager.clients.storage_proxy.rehearsal import RehearsalStorage
from bai_manager.config.settings import Settings
from bai_manager.types.status import VFolderOwnershipType
from bai_manager.types.vfolder import QuotaScopeID, QuotaScopeType, VFolderID

if TYPE_CHECKING:
    from pathlib import Path

    from bai_manager.clients.storage_proxy.pool import StorageMap

ETCD = {
    "volumes/default_host": "far:volume1",
    "volumes/_types/user": "",
    "volumes/proxies/far/manager_api": "http://127.0.0.1:1",
    "volumes/proxies/far/secret": "hidden",
    "volumes/proxies/near/manager_api": "http://127.0.0.1:2",
}


async def test_one_machine_has_a_folder_and_what_the_profile_adds(tmp_path: Path) -> None:
    more = Settings.model_validate({"storage": {"disk": {"path": str(tmp_path)}}})
    found = storage_map(more, folder=tmp_path, etcd={})
    assert {*found.clients} == {"local", "disk"}
    assert all(isinstance(make(), LocalStorageClient) for make in found.clients.values())
    assert (found.default_host, found.folder_types) == (
        "local:volume1",
        frozenset(VFolderOwnershipType),
    )


async def test_a_cluster_has_what_etcd_says_but_for_what_the_profile_says(tmp_path: Path) -> None:
    own = {"kind": "cluster", "storage": {"near": {"path": str(tmp_path)}}}
    found = storage_map(Settings.model_validate(own), folder=tmp_path, etcd=ETCD)
    made = {name: make() for name, make in found.clients.items()}
    assert {name: type(client) for name, client in made.items()} == {
        "far": HttpStorageClient,
        "near": LocalStorageClient,
    }
    assert (found.default_host, found.folder_types) == (
        "far:volume1",
        frozenset({VFolderOwnershipType.USER}),
    )


async def test_an_unknown_storage_is_named_beside_those_there_are(tmp_path: Path) -> None:
    async def load() -> StorageMap:
        return storage_map(Settings(), folder=tmp_path, etcd={})

    pool = StoragePool(load)
    with pytest.raises(StorageUnknown, match="moon is; known: local"):
        await pool.client("moon")
    assert await pool.client("local") is await pool.client("local")
    await pool.aclose()


async def test_a_dry_run_reads_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "volume1").mkdir()
    storage = storage_map(Settings(), folder=tmp_path, etcd={}, rehearsed=True).clients["local"]()
    assert isinstance(storage, RehearsalStorage)
    scope = QuotaScopeID(QuotaScopeType.USER, UUID(int=1))
    folder = FolderRef("volume1", VFolderID(scope, UUID(int=2)))
    await storage.create_folder(folder, scope_limit_bytes=1)
    assert await storage.folder_exists(folder)
    assert (await storage.folder_usage(folder)).file_count == 0
    await storage.set_quota("volume1", scope, 5)
    await storage.delete_folder(folder)
    assert [one.name for one in await storage.volumes()] == ["volume1"]
    assert [*(tmp_path / "volume1").iterdir()] == []
