"""The storages of a profile: folders of this machine, and storage proxies it or etcd names."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bai_manager.clients.cluster.discovery import StorageProxyAddress, addresses_from_etcd
from bai_manager.clients.storage_proxy.pool import StorageMap
from bai_manager.clients.storage_proxy.rehearsal import RehearsalStorage
from bai_manager.types.status import VFolderOwnershipType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bai_manager.clients.storage_proxy.protocol import StorageClient
    from bai_manager.config.settings import Settings, StorageSettings

_TYPES = "volumes/_types/"
_DEFAULT_HOST = "volumes/default_host"
_OWN_HOST = "local:volume1"


def storage_map(
    settings: Settings, *, folder: Path, etcd: Mapping[str, str], rehearsed: bool = False
) -> StorageMap:
    """What the profile says wins over etcd (keys: ``reference/storage-proxy.md`` §2).

    ``folder`` is the storage ``local`` of one machine. In a dry run (``rehearsed``) the clients
    only read.
    """
    embedded = settings.kind == "embedded"
    clients: dict[str, Callable[[], StorageClient]] = {}
    if embedded:
        clients["local"] = partial(_folder, "local", folder)
    for name, address in addresses_from_etcd(etcd).storage.items():
        clients[name] = partial(_proxy, name, address, settings.storage.get(name))
    for name, one in settings.storage.items():
        if one.path is not None:
            clients[name] = partial(_folder, name, one.path)
        elif one.manager_url is not None:
            address = StorageProxyAddress(
                manager_url=one.manager_url,
                client_url=one.client_url,
                secret=one.secret,
                verify_tls=one.verify_tls,
            )
            clients[name] = partial(_proxy, name, address, one)
    if rehearsed:
        clients = {name: partial(_rehearsed, make) for name, make in clients.items()}
    return StorageMap(
        clients=clients,
        default_host=etcd.get(_DEFAULT_HOST) or (_OWN_HOST if embedded else None),
        folder_types=_folder_types(etcd),
    )


def _folder_types(etcd: Mapping[str, str]) -> frozenset[VFolderOwnershipType]:
    named = {key.removeprefix(_TYPES) for key in etcd if key.startswith(_TYPES)}
    return frozenset(kind for kind in VFolderOwnershipType if not named or kind.value in named)


def _folder(name: str, path: Path) -> StorageClient:
    from bai_manager.clients.storage_proxy.local import LocalStorageClient  # noqa: PLC0415

    return LocalStorageClient(name, path)


def _proxy(name: str, address: StorageProxyAddress, own: StorageSettings | None) -> StorageClient:
    """``own`` is what the profile says, of which the authority and the limit are in no etcd."""
    from bai_manager.clients.storage_proxy.http import (  # noqa: PLC0415 - imports httpx
        HttpStorageClient,
    )
    from bai_manager.types.credentials import Secret  # noqa: PLC0415

    return HttpStorageClient(
        name,
        manager_url=address.manager_url,
        client_url=address.client_url or address.manager_url,
        secret=address.secret or Secret(""),
        verify_tls=address.verify_tls,
        ca_file=own.ca_file if own else None,
        listing_limit=own.listing_limit if own else 1000,
    )


def _rehearsed(make: Callable[[], StorageClient]) -> StorageClient:
    return RehearsalStorage(make())
