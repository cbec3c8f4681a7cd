"""``bai-manager connect``: a profile for a running cluster, from what it says of itself."""

from __future__ import annotations

import asyncio
from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.status import show_status
from bai_manager.errors import InvalidInput

if TYPE_CHECKING:
    from bai_manager.cli.runtime import Cli
    from bai_manager.clients.cluster.discovery import (
        ClusterAddresses,
        EtcdAddress,
        ManagerConfig,
    )
    from bai_manager.services.status.types import DependencyData
    from bai_manager.types.credentials import Secret

app = typer.Typer(add_completion=False)


class Prints:
    """What each command prints with ``-o json``."""

    connect: list[DependencyData]


class NothingToConnectTo(InvalidInput):
    """Neither a manager's file nor an etcd was named."""

    error_code = "backendai_setup_invalid-parameters"


@app.command()
def connect(
    ctx: typer.Context,
    manager_toml: Annotated[
        Path | None,
        typer.Option("--manager-toml", help="The manager's own configuration file."),
    ] = None,
    etcd: Annotated[
        str | None, typer.Option("--etcd", help="http://HOST:PORT of the cluster's etcd.")
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", help="Of the cluster in etcd, with --etcd.")
    ] = "local",
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="The profile; default: that of --profile.")
    ] = None,
) -> None:
    """Write a profile for a running Backend.AI cluster and look at everything it depends on.

    The database's address is in the manager's file only; with --etcd alone, set database.dsn
    beforehand. Who you are stays to be said: config set access_key, config set secret_key.

    Example: bai-manager connect --manager-toml /etc/backend.ai/manager.toml --name prod
    """
    from bai_manager.clients.cluster.discovery import (  # noqa: PLC0415 - this command only
        EtcdAddress,
        read_manager_toml,
    )

    cli = cli_of(ctx)
    if manager_toml is None and etcd is None:
        raise NothingToConnectTo(
            "Say where the cluster is.", hint="Give --manager-toml FILE or --etcd URL."
        )
    if manager_toml is not None and etcd is not None:
        raise NothingToConnectTo(
            "--manager-toml and --etcd exclude each other.", hint="The file names its etcd itself."
        )
    manager = read_manager_toml(manager_toml) if manager_toml else None
    address = (
        manager.etcd
        if manager
        else EtcdAddress(url=etcd or "", namespace=namespace, user=None, password=None)
    )
    if not address.url.startswith(("http://", "https://")):
        raise NothingToConnectTo(
            f"{address.url} is no address of an etcd.", hint="It looks like http://HOST:PORT."
        )
    found = asyncio.run(_look_up(address))
    profile = name or cli.flags.profile or "cluster"
    _write(cli, profile, address, manager, found)
    if cli.flags.dry_run:
        cli.terminal.note(f"Profile {profile} would be written.")
        return
    cli.terminal.note(f"Profile {profile} is written.")
    attached = type(cli)(
        cli.flags.of_profile(profile),
        environ=cli.environ,
        stdin=cli.stdin,
        stdout=cli.stdout,
        stderr=cli.stderr,
    )
    if attached.config.settings.access_key is None:
        attached.terminal.note(
            f"Nobody acts in it yet: 'bai-manager --profile {profile} config set access_key', and"
            " secret_key likewise."
        )
    raise typer.Exit(show_status(attached))


async def _look_up(address: EtcdAddress) -> ClusterAddresses:
    from bai_manager.clients.cluster.discovery import addresses_from_etcd  # noqa: PLC0415
    from bai_manager.clients.cluster.etcd import EtcdClient  # noqa: PLC0415 - imports httpx

    client = EtcdClient(
        address.url,
        namespace=address.namespace,
        user=address.user,
        password=address.password,
        hint="Give the address and --namespace that are in the manager's file, below [etcd].",
    )
    return addresses_from_etcd(await client.configuration())


def _write(
    cli: Cli,
    profile: str,
    etcd: EtcdAddress,
    manager: ManagerConfig | None,
    found: ClusterAddresses,
) -> None:
    from bai_manager.config.paths import Paths  # noqa: PLC0415 - this command only
    from bai_manager.config.store import save_credentials, save_settings  # noqa: PLC0415

    settings = {"kind": "cluster", "etcd.url": etcd.url, "etcd.namespace": etcd.namespace}
    secrets: dict[str, Secret | None] = {
        "etcd.password": etcd.password,
        "valkey.password": found.valkey_password,
        "database.dsn": manager.dsn if manager else None,
    }
    optional = {
        "etcd.user": etcd.user,
        "valkey.url": found.valkey_url,
        "prometheus.url": found.prometheus_url,
        "agent.rpc_manager_keypair": str(manager.rpc_keypair or "") if manager else None,
    }
    for proxy_name, proxy in found.storage.items():
        optional[f"storage.{proxy_name}.manager_url"] = proxy.manager_url
        optional[f"storage.{proxy_name}.client_url"] = proxy.client_url
        optional[f"storage.{proxy_name}.verify_tls"] = str(proxy.verify_tls).lower()
        secrets[f"storage.{proxy_name}.secret"] = proxy.secret
    settings |= {name: value for name, value in optional.items() if value}
    paths = Paths.of(cli.environ, profile)
    save_credentials(
        paths,
        profile,
        {name: secret for name, secret in secrets.items() if secret is not None},
        dry_run=cli.flags.dry_run,
    )
    save_settings(paths, profile, settings, dry_run=cli.flags.dry_run)
