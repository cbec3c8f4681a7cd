"""What the storages say of themselves, and the limits on them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bai_manager.clients.storage_proxy.errors import QuotaScopeMissing
from bai_manager.clients.storage_proxy.protocol import QuotaScopeUsage
from bai_manager.errors import BackendAIError, InvalidInput
from bai_manager.services.storage.actions import (
    GetQuotaActionResult,
    ListStorageHostsActionResult,
    QuotaActionResult,
)
from bai_manager.services.storage.errors import NoHostForQuota, QuotaScopeUnsupported
from bai_manager.services.storage.types import QuotaData, StorageHostData
from bai_manager.types.errors import InvalidStorageHost
from bai_manager.types.vfolder import QuotaScopeID, QuotaScopeType, StorageHost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bai_manager.actions.base import ActionResult
    from bai_manager.clients.storage_proxy.pool import StoragePool
    from bai_manager.clients.storage_proxy.protocol import Volume, VolumeUsage
    from bai_manager.repositories.storage import StorageRepository
    from bai_manager.services.storage.actions import (
        GetQuotaAction,
        ListStorageHostsAction,
        QuotaAction,
        SetQuotaAction,
        UnsetQuotaAction,
    )
    from bai_manager.types.vfolder import HostPermissions


_ALL: Final = "*"
"""Stands for the volumes of a storage that does not answer."""


class StorageService:
    def __init__(self, *, storage: StorageRepository, storages: StoragePool) -> None:
        self._storage = storage
        self._storages = storages

    async def list_storage_hosts(
        self, action: ListStorageHostsAction
    ) -> ListStorageHostsActionResult:
        """Hosts that domain, projects or policy name; for who sees everything, also the others."""
        found = await self._storages.map()
        allowed: HostPermissions = {}
        if action.requester is not None:
            allowed = await self._storage.allowed_hosts(
                action.requester, action.requester_key or ""
            )
        sees_all = action.visible is not None and action.visible.domain_name is None
        named = {text: host for text in allowed if (host := _host(text)) is not None}
        proxies = {host.proxy for host in named.values()}
        if sees_all:
            proxies |= found.clients.keys()
        asked = await asyncio.gather(*(self._volumes(proxy) for proxy in sorted(proxies)))
        hosts = [one for volumes in asked for one in volumes]
        shown = [one for one in hosts if sees_all or str(one.host) in allowed]
        missing = sorted({*named} - {str(one.host) for one in shown})
        shown = [one for one in shown if one.host.volume != _ALL or not _speaks(one, missing)]
        shown += [_silent(named[host], hosts) for host in missing]
        return ListStorageHostsActionResult(
            hosts=[
                _as_seen(one, allowed, found.default_host, in_bytes=sees_all)
                for one in sorted(shown, key=lambda one: str(one.host))
            ]
        )

    async def get_quota(self, action: GetQuotaAction) -> GetQuotaActionResult:
        """Use and limit, host by host."""
        scope = _scope_of(action)
        hosts = await self._hosts(action, scope)
        if not hosts:
            raise NoHostForQuota
        return GetQuotaActionResult(
            quotas=[await self._quota(scope, StorageHost.parse(host)) for host in hosts]
        )

    async def set_quota(self, action: SetQuotaAction) -> QuotaActionResult:
        """A limit; the scope is made where there is none yet."""
        if action.limit_bytes <= 0:
            raise InvalidInput(
                "A limit is at least one byte.", hint="'vfolder quota unset' takes it away."
            )
        scope, host = _scope_of(action), await self._one_host(action)
        client = await self._storages.client(host.proxy)
        await client.set_quota(host.volume, scope, action.limit_bytes)
        return QuotaActionResult(quota=await self._quota(scope, host))

    async def unset_quota(self, action: UnsetQuotaAction) -> QuotaActionResult:
        """No limit."""
        scope, host = _scope_of(action), await self._one_host(action)
        client = await self._storages.client(host.proxy)
        await client.unset_quota(host.volume, scope)
        return QuotaActionResult(quota=await self._quota(scope, host))

    async def _hosts(self, action: QuotaAction[ActionResult], scope: QuotaScopeID) -> list[str]:
        """The host asked for, those where the scope has folders, or the default one."""
        if action.host is not None:
            return [action.host]
        default = (await self._storages.map()).default_host
        return await self._storage.hosts_of(scope) or ([default] if default else [])

    async def _one_host(self, action: QuotaAction[ActionResult]) -> StorageHost:
        """The only one of these, if it keeps quotas."""
        hosts = await self._hosts(action, _scope_of(action))
        if len(hosts) != 1:
            raise NoHostForQuota(hosts)
        (text,) = hosts
        host = StorageHost.parse(text)
        volume = await self._volume(host)
        if volume is not None and not volume.has_quotas:
            raise QuotaScopeUnsupported(host, volume.backend)
        return host

    async def _quota(self, scope: QuotaScopeID, host: StorageHost) -> QuotaData:
        client = await self._storages.client(host.proxy)
        volume = await self._volume(host)
        try:
            found = await client.quota_scope(host.volume, scope)
        except QuotaScopeMissing:  # it is made with the first folder
            found = QuotaScopeUsage(used_bytes=0, limit_bytes=None)
        return QuotaData(
            scope=scope,
            host=host,
            enforced=volume is not None and volume.has_quotas,
            used_bytes=found.used_bytes,
            limit_bytes=found.limit_bytes,
            policy_limit=await self._storage.policy_limit(scope),
        )

    async def _volume(self, host: StorageHost) -> Volume | None:
        volumes = await (await self._storages.client(host.proxy)).volumes()
        return next((one for one in volumes if one.name == host.volume), None)

    async def _volumes(self, proxy: str) -> list[StorageHostData]:
        """All volumes of a storage; one without a name where it does not answer."""
        try:
            client = await self._storages.client(proxy)
            return [
                _data(
                    StorageHost(proxy, volume.name), volume, await client.volume_usage(volume.name)
                )
                for volume in await client.volumes()
            ]
        except BackendAIError as error:
            return [_failed(StorageHost(proxy, _ALL), error.message)]


def _scope_of(action: QuotaAction[ActionResult]) -> QuotaScopeID:
    if action.group_id is not None:
        return QuotaScopeID(QuotaScopeType.PROJECT, action.group_id)
    if action.owner_id is not None:
        return QuotaScopeID(QuotaScopeType.USER, action.owner_id)
    raise NoHostForQuota


def _host(text: str) -> StorageHost | None:
    """None for what is no host: a map of permissions may hold anything."""
    try:
        return StorageHost.parse(text)
    except InvalidStorageHost:
        return None


def _data(host: StorageHost, volume: Volume, usage: VolumeUsage) -> StorageHostData:
    part = 100 * usage.used_bytes / usage.capacity_bytes if usage.capacity_bytes else 0.0
    return StorageHostData(
        host=host,
        is_default=False,
        permissions=[],
        backend=volume.backend,
        capabilities=sorted(volume.capabilities),
        used_percent=round(part, 1),
        used_bytes=usage.used_bytes,
        capacity_bytes=usage.capacity_bytes,
    )


def _failed(host: StorageHost, why: str) -> StorageHostData:
    return StorageHostData(host=host, is_default=False, permissions=[], capabilities=[], error=why)


def _speaks(failed: StorageHostData, missing: Iterable[str]) -> bool:
    """Whether a host that is named will say why its storage does not answer."""
    return any(host.startswith(f"{failed.host.proxy}:") for host in missing)


def _silent(host: StorageHost, asked: Iterable[StorageHostData]) -> StorageHostData:
    """A host that is allowed, but that its storage does not speak of."""
    errors = (one.error for one in asked if one.host.proxy == host.proxy and one.error)
    return _failed(host, next(errors, f"Storage {host.proxy} has no volume {host.volume}."))


def _as_seen(
    data: StorageHostData, allowed: HostPermissions, default: str | None, *, in_bytes: bool
) -> StorageHostData:
    host = str(data.host)
    return replace(
        data,
        is_default=host == default,
        permissions=sorted(allowed.get(host, frozenset())),
        used_bytes=data.used_bytes if in_bytes else None,
        capacity_bytes=data.capacity_bytes if in_bytes else None,
    )
