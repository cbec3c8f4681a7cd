"""``bai-manager scheduler``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping  # noqa: TC003 - the JSON Schema of SchedulerPass needs it
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - as above
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.embedded import require_embedded
from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.human import time_text
from bai_manager.cli.output.rows import emit_object, row_writer
from bai_manager.errors import InvalidInput, TryAgain
from bai_manager.services.scheduler.actions import RunSchedulerAction
from bai_manager.types.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.scheduler.actions import RunSchedulerActionResult

app = typer.Typer(
    help="Run the scheduler by hand.\n\nExample: bai-manager scheduler run",
    no_args_is_help=True,
    add_completion=False,
)


class Prints:
    """What each command prints with ``-o json``."""

    run: RunSchedulerActionResult


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerPass:
    """A pass after which something was different; ``sessions`` counts those alive by status."""

    time: datetime
    sessions: Mapping[str, int]


RUN_FIELDS: tuple[Column[RunSchedulerActionResult], ...] = (
    Column("sessions", lambda result: result.sessions, human=lambda r: _counted(r.sessions)),
)
PASS_COLUMNS: tuple[Column[SchedulerPass], ...] = (
    Column("time", lambda done: done.time),
    Column("sessions", lambda done: done.sessions),
)


@app.command("run")
def run(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="One pass; the default.")] = False,
    interval: Annotated[
        float | None,
        typer.Option("--interval", metavar="SECONDS", min=0.05, help="Pass after pass, until ^C."),
    ] = None,
) -> None:
    """Move every session as far as it can go now, once or again and again.

    Example: bai-manager scheduler run --interval 5
    """
    cli = cli_of(ctx)
    require_embedded(cli.config, "A cluster's own manager schedules its sessions")
    if interval is None:
        result = cli.execute(RunSchedulerAction())
        emit_object(cli.output, result, RUN_FIELDS, name=lambda r: _counted(r.sessions))
        return
    if once:
        raise InvalidInput(
            "--once and --interval exclude each other.", hint="Without either, it is one pass."
        )

    async def forever(processor: ActionProcessor) -> None:
        await _repeat(cli, processor, interval)

    cli.run(forever)


@app.callback()
def scheduler() -> None:
    """Keep ``run`` a verb: a Typer app with one command would be that command."""


async def _repeat(cli: Cli, processor: ActionProcessor, interval: float) -> None:
    """Pass after pass until cancelled; one that meets a passing condition is left out."""
    tell = _teller(cli)
    before: Mapping[str, int] | None = None
    while True:
        try:
            sessions = (await processor.run(RunSchedulerAction())).sessions
        except TryAgain as error:
            cli.terminal.warn(error.message)
        else:
            if sessions != before:
                tell(SchedulerPass(time=system_clock(), sessions=sessions))
            before = sessions
        await asyncio.sleep(interval)


def _teller(cli: Cli) -> Callable[[SchedulerPass], None]:
    """Where passes go, each a line at once: a person need not wait for the end of a table."""
    if not cli.output.chosen_format.is_human:
        return row_writer(cli.output, PASS_COLUMNS, name=lambda p: time_text(p.time)).write

    def tell(done: SchedulerPass) -> None:
        cli.stdout.write(f"{time_text(done.time)}  {_counted(done.sessions)}\n")
        cli.stdout.flush()

    return tell


def _counted(sessions: Mapping[str, int]) -> str:
    return " ".join(f"{status}={count}" for status, count in sessions.items()) or "no session"
