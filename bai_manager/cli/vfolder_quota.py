"""``bai-manager vfolder hosts`` and ``vfolder quota``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_group, complete_user
from bai_manager.cli.options import cli_of
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.verbs import confirm
from bai_manager.cli.vfolder_columns import HOST_COLUMNS, QUOTA_COLUMNS
from bai_manager.services.storage.actions import (
    GetQuotaAction,
    ListStorageHostsAction,
    SetQuotaAction,
    UnsetQuotaAction,
)
from bai_manager.types.binary_size import BinarySize

if TYPE_CHECKING:
    from bai_manager.services.storage.types import QuotaData, StorageHostData


class Prints:
    """What each command prints with ``-o json``."""

    hosts: list[StorageHostData]
    show: list[QuotaData]
    set_: QuotaData
    unset: QuotaData


app = typer.Typer(
    help="How much may be kept, and how much is.\n\nExample: bai-manager vfolder quota show",
    no_args_is_help=True,
)

UserOption = Annotated[
    str | None, typer.Option("--user", "-u", help="Of this user.", autocompletion=complete_user)
]
ProjectOption = Annotated[
    str | None,
    typer.Option("--project", "--group", "-g", help="Of this one.", autocompletion=complete_group),
]
HostOption = Annotated[str | None, typer.Option("--host", help="PROXY:VOLUME.")]


def hosts(ctx: typer.Context) -> None:
    """List the storage hosts you may use, what they can do, and how full they are.

    Example: bai-manager vfolder hosts
    """
    cli = cli_of(ctx)
    found = cli.execute(ListStorageHostsAction()).hosts
    emit_rows(cli.output, HOST_COLUMNS, found, name=lambda one: str(one.host), noun="hosts")


@app.command("show")
def show(
    ctx: typer.Context,
    user: UserOption = None,
    project: ProjectOption = None,
    host: HostOption = None,
) -> None:
    """Show what you, a user or a project keep on each host, and the limit.

    Example: bai-manager vfolder quota show --project research
    """
    cli = cli_of(ctx)
    _one_of(user, project)
    result = cli.execute(GetQuotaAction(user=user, project=project, host=host))
    emit_rows(
        cli.output, QUOTA_COLUMNS, result.quotas, name=lambda one: str(one.host), noun="quotas"
    )


@app.command("set")
def set_(
    ctx: typer.Context,
    limit: Annotated[str, typer.Argument(help="Size: 100g, 2TiB.")],
    user: UserOption = None,
    project: ProjectOption = None,
    host: HostOption = None,
) -> None:
    """Limit what a user or a project may keep on a host (administrators).

    Example: bai-manager vfolder quota set 100g --user user@example.com
    """
    cli = cli_of(ctx)
    _one_of(user, project)
    size = int(BinarySize.parse(limit))
    result = cli.execute(SetQuotaAction(user=user, project=project, host=host, limit_bytes=size))
    emit_object(cli.output, result.quota, QUOTA_COLUMNS, name=lambda one: str(one.host))


@app.command("unset")
def unset(
    ctx: typer.Context,
    user: UserOption = None,
    project: ProjectOption = None,
    host: HostOption = None,
) -> None:
    """Take a limit away (administrators).

    Example: bai-manager vfolder quota unset --user user@example.com --yes
    """
    cli = cli_of(ctx)
    _one_of(user, project)
    confirm(cli, f"Take the limit of {user or project or 'your own folders'} away?")
    result = cli.execute(UnsetQuotaAction(user=user, project=project, host=host))
    emit_object(cli.output, result.quota, QUOTA_COLUMNS, name=lambda one: str(one.host))


def _one_of(user: str | None, project: str | None) -> None:
    if user is not None and project is not None:
        raise typer.BadParameter("Give one of --user and --project.")
