"""``bai-manager user keypair dotfile``: what a key pair's sessions find in their home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bai_manager.cli.dotfiles import (
    DEFAULT_PERMISSION,
    FileOption,
    PathArgument,
    PermissionOption,
    emit_dotfile,
    emit_dotfiles,
)
from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    OwnerOption,
    SortOption,
    cli_of,
    make_query,
)
from bai_manager.cli.verbs import confirm
from bai_manager.services.keypair.actions import (
    CreateKeypairDotfileAction,
    DeleteKeypairDotfileAction,
    ListKeypairDotfilesAction,
    UpdateKeypairDotfileAction,
)
from bai_manager.types.dotfiles import Dotfile, find_dotfile

if TYPE_CHECKING:
    from bai_manager.cli.dotfiles import DotfileRow


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[DotfileRow]
    show: Dotfile
    create: list[DotfileRow]
    update: list[DotfileRow]
    delete: list[DotfileRow]


app = typer.Typer(
    add_completion=False,
    help="What a key pair's sessions find in their home.\n\n"
    "Example: bai-manager user keypair dotfile list",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    owner: OwnerOption = None,
) -> None:
    """List the dotfiles of a key pair.

    Example: bai-manager user keypair dotfile list
    """
    cli = cli_of(ctx)
    action = ListKeypairDotfilesAction(owner=owner, query=make_query(filters, sort, limit))
    emit_dotfiles(cli, cli.execute(action).dotfiles)


@app.command("show")
def show(ctx: typer.Context, path: PathArgument, owner: OwnerOption = None) -> None:
    """Show one dotfile with its content.

    Example: bai-manager user keypair dotfile show .vimrc
    """
    cli = cli_of(ctx)
    found = cli.execute(ListKeypairDotfilesAction(owner=owner)).dotfiles
    emit_dotfile(cli, find_dotfile(found, path))


@app.command("create")
def create(
    ctx: typer.Context,
    path: PathArgument,
    file: FileOption,
    permission: PermissionOption = None,
    owner: OwnerOption = None,
) -> None:
    """Add a dotfile, and list them all.

    Example: bai-manager user keypair dotfile create .vimrc --file -
    """
    cli = cli_of(ctx)
    dotfile = Dotfile(path=path, permission=permission or DEFAULT_PERMISSION, data=file.read())
    result = cli.execute(CreateKeypairDotfileAction(dotfile=dotfile, owner=owner))
    emit_dotfiles(cli, result.dotfiles)


@app.command("update")
def update(
    ctx: typer.Context,
    path: PathArgument,
    file: FileOption,
    permission: PermissionOption = None,
    owner: OwnerOption = None,
) -> None:
    """Change a dotfile, and list them all.

    Example: bai-manager user keypair dotfile update .vimrc --file - --permission 600
    """
    cli = cli_of(ctx)
    action = UpdateKeypairDotfileAction(
        path=path, data=file.read(), permission=permission, owner=owner
    )
    emit_dotfiles(cli, cli.execute(action).dotfiles)


@app.command("delete")
def delete(ctx: typer.Context, path: PathArgument, owner: OwnerOption = None) -> None:
    """Delete a dotfile, and list those that stay.

    Example: bai-manager user keypair dotfile delete .vimrc --yes
    """
    cli = cli_of(ctx)
    confirm(cli, f"Delete the dotfile {path}?")
    result = cli.execute(DeleteKeypairDotfileAction(path=path, owner=owner))
    emit_dotfiles(cli, result.dotfiles)
