"""``bai-manager vfolder share|unshare|invite|leave``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_user
from bai_manager.cli.options import cli_of, targets
from bai_manager.cli.output.rows import emit_rows
from bai_manager.cli.verbs import FailFastOption, confirm, counted, for_each
from bai_manager.cli.vfolder_columns import INVITATION_COLUMNS, SHARER_COLUMNS
from bai_manager.cli.vfolder_options import (  # noqa: TC001 - Typer evaluates annotations
    FolderArgument,
    FoldersArgument,
)
from bai_manager.services.vfolder.actions import (
    LeaveVFolderAction,
    ShareVFolderAction,
    UnshareVFolderAction,
)
from bai_manager.services.vfolder_invitation.actions import InviteAction
from bai_manager.types.vfolder import VFolderPermission

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.services.vfolder.types import FolderSharer
    from bai_manager.services.vfolder_invitation.types import InvitationData


class Prints:
    """What each command prints with ``-o json``."""

    share: list[FolderSharer]
    unshare: list[FolderSharer]
    invite: list[InvitationData]
    leave: list[Outcome]


EmailsArgument = Annotated[
    list[str], typer.Argument(help="E-mails; '-' reads them.", autocompletion=complete_user)
]
PermissionOption = Annotated[
    str, typer.Option("--permission", "-p", help="What they may do: ro, rw or wd.")
]


def add_commands(app: typer.Typer) -> None:
    """Put these commands beside the others of the noun."""
    for name, command in (
        ("share", share),
        ("unshare", unshare),
        ("invite", invite),
        ("leave", leave),
    ):
        app.command(name)(command)


def share(
    ctx: typer.Context,
    folder: FolderArgument,
    emails: EmailsArgument,
    permission: PermissionOption = "rw",
) -> None:
    """Give members of a project a permission of their own on its folder.

    On your own folder: change that of people who accepted an invitation.

    Example: bai-manager vfolder share results user@example.com --permission ro
    """
    cli = cli_of(ctx)
    result = cli.execute(
        ShareVFolderAction(
            vfolder=folder,
            emails=tuple(targets(emails, cli)),
            permission=VFolderPermission.parse(permission),
        )
    )
    emit_rows(
        cli.output, SHARER_COLUMNS, result.shared_with, name=lambda one: one.name, noun="users"
    )


def unshare(ctx: typer.Context, folder: FolderArgument, emails: EmailsArgument) -> None:
    """Take back what was given to people on a folder; prints who can still reach it.

    Example: bai-manager vfolder unshare results user@example.com --yes
    """
    cli = cli_of(ctx)
    given = targets(emails, cli)
    confirm(cli, f"Take folder {folder} from {counted(len(given), 'user')}?")
    result = cli.execute(UnshareVFolderAction(vfolder=folder, emails=tuple(given)))
    emit_rows(
        cli.output, SHARER_COLUMNS, result.shared_with, name=lambda one: one.name, noun="users"
    )


def invite(
    ctx: typer.Context,
    folder: FolderArgument,
    emails: EmailsArgument,
    permission: PermissionOption = "rw",
) -> None:
    """Offer your folder to others; they answer with 'vfolder invitation accept'.

    Example: bai-manager vfolder invite datasets user@example.com --permission ro
    """
    cli = cli_of(ctx)
    asked = VFolderPermission.parse(permission)
    result = cli.execute(
        InviteAction(vfolder=folder, emails=tuple(targets(emails, cli)), permission=asked)
    )
    for one in result.pending:
        cli.terminal.note(_still_waiting(one, asked))
    emit_rows(
        cli.output,
        INVITATION_COLUMNS,
        [*result.invited, *result.pending],
        name=lambda one: str(one.id),
        noun="invitations",
    )


def _still_waiting(offer: InvitationData, asked: VFolderPermission) -> str:
    waiting = f"{offer.invitee} was invited before, with {offer.permission.value}, and has not"
    if offer.permission is asked:
        return f"{waiting} answered yet."
    return (
        f"{waiting} answered yet; 'vfolder invitation update {offer.id} --permission {asked.value}'"
        " offers that instead."
    )


def leave(ctx: typer.Context, folders: FoldersArgument, fail_fast: FailFastOption = False) -> None:
    """Give up folders that others shared with you.

    Example: bai-manager vfolder leave datasets --yes
    """
    cli = cli_of(ctx)
    given = targets(folders, cli)
    confirm(cli, f"Leave {counted(len(given), 'folder')}? Only an invitation brings one back.")

    async def act(processor: ActionProcessor, folder: str) -> str:
        await processor.run(LeaveVFolderAction(vfolder=folder))
        return "left"

    for_each(cli, given, act, noun="folders", fail_fast=fail_fast)
