"""Finds a cluster's parts in the manager's own configuration file and in etcd."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from bai_manager.clients.cluster.errors import ManagerConfigInvalid
from bai_manager.types.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DEFAULT_KEYPAIR = "fixtures/manager/manager.key_secret"
_SENTINEL = "config/redis/sentinel"


@dataclass(frozen=True, kw_only=True, slots=True)
class EtcdAddress:
    url: str
    namespace: str
    user: str | None
    password: Secret | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ManagerConfig:
    """What ``manager.toml`` says; paths in it are relative to the manager's working folder."""

    etcd: EtcdAddress
    dsn: Secret
    rpc_keypair: Path | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageProxyAddress:
    manager_url: str
    client_url: str | None
    secret: Secret | None
    verify_tls: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterAddresses:
    """What etcd says; None for what the cluster does not have."""

    valkey_url: str | None
    valkey_password: Secret | None
    prometheus_url: str | None
    storage: Mapping[str, StorageProxyAddress]


def read_manager_toml(file: Path) -> ManagerConfig:
    """Read the parts a profile needs. Raises ``ManagerConfigInvalid``."""
    try:
        tree = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ManagerConfigInvalid(
            f"{file} cannot be read: {why}.",
            hint="Name the manager's own configuration file, as the manager's user.",
        ) from error
    etcd, database, manager = (tree.get(table, {}) for table in ("etcd", "db", "manager"))
    try:
        host, port = _address(etcd["addr"])
        return ManagerConfig(
            etcd=EtcdAddress(
                url=f"http://{host}:{port}",
                namespace=str(etcd.get("namespace", "local")),
                user=etcd.get("user") or None,
                password=Secret(etcd["password"]) if etcd.get("password") else None,
            ),
            dsn=_dsn(database),
            rpc_keypair=_keypair(file, manager.get("rpc-auth-manager-keypair", _DEFAULT_KEYPAIR)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ManagerConfigInvalid(
            f"{file} lacks what a profile needs: {error}.",
            hint="Needed: [etcd] addr, and [db] addr, name, user and password.",
        ) from error


def addresses_from_etcd(config: Mapping[str, str]) -> ClusterAddresses:
    """Pick a profile's addresses out of the keys below the namespace (``storage-proxy.md`` §2)."""
    names = {key.split("/")[2] for key in config if key.startswith("volumes/proxies/")}
    redis, metric = config.get("config/redis/addr"), config.get("config/metric/addr")
    password = config.get("config/redis/password")
    return ClusterAddresses(
        valkey_url=f"redis://{redis}" if redis and _SENTINEL not in config else None,
        valkey_password=Secret(password) if password else None,
        prometheus_url=f"http://{metric}" if metric else None,
        storage={
            name: proxy
            for name in sorted(names)
            if (proxy := _storage_proxy(config, f"volumes/proxies/{name}/")) is not None
        },
    )


def _storage_proxy(config: Mapping[str, str], prefix: str) -> StorageProxyAddress | None:
    manager_url = config.get(f"{prefix}manager_api")
    if not manager_url:
        return None
    secret = config.get(f"{prefix}secret")
    return StorageProxyAddress(
        manager_url=manager_url,
        client_url=config.get(f"{prefix}client_api"),
        secret=Secret(secret) if secret else None,
        verify_tls=config.get(f"{prefix}ssl_verify", "true").lower() != "false",
    )


def _address(value: object) -> tuple[str, int]:
    """``{host, port}`` or ``"host:port"``."""
    if isinstance(value, dict):
        return str(value["host"]), int(value["port"])
    host, _, port = str(value).rpartition(":")
    return host, int(port)


def _dsn(database: Mapping[str, object]) -> Secret:
    host, port = _address(database["addr"])
    user, password = quote(str(database["user"]), safe=""), database.get("password")
    login = f"{user}:{quote(str(password), safe='')}" if password else user
    name = quote(str(database["name"]), safe="")
    return Secret(f"postgresql://{login}@{host}:{port}/{name}")


def _keypair(file: Path, given: str) -> Path | None:
    """The key file, relative to the configuration's folder; None when it is not there."""
    path = file.absolute().parent / given
    return path if path.is_file() else None
