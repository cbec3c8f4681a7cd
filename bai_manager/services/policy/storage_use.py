"""What quota scopes hold: their storages are asked, and given little time to answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.clients.storage_proxy.errors import QuotaScopeMissing
from bai_manager.errors import BackendAIError
from bai_manager.types.vfolder import StorageHost

if TYPE_CHECKING:
    from bai_manager.clients.storage_proxy.pool import StoragePool
    from bai_manager.repositories.storage import StorageRepository
    from bai_manager.types.vfolder import QuotaScopeID

PATIENCE: Final = 2.0
"""How many seconds a storage may take to count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScopeUse:
    """What a quota scope holds on one host, in bytes, and the limit that its storage has for it.

    No ``host`` is a scope without folders anywhere. ``unknown`` says why ``used`` is None.
    """

    host: str | None
    used: int | None
    limit: int | None = None
    unknown: str | None = None


class ScopeUses:
    """Asks every storage where a scope has folders, all at the same time."""

    def __init__(
        self, *, storage: StorageRepository, storages: StoragePool, patience: float = PATIENCE
    ) -> None:
        self._storage = storage
        self._storages = storages
        self._patience = patience

    async def of(self, scope: QuotaScopeID) -> list[ScopeUse]:
        """One for each host; never fails."""
        hosts = await self._storage.hosts_of(scope)
        if not hosts:
            return [ScopeUse(host=None, used=0)]
        try:
            async with asyncio.timeout(self._patience):
                await self._storages.map()
        except (TimeoutError, BackendAIError) as error:
            return [self._unknown(host, error) for host in hosts]
        return [*await asyncio.gather(*(self._use(scope, host) for host in hosts))]

    async def _use(self, scope: QuotaScopeID, host: str) -> ScopeUse:
        try:
            where = StorageHost.parse(host)
            async with asyncio.timeout(self._patience):
                client = await self._storages.client(where.proxy)
                found = await client.quota_scope(where.volume, scope)
        except QuotaScopeMissing:
            return ScopeUse(host=host, used=0)
        except (TimeoutError, BackendAIError) as error:
            return self._unknown(host, error)
        unknown = f"{host} does not count what a quota scope holds"
        return ScopeUse(
            host=host,
            used=found.used_bytes,
            limit=found.limit_bytes,
            unknown=unknown if found.used_bytes is None else None,
        )

    def _unknown(self, host: str, error: Exception) -> ScopeUse:
        said = (
            error.message
            if isinstance(error, BackendAIError)
            else f"{host} did not count within {self._patience:g} s"
        )
        return ScopeUse(host=host, used=None, unknown=said)
