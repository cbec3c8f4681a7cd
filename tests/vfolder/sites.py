"""The seeded world, a storage ``local`` with two volumes, and domains that may use them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.clients.storage_proxy.paths import folder_parts
from bai_manager.clients.storage_proxy.pool import StorageMap, StoragePool
from bai_manager.models.domain import domains
from bai_manager.models.vfolder import vfolders
from bai_manager.services.vfolder.actions import CreateVFolderAction
from bai_manager.services.vfolder.types import VFolderSpec
from bai_manager.types.vfolder import VFolderHostPermission
from tests.tenants import Site, _seed, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from bai_manager.app import App
    from bai_manager.repositories.rows import AnyRow
    from bai_manager.services.vfolder.types import VFolderData
    from tests.conftest import Shape
    from tests.seeds import Person
    from tests.tenants import Seeded

HOST = "local:volume1"
EVERYTHING = [permission.value for permission in VFolderHostPermission]
FREE = {HOST: EVERYTHING, "local:volume2": EVERYTHING}


class FolderSite(Site):
    """``site`` whose apps keep folders below ``volumes``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.volumes = self._home / "volumes"
        for name in ("volume1", "volume2"):
            (self.volumes / name).mkdir(parents=True, exist_ok=True)

    def app(self, who: Person | None = None) -> App:
        app = super().app(who)
        app.storages = storages_at(self.volumes)
        return app

    async def create(
        self, name: str = "data", who: Person | None = None, **spec: Any
    ) -> VFolderData:
        """A folder of alice's, unless somebody else is named."""
        action = CreateVFolderAction(spec=VFolderSpec(name=name, **spec))
        return (await self.run(action, who or self.world.alice)).vfolder

    def path_of(self, folder: VFolderData) -> Path:
        return self.volumes.joinpath(folder.host.volume, *folder_parts(folder.vfid))

    async def row(self, folder_id: UUID) -> AnyRow:
        (row,) = await self.rows(select(vfolders).where(vfolders.c.id == folder_id))
        return row

    async def set(self, folder_id: UUID, **values: Any) -> None:
        await self.execute(update(vfolders).where(vfolders.c.id == folder_id).values(values))


def storages_at(volumes: Path) -> StoragePool:
    async def load() -> StorageMap:
        make = lambda: LocalStorageClient("local", volumes)  # noqa: E731
        return StorageMap(clients={"local": make}, default_host=HOST)

    return StoragePool(load)


async def _opened(site: FolderSite) -> AsyncIterator[FolderSite]:
    await site.execute(update(domains).values(allowed_vfolder_hosts=FREE))
    async for one in opened(site):
        assert isinstance(one, FolderSite)
        yield one


@pytest.fixture
async def folders(seeded: Seeded, tmp_path: Path) -> AsyncIterator[FolderSite]:
    """What is done to rows is rolled back; what is done to bytes is the test's own."""
    url, world = await asyncio.to_thread(seeded, "oneshot")
    async for one in _opened(FolderSite(url, world, tmp_path, rolled_back=True)):
        yield one


@pytest.fixture
async def shaped_folders(seeded: Seeded, shape: Shape, tmp_path: Path) -> AsyncIterator[FolderSite]:
    """As ``folders``, in each of the two shapes."""
    url, world = await asyncio.to_thread(seeded, shape)
    async for one in _opened(FolderSite(url, world, tmp_path, rolled_back=True)):
        yield one


@pytest.fixture
async def own_folders(database: str, tmp_path: Path) -> AsyncIterator[FolderSite]:
    """A database of the test's own: what is done is committed."""
    world = await asyncio.to_thread(_seed, database)
    async for one in _opened(FolderSite(database, world, tmp_path, rolled_back=False)):
        yield one
