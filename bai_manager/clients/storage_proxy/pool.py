"""The storages that a profile knows, each client made when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.errors import StorageUnknown
from bai_manager.types.status import VFolderOwnershipType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bai_manager.clients.storage_proxy.protocol import StorageClient


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageMap:
    """What the profile or etcd says (``reference/storage-proxy.md`` §2).

    ``clients`` makes the client of each storage proxy by name; ``folder_types`` are the kinds of
    owners that may have folders.
    """

    clients: Mapping[str, Callable[[], StorageClient]]
    default_host: str | None = None
    folder_types: frozenset[VFolderOwnershipType] = frozenset(VFolderOwnershipType)


class StoragePool:
    """``load`` says what there is; it is asked once."""

    def __init__(self, load: Callable[[], Awaitable[StorageMap]]) -> None:
        self._load = load
        self._map: StorageMap | None = None
        self._clients: dict[str, StorageClient] = {}

    async def map(self) -> StorageMap:
        if self._map is None:
            self._map = await self._load()
        return self._map

    async def client(self, proxy: str) -> StorageClient:
        """The client of one storage proxy. Raises ``StorageUnknown``."""
        if proxy not in self._clients:
            known = (await self.map()).clients
            if proxy not in known:
                raise StorageUnknown(proxy, known)
            self._clients[proxy] = known[proxy]()
        return self._clients[proxy]

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()
