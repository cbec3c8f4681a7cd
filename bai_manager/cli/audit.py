"""``bai-manager audit``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import (
    EverybodyOption,
    FilterOption,
    LimitOption,
    OwnerOption,
    SortOption,
    StatusOption,
    WatchOption,
    cli_of,
    make_query,
)
from bai_manager.cli.output.columns import Column, id_column, status_column, time_column
from bai_manager.cli.output.rows import emit_rows
from bai_manager.cli.watch import shown
from bai_manager.services.audit.actions import ListAuditLogsAction
from bai_manager.types.query import Filter, Op

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.audit.types import AuditData

app = typer.Typer(
    help="Read the audit trail.\n\nExample: bai-manager audit list --since 1d",
    no_args_is_help=True,
    add_completion=False,
)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[AuditData]


LIST_COLUMNS: tuple[Column[AuditData], ...] = (
    time_column("created_at", lambda log: log.created_at, title="When"),
    Column("entity_type", lambda log: log.entity_type, title="Entity"),
    Column("operation", lambda log: log.operation),
    Column("entity_id", lambda log: log.entity_id, title="Which"),
    status_column("status", lambda log: log.status),
    Column("user_email", lambda log: log.user_email, title="User"),
    Column("duration", lambda log: log.duration),
    Column("description", lambda log: log.description),
    id_column("id", lambda log: log.id, wide=True),
    id_column("action_id", lambda log: log.action_id, wide=True),
    Column("triggered_by", lambda log: log.triggered_by, title="User ID", wide=True),
)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    status: StatusOption = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Not older: 2h, 7d, yesterday, 2026-01-31."),
    ] = None,
    owner: OwnerOption = None,
    everybody: EverybodyOption = False,
    watch: WatchOption = None,
) -> None:
    """List what was done, newest first.

    Example: bai-manager audit list --all --since 1d --filter entity_type=session
    """
    cli = cli_of(ctx)
    query = make_query(filters, sort, limit, status=status)
    if since is not None:
        query = replace(query, filters=(*query.filters, Filter("created_at", Op.GE, (since,))))
    action = ListAuditLogsAction(owner=owner, everybody=everybody, query=query)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, LIST_COLUMNS, result.logs, name=lambda log: str(log.id), noun="entries")

    shown(cli, render, watch)


@app.callback()
def audit() -> None:
    """Keep ``list`` a verb: a Typer app with one command would be that command."""
