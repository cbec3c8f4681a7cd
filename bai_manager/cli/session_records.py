"""``bai-manager session match|history|timeline|graph|…``: what is recorded about sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import OwnerOption, cli_of
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.session_columns_records import (
    ABUSE_FIELDS,
    ACCESS_FIELDS,
    GRAPH_COLUMNS,
    GRAPH_FIELDS,
    HISTORY_FIELDS,
    MATCH_COLUMNS,
    TIMELINE_COLUMNS,
    tree_of,
)
from bai_manager.cli.session_options import (  # noqa: TC001 - Typer evaluates them
    SessionArgument,
)
from bai_manager.services.session_record.actions import (
    GetAbusingReportAction,
    GetDependencyGraphAction,
    GetDirectAccessInfoAction,
    GetStatusHistoryAction,
    GetTimelineAction,
    MatchSessionsAction,
)

if TYPE_CHECKING:
    from bai_manager.services.session_record.actions import (
        GetAbusingReportActionResult,
        GetDependencyGraphActionResult,
        GetDirectAccessInfoActionResult,
        GetStatusHistoryActionResult,
    )
    from bai_manager.services.session_record.types import SessionMatch, TimelineEntry

app = typer.Typer()


class Prints:
    """What each command prints with ``-o json``."""

    match: list[SessionMatch]
    history: GetStatusHistoryActionResult
    timeline: list[TimelineEntry]
    graph: GetDependencyGraphActionResult
    access_info: GetDirectAccessInfoActionResult
    abuse_report: GetAbusingReportActionResult


@app.command("match")
def match(
    ctx: typer.Context,
    prefix: Annotated[str, typer.Argument(help="A name or id, or the beginning of one.")],
    owner: OwnerOption = None,
) -> None:
    """Find sessions by the beginning of a name or id, ended ones too.

    Example: bai-manager session match train-
    """
    cli = cli_of(ctx)
    result = cli.execute(MatchSessionsAction(prefix=prefix, owner=owner))
    emit_rows(
        cli.output, MATCH_COLUMNS, result.matches, name=lambda found: found.name, noun="sessions"
    )


@app.command("history")
def history(ctx: typer.Context, session: SessionArgument, owner: OwnerOption = None) -> None:
    """Show when a session entered each status.

    Example: bai-manager session history train-1
    """
    cli = cli_of(ctx)
    result = cli.execute(GetStatusHistoryAction(session=session, owner=owner))
    emit_object(cli.output, result, HISTORY_FIELDS, name=lambda r: str(r.session_id))


@app.command("timeline")
def timeline(ctx: typer.Context, session: SessionArgument, owner: OwnerOption = None) -> None:
    """Show all that happened to a session, by time: statuses, kernels, and who did what.

    Example: bai-manager session timeline train-1
    """
    cli = cli_of(ctx)
    result = cli.execute(GetTimelineAction(session=session, owner=owner))
    emit_rows(
        cli.output, TIMELINE_COLUMNS, result.entries, name=lambda entry: entry.what, noun="entries"
    )


@app.command("graph")
def graph(ctx: typer.Context, session: SessionArgument, owner: OwnerOption = None) -> None:
    """Show what a session depends on: a tree for people, nodes and edges with -o json.

    Example: bai-manager session graph report-1
    """
    cli = cli_of(ctx)
    result = cli.execute(GetDependencyGraphAction(session=session, owner=owner))
    if cli.output.chosen_format.is_structured:
        emit_object(cli.output, result, GRAPH_FIELDS, name=lambda r: str(r.session_id))
        return
    emit_rows(
        cli.output,
        GRAPH_COLUMNS,
        tree_of(result),
        name=lambda line: line.node.session_name,
        noun="sessions",
    )


@app.command("access-info")
def access_info(ctx: typer.Context, session: SessionArgument, owner: OwnerOption = None) -> None:
    """Show where SSH of a system session listens; nothing for other sessions.

    Example: bai-manager session access-info sftp-1
    """
    cli = cli_of(ctx)
    result = cli.execute(GetDirectAccessInfoAction(session=session, owner=owner))
    emit_object(cli.output, result, ACCESS_FIELDS, name=lambda r: str(r.session_id))


@app.command("abuse-report")
def abuse_report(ctx: typer.Context, session: SessionArgument, owner: OwnerOption = None) -> None:
    """Show whether the watcher of its agent reports abuse by a session.

    Example: bai-manager session abuse-report train-1
    """
    cli = cli_of(ctx)
    result = cli.execute(GetAbusingReportAction(session=session, owner=owner))
    emit_object(cli.output, result, ABUSE_FIELDS, name=lambda r: str(r.session_id))
