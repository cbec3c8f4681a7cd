"""``bai-manager session exec|logs|interrupt|complete|usage``: what goes on in a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.console import TerminalConsole, raw_writer
from bai_manager.cli.options import (
    OwnerOption,
    WatchOption,
    cli_of,
)
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.session_columns import (
    EXECUTION_FIELDS,
    LOG_FIELDS,
    USAGE_COLUMNS,
    usage_rows,
)
from bai_manager.cli.session_options import SessionArgument, emit_session
from bai_manager.cli.watch import shown
from bai_manager.services.session_inside.actions import (
    CompleteAction,
    ExecuteSessionAction,
    GetContainerLogsAction,
    GetUsageAction,
    InterruptSessionAction,
)

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.runtime import Cli
    from bai_manager.cli.session_columns import UsageRow
    from bai_manager.services.session.types import SessionData
    from bai_manager.services.session_inside.actions import (
        ExecuteSessionActionResult,
        GetContainerLogsActionResult,
    )

app = typer.Typer()


class Prints:
    """What each command prints with ``-o json``."""

    exec_: ExecuteSessionActionResult
    logs: GetContainerLogsActionResult
    interrupt: SessionData
    complete: list[str]
    usage: list[UsageRow]


SUGGESTION_COLUMNS: tuple[Column[str], ...] = (Column("suggestion", str),)


@app.command("exec")
def exec_(
    ctx: typer.Context,
    session: SessionArgument,
    code: Annotated[
        str | None, typer.Argument(help="Code; without it a prompt, or what standard input holds.")
    ] = None,
    shell: Annotated[
        bool, typer.Option("--shell", "-s", help="The code is a shell command.")
    ] = False,
    owner: OwnerOption = None,
) -> None:
    """Run code in a session; exits with the code's own exit code.

    Example: bai-manager session exec train-1 'print(6 * 7)'
    """
    cli = cli_of(ctx)
    if code is None and cli.terminal.interactive and cli.stdout.isatty():
        from bai_manager.cli.session_prompt import Prompt  # noqa: PLC0415 - at a terminal only

        raise typer.Exit(Prompt(cli, session, owner=owner, shell=shell).run())
    text = cli.stdin.read() if code in {None, "-"} else code or ""
    raise typer.Exit(_execute(cli, session, text, shell=shell, owner=owner))


@app.command("logs")
def logs(
    ctx: typer.Context,
    session: SessionArgument,
    kernel: Annotated[
        str | None, typer.Option("--kernel", "-k", help="Kernel id or hostname: sub1.")
    ] = None,
    tail: Annotated[int | None, typer.Option("--tail", help="The last lines only.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-F", help="Until it ends.")] = False,
    owner: OwnerOption = None,
) -> None:
    """Print what a session wrote; kept after it has ended.

    Example: bai-manager session logs train-1 --tail 20
    """
    cli = cli_of(ctx)
    with TerminalConsole(cli) as console:
        result = cli.execute(
            GetContainerLogsAction(
                session=session, owner=owner, kernel=kernel, tail=tail, follow=follow
            ),
            console=console,
        )
    if cli.output.chosen_format.is_structured:
        emit_object(cli.output, result, LOG_FIELDS, name=lambda r: str(r.kernel_id))
    else:
        with raw_writer(cli, cli.stdout) as writer:
            writer.write(result.logs.encode())


@app.command("interrupt")
def interrupt(ctx: typer.Context, session: SessionArgument, owner: OwnerOption = None) -> None:
    """Interrupt what runs in a session.

    Example: bai-manager session interrupt train-1
    """
    cli = cli_of(ctx)
    emit_session(cli, cli.execute(InterruptSessionAction(session=session, owner=owner)).session)


@app.command("complete")
def complete(
    ctx: typer.Context,
    session: SessionArgument,
    code: Annotated[str, typer.Argument(help="The beginning of a name.")],
    owner: OwnerOption = None,
) -> None:
    """Complete code in a session's namespace.

    Example: bai-manager session complete train-1 pri
    """
    cli = cli_of(ctx)
    result = cli.execute(CompleteAction(session=session, owner=owner, code=code))
    emit_rows(
        cli.output,
        SUGGESTION_COLUMNS,
        result.suggestions,
        name=str,
        noun="suggestions",
    )


@app.command("usage")
def usage(
    ctx: typer.Context,
    session: SessionArgument,
    owner: OwnerOption = None,
    watch: WatchOption = None,
) -> None:
    """Show what a session uses now.

    Example: bai-manager session usage train-1 --watch 2
    """
    cli = cli_of(ctx)
    action = GetUsageAction(session=session, owner=owner)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(
            output, USAGE_COLUMNS, usage_rows(result), name=lambda row: row.metric, noun="metrics"
        )

    shown(cli, render, watch)


def _execute(cli: Cli, session: str, code: str, *, shell: bool, owner: str | None) -> int:
    as_json = cli.output.chosen_format.is_structured
    with TerminalConsole(cli) as console:
        result = cli.execute(
            ExecuteSessionAction(
                session=session, owner=owner, code=code, shell=shell, stream=not as_json
            ),
            console=console,
        )
    if as_json:
        emit_object(cli.output, result, EXECUTION_FIELDS, name=lambda r: r.run_id)
    return result.exit_code
