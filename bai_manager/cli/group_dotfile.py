"""``bai-manager group dotfile``: what sessions of a project find in their home."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_group
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
    SortOption,
    cli_of,
    make_query,
)
from bai_manager.cli.verbs import confirm
from bai_manager.services.group.actions import (
    CreateGroupDotfileAction,
    DeleteGroupDotfileAction,
    ListGroupDotfilesAction,
    UpdateGroupDotfileAction,
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
    help="What sessions of a project find in their home.\n\n"
    "Example: bai-manager group dotfile list research",
    no_args_is_help=True,
)

GroupArgument = Annotated[
    str,
    typer.Argument(help="Name, DOMAIN/NAME, id or id prefix.", autocompletion=complete_group),
]


@app.command("list")
def list_(
    ctx: typer.Context,
    group: GroupArgument,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
) -> None:
    """List the dotfiles of a project.

    Example: bai-manager group dotfile list research
    """
    cli = cli_of(ctx)
    action = ListGroupDotfilesAction(group=group, query=make_query(filters, sort, limit))
    emit_dotfiles(cli, cli.execute(action).dotfiles)


@app.command("show")
def show(ctx: typer.Context, group: GroupArgument, path: PathArgument) -> None:
    """Show one dotfile with its content.

    Example: bai-manager group dotfile show research .vimrc
    """
    cli = cli_of(ctx)
    found = cli.execute(ListGroupDotfilesAction(group=group)).dotfiles
    emit_dotfile(cli, find_dotfile(found, path))


@app.command("create")
def create(
    ctx: typer.Context,
    group: GroupArgument,
    path: PathArgument,
    file: FileOption,
    permission: PermissionOption = None,
) -> None:
    """Add a dotfile, and list them all.

    Example: bai-manager group dotfile create research .vimrc --file -
    """
    cli = cli_of(ctx)
    dotfile = Dotfile(path=path, permission=permission or DEFAULT_PERMISSION, data=file.read())
    result = cli.execute(CreateGroupDotfileAction(dotfile=dotfile, group=group))
    emit_dotfiles(cli, result.dotfiles)


@app.command("update")
def update(
    ctx: typer.Context,
    group: GroupArgument,
    path: PathArgument,
    file: FileOption,
    permission: PermissionOption = None,
) -> None:
    """Change a dotfile, and list them all.

    Example: bai-manager group dotfile update research .vimrc --file - --permission 600
    """
    cli = cli_of(ctx)
    action = UpdateGroupDotfileAction(
        path=path, data=file.read(), permission=permission, group=group
    )
    emit_dotfiles(cli, cli.execute(action).dotfiles)


@app.command("delete")
def delete(ctx: typer.Context, group: GroupArgument, path: PathArgument) -> None:
    """Delete a dotfile, and list those that stay.

    Example: bai-manager group dotfile delete research .vimrc --yes
    """
    cli = cli_of(ctx)
    confirm(cli, f"Delete the dotfile {path}?")
    result = cli.execute(DeleteGroupDotfileAction(path=path, group=group))
    emit_dotfiles(cli, result.dotfiles)
