"""``bai-manager vfolder``: virtual folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli import vfolder_files, vfolder_transfer
from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    SortOption,
    StatusOption,
    WatchOption,
    cli_of,
    make_query,
    targets,
)
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.verbs import (
    FailFastOption,
    IfNotExistsOption,
    IgnoreNotFoundOption,
    confirm,
    counted,
    for_each,
    note_created,
)
from bai_manager.cli.vfolder_columns import FOLDER_FIELDS, LIST_COLUMNS
from bai_manager.cli.vfolder_options import FolderArgument, FoldersArgument  # noqa: TC001 - Typer
from bai_manager.cli.watch import shown
from bai_manager.services.vfolder.actions import (
    CreateVFolderAction,
    DeleteVFolderAction,
    GetVFolderAction,
    ListVFoldersAction,
)
from bai_manager.services.vfolder.errors import VFolderNotFound
from bai_manager.services.vfolder.types import FolderScope, VFolderSpec
from bai_manager.types.status import VFolderUsageMode
from bai_manager.types.vfolder import VFolderPermission

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.vfolder.types import VFolderData


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[VFolderData]
    show: VFolderData
    create: VFolderData
    delete: list[Outcome]


app = typer.Typer(
    help="Virtual folders, their files and who shares them.\n\nExample: bai-manager vfolder list",
    no_args_is_help=True,
)
app.add_typer(vfolder_files.app)
app.add_typer(vfolder_transfer.app)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    status: StatusOption = None,
    own: Annotated[bool, typer.Option("--own", help="Only yours.")] = False,
    shared: Annotated[bool, typer.Option("--shared", help="Only those shared with you.")] = False,
    project: Annotated[bool, typer.Option("--project", help="Only your projects'.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="All you may see by office.")
    ] = False,
    trash: Annotated[bool, typer.Option("--trash", help="Only deleted ones.")] = False,
    watch: WatchOption = None,
) -> None:
    """List the folders you can use: your own, those shared with you, and your projects'.

    Example: bai-manager vfolder list --own --sort -created_at
    """
    cli = cli_of(ctx)
    chosen = (
        (own, FolderScope.OWN),
        (shared, FolderScope.SHARED),
        (project, FolderScope.PROJECT),
        (everything, FolderScope.ALL),
    )
    scopes = [scope for given, scope in chosen if given]
    if len(scopes) > 1:
        raise typer.BadParameter("Give one of --own, --shared, --project and --all.")
    action = ListVFoldersAction(
        scope=scopes[0] if scopes else FolderScope.REACHABLE,
        trash=trash,
        query=make_query(filters, sort, limit, status=status),
    )

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        found = (await processor.run(action)).vfolders
        emit_rows(output, LIST_COLUMNS, found, name=lambda f: f.name, noun="folders")

    shown(cli, render, watch)


@app.command("show")
def show(ctx: typer.Context, folder: FolderArgument, watch: WatchOption = None) -> None:
    """Show one folder, how full it is, and who can reach it.

    Example: bai-manager vfolder show datasets
    """
    cli = cli_of(ctx)
    action = GetVFolderAction(vfolder=folder)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        found = (await processor.run(action)).vfolder
        emit_object(output, found, FOLDER_FIELDS, name=lambda f: f.name)

    shown(cli, render, watch)


@app.command("create")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    host: Annotated[
        str | None, typer.Option("--host", help="PROXY:VOLUME; else the default one.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", "--project", "-g", help="Of this project, not yours.")
    ] = None,
    usage_mode: Annotated[
        str, typer.Option("--usage-mode", help="general, model or data.")
    ] = "general",
    permission: Annotated[
        str, typer.Option("--permission", "-p", help="ro, rw or wd: of whoever mounts it.")
    ] = "rw",
    cloneable: Annotated[
        bool, typer.Option("--cloneable/--not-cloneable", help="Whether it may be cloned.")
    ] = False,
    unmanaged_path: Annotated[
        str | None,
        typer.Option("--unmanaged-path", help="A path of the agents instead (superadmin)."),
    ] = None,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Create an empty folder, your own or a project's.

    Example: bai-manager vfolder create datasets --usage-mode data --permission ro
    """
    cli = cli_of(ctx)
    spec = VFolderSpec(
        name=name,
        host=host,
        group=group,
        usage_mode=VFolderUsageMode.parse(usage_mode),
        permission=VFolderPermission.parse(permission),
        cloneable=cloneable,
        unmanaged_path=unmanaged_path,
    )
    result = cli.execute(CreateVFolderAction(spec=spec, if_not_exists=if_not_exists))
    note_created(cli, f"Folder {name}", created=result.created)
    emit_object(cli.output, result.vfolder, FOLDER_FIELDS, name=lambda f: f.name)


@app.command("delete")
def delete(
    ctx: typer.Context,
    folders: FoldersArgument,
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Move folders to the trash; 'vfolder restore' brings them back.

    Example: bai-manager vfolder delete datasets --yes
    """
    cli = cli_of(ctx)
    given = targets(folders, cli)
    confirm(cli, f"Move {counted(len(given), 'folder')} to the trash?")

    async def act(processor: ActionProcessor, folder: str) -> str:
        try:
            await processor.run(DeleteVFolderAction(vfolder=folder))
        except VFolderNotFound:
            if not ignore_not_found:
                raise
            return "there was none"
        return "in the trash"

    for_each(cli, given, act, noun="folders", fail_fast=fail_fast)
