"""``bai-manager group usage``: what projects had, from the rows of their kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_group
from bai_manager.cli.group_columns import MONTH_COLUMNS, PERIOD_COLUMNS
from bai_manager.cli.options import cli_of
from bai_manager.cli.output.rows import emit_rows
from bai_manager.services.group.actions import UsagePerMonthAction, UsagePerPeriodAction

if TYPE_CHECKING:
    from bai_manager.services.group.usage_types import GroupMonthUsage, ProjectPeriodUsage


class Prints:
    """What each command prints with ``-o json``."""

    month: list[GroupMonthUsage]
    period: list[ProjectPeriodUsage]


app = typer.Typer(
    add_completion=False,
    help="What projects had.\n\nExample: bai-manager group usage month 2026-11",
    no_args_is_help=True,
)

GroupOption = Annotated[
    str | None,
    typer.Option(
        "--project",
        "--group",
        help="One project; default: all you administer.",
        autocompletion=complete_group,
    ),
]
ZoneOption = Annotated[
    str, typer.Option("--timezone", metavar="ZONE", help="Where days begin: Asia/Seoul.")
]


@app.command("month")
def month(
    ctx: typer.Context,
    when: Annotated[str, typer.Argument(metavar="YYYY-MM", help="The month.")],
    group: GroupOption = None,
    timezone: ZoneOption = "UTC",
) -> None:
    """Add up what projects had in a month; -o json has every kernel.

    Example: bai-manager group usage month 2026-11 --project research -o json
    """
    cli = cli_of(ctx)
    action = UsagePerMonthAction(month=when, group=group, timezone=timezone)
    groups = cli.execute(action).groups
    emit_rows(cli.output, MONTH_COLUMNS, groups, name=lambda u: u.g_name, noun="projects")


@app.command("period")
def period(
    ctx: typer.Context,
    start: Annotated[str, typer.Argument(metavar="FIRST", help="The first day: 2026-11-01.")],
    end: Annotated[str, typer.Argument(metavar="LAST", help="The last day, at most 100 later.")],
    group: GroupOption = None,
    timezone: ZoneOption = "UTC",
) -> None:
    """Add up what projects had from the first through the last day; -o json has every session.

    Example: bai-manager group usage period 2026-11-01 2026-11-15
    """
    cli = cli_of(ctx)
    action = UsagePerPeriodAction(start_date=start, end_date=end, group=group, timezone=timezone)
    projects = cli.execute(action).projects
    emit_rows(cli.output, PERIOD_COLUMNS, projects, name=lambda u: u.project_name, noun="projects")
