"""What a cluster says of itself, in the manager's file and in etcd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.cluster.discovery import addresses_from_etcd, read_manager_toml
from bai_manager.clients.cluster.errors import ManagerConfigInvalid

if TYPE_CHECKING:
    from pathlib import Path

MANAGER_TOML = """
[etcd]
namespace = "prod"
addr = { host = "10.0.0.2", port = 2379 }
user = "bai"
password = "etcd pass"

[db]
addr = "10.0.0.3:5432"
name = "backend"
user = "postgres"
password = "p@ss/word"

[manager]
rpc-auth-manager-keypair = "keys/manager.key_secret"
"""


def test_the_managers_file_names_database_etcd_and_key_pair(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    keypair = tmp_path / "keys" / "manager.key_secret"
    keypair.touch()
    file = tmp_path / "manager.toml"
    file.write_text(MANAGER_TOML)
    config = read_manager_toml(file)
    assert config.dsn.reveal() == "postgresql://postgres:p%40ss%2Fword@10.0.0.3:5432/backend"
    assert (config.etcd.url, config.etcd.namespace) == ("http://10.0.0.2:2379", "prod")
    assert config.etcd.user == "bai"
    assert config.etcd.password is not None
    assert config.etcd.password.reveal() == "etcd pass"
    assert config.rpc_keypair == keypair


def test_a_key_pair_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "manager.toml"
    file.write_text(MANAGER_TOML)
    assert read_manager_toml(file).rpc_keypair is None


@pytest.mark.parametrize(
    "text",
    ["", "[etcd]\naddr = 3\n", "no toml at all [", '[etcd]\naddr = "h:1"\n[db]\nname = "b"\n'],
)
def test_a_file_without_the_addresses_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "manager.toml"
    file.write_text(text)
    with pytest.raises(ManagerConfigInvalid):
        read_manager_toml(file)


@pytest.mark.parametrize("content", [b"[etcd]\nuser = '\xff'", b"x = [", None])
def test_what_is_no_such_file_is_refused_in_words(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "manager.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(ManagerConfigInvalid, match="cannot be read") as refused:
        read_manager_toml(file)
    assert "Errno" not in refused.value.message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManagerConfigInvalid, match="cannot be read"):
        read_manager_toml(tmp_path / "none.toml")


def test_etcd_names_valkey_prometheus_and_every_storage_proxy() -> None:
    found = addresses_from_etcd(
        {
            "config/redis/addr": "10.0.0.4:6379",
            "config/redis/password": "quiet",
            "config/metric/addr": "10.0.0.5:9090",
            "volumes/default_host": "nas:home",
            "volumes/proxies/nas/manager_api": "https://nas:6022",
            "volumes/proxies/nas/client_api": "https://nas.example.org:6021",
            "volumes/proxies/nas/secret": "token",
            "volumes/proxies/nas/ssl_verify": "false",
            "volumes/proxies/half/client_api": "https://half:6021",
        }
    )
    assert found.valkey_url == "redis://10.0.0.4:6379"
    assert found.valkey_password is not None
    assert found.prometheus_url == "http://10.0.0.5:9090"
    assert list(found.storage) == ["nas"]
    assert found.storage["nas"].manager_url == "https://nas:6022"
    assert not found.storage["nas"].verify_tls


def test_a_sentinel_is_no_single_valkey() -> None:
    found = addresses_from_etcd(
        {"config/redis/addr": "10.0.0.4:6379", "config/redis/sentinel": "10.0.0.4:26379"}
    )
    assert found.valkey_url is None


def test_an_empty_etcd_names_nothing() -> None:
    found = addresses_from_etcd({})
    assert (found.valkey_url, found.prometheus_url, dict(found.storage)) == (None, None, {})
