"""``bai-manager vfolder``: virtual folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli import vfolder_quota, vfolder_share
from bai_manager.cli.completion import complete_user
from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    SortOption,
    StatusOption,
    TimeoutOption,
    WatchOption,
    cli_of,
    make_query,
    seconds,
)
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.verbs import (
    IfNotExistsOption,
    IfUnchangedOption,
    confirm,
    if_stopped,
    note_changed,
    note_created,
)
from bai_manager.cli.vfolder_columns import (
    FOLDER_FIELDS,
    LIST_COLUMNS,
    SHOW_FIELDS,
    details_of,
)
from bai_manager.cli.vfolder_holdings import holdings
from bai_manager.cli.vfolder_options import FolderArgument  # noqa: TC001 - Typer
from bai_manager.cli.watch import shown
from bai_manager.services.vfolder.actions import (
    ChangeVFolderOwnerAction,
    CloneVFolderAction,
    CreateVFolderAction,
    GetVFolderAction,
    ListVFoldersAction,
    RenameVFolderAction,
    UpdateVFolderAction,
)
from bai_manager.services.vfolder.types import (
    FolderScope,
    VFolderChanges,
    VFolderSpec,
)
from bai_manager.types.status import VFolderUsageMode
from bai_manager.types.tristate import UNSET
from bai_manager.types.vfolder import VFolderPermission

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.vfolder_columns import VFolderDetails
    from bai_manager.services.vfolder.types import VFolderData


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[VFolderData]
    show: VFolderDetails
    create: VFolderData
    update: VFolderData
    rename: VFolderData
    clone: VFolderData
    change_owner: VFolderData


app = typer.Typer(
    add_completion=False,
    help="Virtual folders, their files and who shares them.\n\nExample: bai-manager vfolder list",
    no_args_is_help=True,
)


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
        found = details_of(await processor.run(action))
        emit_object(output, found, SHOW_FIELDS, name=lambda f: f.name)

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


@app.command("update")
def update(
    ctx: typer.Context,
    folder: FolderArgument,
    permission: Annotated[
        str | None, typer.Option("--permission", "-p", help="ro, rw or wd.")
    ] = None,
    cloneable: Annotated[
        bool | None,
        typer.Option("--cloneable/--not-cloneable", help="Whether it may be cloned."),
    ] = None,
    usage_mode: Annotated[
        str | None, typer.Option("--usage-mode", help="general, model or data.")
    ] = None,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change settings of a folder; what is not given stays as it is.

    Example: bai-manager vfolder update datasets --permission ro --cloneable
    """
    cli = cli_of(ctx)
    changes = VFolderChanges(
        permission=UNSET if permission is None else VFolderPermission.parse(permission),
        cloneable=UNSET if cloneable is None else cloneable,
        usage_mode=UNSET if usage_mode is None else VFolderUsageMode.parse(usage_mode),
    )
    result = cli.execute(
        UpdateVFolderAction(vfolder=folder, changes=changes, if_unchanged=if_unchanged)
    )
    note_changed(cli, f"Folder {result.vfolder.name}", result.changed)
    emit_object(cli.output, result.vfolder, FOLDER_FIELDS, name=lambda f: f.name)


@app.command("rename")
def rename(
    ctx: typer.Context,
    folder: FolderArgument,
    name: Annotated[str, typer.Argument(help="What to call it.")],
) -> None:
    """Call a folder otherwise; sessions keep the path it was mounted at.

    Example: bai-manager vfolder rename datasets datasets-2026
    """
    cli = cli_of(ctx)
    result = cli.execute(RenameVFolderAction(vfolder=folder, name=name))
    emit_object(cli.output, result.vfolder, FOLDER_FIELDS, name=lambda f: f.name)


@app.command("clone")
def clone(
    ctx: typer.Context,
    folder: FolderArgument,
    name: Annotated[str, typer.Argument(help="What to call the clone.")],
    host: Annotated[
        str | None, typer.Option("--host", help="PROXY:VOLUME of the same storage.")
    ] = None,
    usage_mode: Annotated[
        str, typer.Option("--usage-mode", help="general, model or data.")
    ] = "general",
    permission: Annotated[str, typer.Option("--permission", "-p", help="ro, rw or wd.")] = "rw",
    cloneable: Annotated[
        bool, typer.Option("--cloneable/--not-cloneable", help="Whether it may be cloned.")
    ] = False,
    timeout: TimeoutOption = None,
) -> None:
    """Copy a folder into a new one of your own; the same command completes an interrupted one.

    Example: bai-manager vfolder clone datasets my-datasets
    """
    cli = cli_of(ctx)
    spec = VFolderSpec(
        name=name,
        host=host,
        usage_mode=VFolderUsageMode.parse(usage_mode),
        permission=VFolderPermission.parse(permission),
        cloneable=cloneable,
    )
    action = CloneVFolderAction(vfolder=folder, spec=spec, timeout=seconds(timeout, cli))
    what_next = (
        "What had begun is completed by the same command, and given up by"
        f" 'bai-manager vfolder recover {folder} {name}'."
    )
    with if_stopped(cli, what_next), cli.terminal.progress(f"Cloning {folder}"):
        result = cli.execute(action)
    if result.resumed:
        cli.terminal.note(f"Completed a clone to {name} that had been interrupted.")
    emit_object(cli.output, result.vfolder, FOLDER_FIELDS, name=lambda f: f.name)


@app.command("change-owner")
def change_owner(
    ctx: typer.Context,
    folder: FolderArgument,
    user: Annotated[str, typer.Argument(help="E-mail, name or id.", autocompletion=complete_user)],
) -> None:
    """Give a user's folder to another; it goes on counting against the first one's quota.

    Example: bai-manager vfolder change-owner datasets user@example.com --yes
    """
    cli = cli_of(ctx)
    confirm(cli, f"Give {holdings(cli, [folder])} to {user}?")
    result = cli.execute(ChangeVFolderOwnerAction(vfolder=folder, user=user))
    emit_object(cli.output, result.vfolder, FOLDER_FIELDS, name=lambda f: f.name)


vfolder_share.add_commands(app)
app.command("hosts")(vfolder_quota.hosts)
