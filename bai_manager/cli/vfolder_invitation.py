"""``bai-manager vfolder invitation``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    SortOption,
    cli_of,
    make_query,
    targets,
)
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.verbs import FailFastOption, for_each
from bai_manager.cli.vfolder_columns import INVITATION_COLUMNS
from bai_manager.services.vfolder_invitation.actions import (
    AcceptInvitationAction,
    CancelInvitationAction,
    ListInvitationsAction,
    RejectInvitationAction,
    UpdateInvitationAction,
)
from bai_manager.types.vfolder import VFolderPermission

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.services.vfolder_invitation.types import InvitationData


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[InvitationData]
    accept: list[Outcome]
    reject: list[Outcome]
    cancel: list[Outcome]
    update: InvitationData


app = typer.Typer(
    help="Offers of folders, to you and yours to others.\n\n"
    "Example: bai-manager vfolder invitation list",
    no_args_is_help=True,
)

InvitationsArgument = Annotated[
    list[str], typer.Argument(help="Ids or unique id prefixes; '-' reads them.")
]


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    sent: Annotated[bool, typer.Option("--sent", help="Yours to others.")] = False,
    answered: Annotated[
        bool, typer.Option("--all-states", help="Answered and canceled ones too.")
    ] = False,
) -> None:
    """List offers to you that wait for an answer.

    Example: bai-manager vfolder invitation list --sent
    """
    cli = cli_of(ctx)
    action = ListInvitationsAction(
        sent=sent, answered=answered, query=make_query(filters, sort, limit)
    )
    emit_rows(
        cli.output,
        INVITATION_COLUMNS,
        cli.execute(action).invitations,
        name=lambda one: str(one.id),
        noun="invitations",
    )


@app.command("accept")
def accept(
    ctx: typer.Context, invitations: InvitationsArgument, fail_fast: FailFastOption = False
) -> None:
    """Take folders that were offered to you.

    Example: bai-manager vfolder invitation accept 5f0c2a77
    """
    cli = cli_of(ctx)

    async def act(processor: ActionProcessor, invitation: str) -> str:
        result = await processor.run(AcceptInvitationAction(invitation=invitation))
        offer = result.invitation
        return f"{offer.invitee} may use folder {offer.vfolder_name}"

    for_each(cli, targets(invitations, cli), act, noun="invitations", fail_fast=fail_fast)


@app.command("reject")
def reject(
    ctx: typer.Context, invitations: InvitationsArgument, fail_fast: FailFastOption = False
) -> None:
    """Turn down folders that were offered to you.

    Example: bai-manager vfolder invitation reject 5f0c2a77
    """
    cli = cli_of(ctx)

    async def act(processor: ActionProcessor, invitation: str) -> str:
        await processor.run(RejectInvitationAction(invitation=invitation))
        return "rejected"

    for_each(cli, targets(invitations, cli), act, noun="invitations", fail_fast=fail_fast)


@app.command("cancel")
def cancel(
    ctx: typer.Context, invitations: InvitationsArgument, fail_fast: FailFastOption = False
) -> None:
    """Take back your offers that were not answered yet.

    Example: bai-manager vfolder invitation cancel 5f0c2a77
    """
    cli = cli_of(ctx)

    async def act(processor: ActionProcessor, invitation: str) -> str:
        await processor.run(CancelInvitationAction(invitation=invitation))
        return "canceled"

    for_each(cli, targets(invitations, cli), act, noun="invitations", fail_fast=fail_fast)


@app.command("update")
def update(
    ctx: typer.Context,
    invitation: Annotated[str, typer.Argument(help="Id or unique id prefix.")],
    permission: Annotated[str, typer.Option("--permission", "-p", help="ro, rw or wd.")],
) -> None:
    """Offer another permission, before there is an answer.

    Example: bai-manager vfolder invitation update 5f0c2a77 --permission ro
    """
    cli = cli_of(ctx)
    action = UpdateInvitationAction(
        invitation=invitation, permission=VFolderPermission.parse(permission)
    )
    result = cli.execute(action)
    emit_object(cli.output, result.invitation, INVITATION_COLUMNS, name=lambda one: str(one.id))
