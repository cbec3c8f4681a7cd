"""``bai-manager vfolder delete|restore|recover|purge``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bai_manager.cli.options import TimeoutOption, cli_of, seconds, targets
from bai_manager.cli.output.rows import emit_object
from bai_manager.cli.purging import ConfirmOption  # noqa: TC001 - Typer evaluates annotations
from bai_manager.cli.verbs import (
    FailFastOption,
    IgnoreNotFoundOption,
    confirm,
    for_each,
    if_stopped,
)
from bai_manager.cli.vfolder_columns import FOLDER_FIELDS
from bai_manager.cli.vfolder_holdings import described, holdings
from bai_manager.cli.vfolder_options import FolderArgument, FoldersArgument  # noqa: TC001 - as above
from bai_manager.services.vfolder.actions import (
    DeleteVFolderAction,
    GetVFolderAction,
    PurgeVFolderAction,
    RecoverVFolderAction,
    RestoreVFolderAction,
)
from bai_manager.services.vfolder.errors import VFolderNotFound
from bai_manager.services.vfolder.types import Recovery

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.services.vfolder.types import VFolderData


class Prints:
    """What each command prints with ``-o json``."""

    delete: list[Outcome]
    restore: list[Outcome]
    recover: list[Outcome]
    purge: VFolderData


app = typer.Typer()

_RECOVERIES = {
    Recovery.NOT_NEEDED: "ready, as it was",
    Recovery.FILES_THERE: "ready: the storage has its files",
    Recovery.FILES_MISSING: "in the trash: the storage has none of it",
    Recovery.UNFINISHED_COPY: "in the trash: a clone that was not completed",
}


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
    confirm(cli, f"Move {holdings(cli, given)} to the trash?")

    async def act(processor: ActionProcessor, folder: str) -> str:
        try:
            await processor.run(DeleteVFolderAction(vfolder=folder))
        except VFolderNotFound:
            if not ignore_not_found:
                raise
            return "there was none"
        return "in the trash"

    for_each(cli, given, act, noun="folders", fail_fast=fail_fast)


@app.command("restore")
def restore(
    ctx: typer.Context, folders: FoldersArgument, fail_fast: FailFastOption = False
) -> None:
    """Take folders out of the trash.

    Example: bai-manager vfolder restore datasets
    """
    cli = cli_of(ctx)

    async def act(processor: ActionProcessor, folder: str) -> str:
        await processor.run(RestoreVFolderAction(vfolder=folder))
        return "restored"

    for_each(cli, targets(folders, cli), act, noun="folders", fail_fast=fail_fast)


@app.command("recover")
def recover(
    ctx: typer.Context, folders: FoldersArgument, fail_fast: FailFastOption = False
) -> None:
    """Bring folders out of error, or out of a clone that nobody works on any more.

    A folder whose files the storage has is ready again; what is left of another, and a clone that
    was not completed, are in the trash.

    Example: bai-manager vfolder recover datasets --yes
    """
    cli = cli_of(ctx)
    given = targets(folders, cli)
    confirm(cli, f"Recover {holdings(cli, given)}? Whoever works on it must have stopped.")

    async def act(processor: ActionProcessor, folder: str) -> str:
        result = await processor.run(RecoverVFolderAction(vfolder=folder))
        return _RECOVERIES[result.recovery]

    for_each(cli, given, act, noun="folders", fail_fast=fail_fast)


@app.command("purge")
def purge(
    ctx: typer.Context,
    folder: FolderArgument,
    confirm_name: ConfirmOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Remove a folder of the trash with all its files, for good; completes an interrupted purge.

    Example: bai-manager vfolder purge datasets --confirm datasets
    """
    cli = cli_of(ctx)
    limit = seconds(timeout, cli)
    lost: list[VFolderData] = []

    async def body(processor: ActionProcessor) -> VFolderData:
        if not cli.flags.dry_run:
            found = await processor.run(GetVFolderAction(vfolder=folder, in_trash=True))
            lost.append(found.vfolder)
            cli.terminal.confirm_name(
                f"Remove {described(found)} for good?", found.vfolder.name, given=confirm_name
            )
        meant = str(lost[0].id) if lost else folder
        return (await processor.run(PurgeVFolderAction(vfolder=meant, timeout=limit))).vfolder

    with if_stopped(cli, "What had begun is completed by the same command."):
        purged = cli.run(body)
    emit_object(cli.output, purged, FOLDER_FIELDS, name=lambda f: f.name)
