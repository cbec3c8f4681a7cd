"""``bai-manager group members``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_group, complete_user
from bai_manager.cli.group_columns import MEMBER_COLUMNS
from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    SortOption,
    StatusOption,
    cli_of,
    make_query,
    targets,
)
from bai_manager.cli.output.rows import emit_rows
from bai_manager.cli.verbs import FailFastOption, confirm, counted, for_each
from bai_manager.services.group.actions import (
    AddGroupMemberAction,
    ListGroupMembersAction,
    RemoveGroupMemberAction,
)

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.services.group.types import MemberData


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[MemberData]
    add: list[Outcome]
    remove: list[Outcome]


app = typer.Typer(
    add_completion=False,
    help="Who belongs to a project.\n\nExample: bai-manager group members list research",
    no_args_is_help=True,
)

GroupArgument = Annotated[
    str,
    typer.Argument(help="Name, DOMAIN/NAME, id or id prefix.", autocompletion=complete_group),
]
UsersArgument = Annotated[
    list[str],
    typer.Argument(help="E-mails, names or ids; '-' reads them.", autocompletion=complete_user),
]


@app.command("list")
def list_(
    ctx: typer.Context,
    group: GroupArgument,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    status: StatusOption = None,
) -> None:
    """List the members of a project.

    Example: bai-manager group members list research --status active
    """
    cli = cli_of(ctx)
    query = make_query(filters, sort, limit, status=status)
    members = cli.execute(ListGroupMembersAction(group=group, query=query)).members
    emit_rows(cli.output, MEMBER_COLUMNS, members, name=lambda m: m.email, noun="members")


@app.command("add")
def add(
    ctx: typer.Context,
    group: GroupArgument,
    users: UsersArgument,
    fail_fast: FailFastOption = False,
) -> None:
    """Make users of the same domain members of a project.

    Example: bai-manager group members add research alice@example.com bob@example.com
    """
    cli = cli_of(ctx)

    async def act(processor: ActionProcessor, user: str) -> str:
        result = await processor.run(AddGroupMemberAction(group=group, user=user))
        return "a member now" if result.changed else "a member already"

    for_each(cli, targets(users, cli), act, noun="users", fail_fast=fail_fast)


@app.command("remove")
def remove(
    ctx: typer.Context,
    group: GroupArgument,
    users: UsersArgument,
    fail_fast: FailFastOption = False,
) -> None:
    """Make users no members of a project any more; their sessions go on.

    Example: bai-manager group members remove research alice@example.com --yes
    """
    cli = cli_of(ctx)
    given = targets(users, cli)
    confirm(cli, f"Remove {counted(len(given), 'user')} from project {group}?")

    async def act(processor: ActionProcessor, user: str) -> str:
        await processor.run(RemoveGroupMemberAction(group=group, user=user))
        return "no member any more"

    for_each(cli, given, act, noun="users", fail_fast=fail_fast)
