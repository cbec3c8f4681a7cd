"""The storages of a profile: folders of this machine, and storage proxies it or etcd names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bai_manager.clients.cluster.discovery import addresses_from_etcd
from bai_manager.clients.storage_proxy.pool import StorageMap
from bai_manager.clients.storage_proxy.rehearsal import RehearsalStorage
from bai_manager.types.status import VFolderOwnershipType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bai_manager.clients.cluster.discovery import StorageProxyAddress
    from bai_manager.clients.storage_proxy.protocol import StorageClient

_TYPES = "volumes/_types/"
_DEFAULT_HOST = "volumes/default_host"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProxyManners:
    """What only the profile says of a storage proxy: whom to trust, and its scandir-limit."""

    ca_file: Path | None = None
    listing_limit: int = 1000


def storage_map(
    *,
    folders: Mapping[str, Path],
    proxies: Mapping[str, StorageProxyAddress],
    manners: Mapping[str, ProxyManners],
    etcd: Mapping[str, str],
    default_host: str | None = None,
    rehearsed: bool = False,
) -> StorageMap:
    """What the profile says wins over etcd (keys: ``reference/storage-proxy.md`` §2).

    In a dry run (``rehearsed``) the clients only read.
    """
    found = {**addresses_from_etcd(etcd).storage, **proxies}
    clients: dict[str, Callable[[], StorageClient]] = {
        **{
            name: partial(_proxy, name, address, manners.get(name, ProxyManners()))
            for name, address in found.items()
        },
        **{name: partial(_folder, name, path) for name, path in folders.items()},
    }
    if rehearsed:
        clients = {name: partial(_rehearsed, make) for name, make in clients.items()}
    return StorageMap(
        clients=clients,
        default_host=etcd.get(_DEFAULT_HOST) or default_host,
        folder_types=_folder_types(etcd),
    )


def _folder_types(etcd: Mapping[str, str]) -> frozenset[VFolderOwnershipType]:
    named = {key.removeprefix(_TYPES) for key in etcd if key.startswith(_TYPES)}
    return frozenset(kind for kind in VFolderOwnershipType if not named or kind.value in named)


def _folder(name: str, path: Path) -> StorageClient:
    from bai_manager.clients.storage_proxy.local import LocalStorageClient  # noqa: PLC0415

    return LocalStorageClient(name, path)


def _proxy(name: str, address: StorageProxyAddress, manners: ProxyManners) -> StorageClient:
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
        ca_file=manners.ca_file,
        listing_limit=manners.listing_limit,
    )


def _rehearsed(make: Callable[[], StorageClient]) -> StorageClient:
    return RehearsalStorage(make())
