"""``bai-manager session``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import (
    EndedOption,
    EverybodyOption,
    FilterOption,
    LimitOption,
    OwnerOption,
    SortOption,
    StatusOption,
    TimeoutOption,
    WatchOption,
    cli_of,
    make_query,
    seconds,
    targets,
)
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.session_columns import (
    DESTROY_FIELDS,
    LIST_COLUMNS,
    SHOW_FIELDS,
)
from bai_manager.cli.session_options import SessionArgument, SessionsArgument, emit_session
from bai_manager.cli.watch import shown
from bai_manager.services.session.actions import (
    DestroySessionAction,
    GetSessionAction,
    ListSessionsAction,
    WaitSessionAction,
)
from bai_manager.types.status import SessionStatus

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.session.actions import DestroySessionActionResult
    from bai_manager.services.session.types import SessionData

app = typer.Typer(
    add_completion=False,
    help="Create, run, inspect and destroy sessions.\n\nExample: bai-manager session list",
    no_args_is_help=True,
)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[SessionData]
    show: SessionData
    wait: SessionData
    destroy: DestroySessionActionResult


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    status: StatusOption = None,
    owner: OwnerOption = None,
    everybody: EverybodyOption = False,
    ended: EndedOption = False,
    spark: Annotated[
        str | None,
        typer.Option("--spark", metavar="METRIC[:TIME]", help="Its last while: cpu_util:1h."),
    ] = None,
    watch: WatchOption = None,
) -> None:
    """List sessions that have not ended.

    Example: bai-manager session list --status RUNNING --sort -created_at
    """
    cli = cli_of(ctx)
    action = ListSessionsAction(
        owner=owner,
        everybody=everybody,
        include_ended=ended,
        query=make_query(filters, sort, limit, status=status),
    )

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        if spark is not None:
            from bai_manager.cli.metric_spark import emit_sparked  # noqa: PLC0415 - --spark only

            await emit_sparked(processor, output, result.sessions, spark)
            return
        emit_rows(output, LIST_COLUMNS, result.sessions, name=lambda s: s.name, noun="sessions")

    shown(cli, render, watch)


@app.command("show")
def show(
    ctx: typer.Context,
    session: SessionArgument,
    owner: OwnerOption = None,
    watch: WatchOption = None,
) -> None:
    """Show one session with its kernels and history.

    Example: bai-manager session show train-1
    """
    cli = cli_of(ctx)
    action = GetSessionAction(session=session, owner=owner)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.session, SHOW_FIELDS, name=lambda s: s.name)

    shown(cli, render, watch)


@app.command("wait")
def wait(
    ctx: typer.Context,
    session: SessionArgument,
    until: Annotated[
        str, typer.Option("--until", "-u", help="The status to wait for.")
    ] = "RUNNING",
    owner: OwnerOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Wait until a session has a status, or has passed it.

    Example: bai-manager session wait train-1 --until TERMINATED --timeout 1h
    """
    cli = cli_of(ctx)
    result = cli.execute(
        WaitSessionAction(
            session=session,
            owner=owner,
            until=SessionStatus.parse(until),
            timeout=seconds(timeout, cli),
        )
    )
    emit_session(cli, result.session)


@app.command("destroy")
def destroy(
    ctx: typer.Context,
    sessions: SessionsArgument,
    forced: Annotated[bool, typer.Option("--forced", "-f", help="Recorded as forced.")] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-R", help="First what depends on them.")
    ] = False,
    owner: OwnerOption = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it has ended.")] = True,
    timeout: TimeoutOption = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first failure.")
    ] = False,
) -> None:
    """End sessions and free their resources.

    Example: bai-manager session destroy train-1 train-2
    """
    cli = cli_of(ctx)
    names = targets(sessions, cli)
    limit = seconds(timeout, cli)

    def action(name: str) -> DestroySessionAction:
        return DestroySessionAction(
            session=name,
            owner=owner,
            forced=forced,
            recursive=recursive,
            wait=wait,
            timeout=limit,
        )

    if len(names) == 1:
        result = cli.execute(action(names[0]))
        emit_object(cli.output, result, DESTROY_FIELDS, name=lambda r: r.name)
        return

    from bai_manager.cli.output.bulk import run_bulk  # noqa: PLC0415 - several targets only

    async def each(processor: ActionProcessor) -> int:
        async def act(name: str) -> str:
            result = await processor.run(action(name))
            return result.status or "ended before"

        return await run_bulk(cli.output, names, act, noun="sessions", fail_fast=fail_fast)

    raise typer.Exit(cli.run(each))
