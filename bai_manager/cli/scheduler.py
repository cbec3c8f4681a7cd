"""``bai-manager scheduler``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping  # noqa: TC003 - the JSON Schema of SchedulerPass needs it
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - as above
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.embedded import require_embedded
from bai_manager.cli.options import WatchOption, cli_of
from bai_manager.cli.output.columns import Column, time_column
from bai_manager.cli.output.human import time_text
from bai_manager.cli.output.rows import emit_object, row_writer
from bai_manager.cli.watch import shown
from bai_manager.errors import InvalidInput, TryAgain
from bai_manager.services.scheduler.actions import GetSchedulerStatusAction, RunSchedulerAction
from bai_manager.types.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.scheduler.actions import (
        GetSchedulerStatusActionResult,
        RunSchedulerActionResult,
    )
    from bai_manager.services.scheduler.types import LockData, QueueData
    from bai_manager.types.passes import SchedulerPass as SchedulerPassData

app = typer.Typer(
    help="Run the scheduler by hand, and see what it has before it.\n\n"
    "Example: bai-manager scheduler status",
    no_args_is_help=True,
    add_completion=False,
)


class Prints:
    """What each command prints with ``-o json``."""

    run: RunSchedulerActionResult
    status: GetSchedulerStatusActionResult


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


STATUS_FIELDS: tuple[Column[GetSchedulerStatusActionResult], ...] = (
    Column("scheduled_by", lambda status: status.scheduled_by),
    Column("last_pass", lambda status: status.last_pass, human=lambda s: _pass_text(s.last_pass)),
    time_column("last_decision", lambda status: status.last_decision, title="Last decision"),
    Column("sessions", lambda status: status.sessions, human=lambda s: _counted(s.sessions)),
    Column(
        "queues",
        lambda status: status.queues,
        title="Resource groups",
        human=lambda s: "\n".join(map(_queue_text, s.queues)) or None,
    ),
    Column(
        "locks",
        lambda status: status.locks,
        human=lambda s: "\n".join(map(_lock_text, s.locks)) or "free",
    ),
)


@app.command("status")
def status(ctx: typer.Context, watch: WatchOption = None) -> None:
    """Show who schedules, when that was last, who waits in each resource group, who holds locks.

    Example: bai-manager scheduler status --watch 2
    """
    cli = cli_of(ctx)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        found = await processor.run(GetSchedulerStatusAction())
        emit_object(output, found, STATUS_FIELDS, name=lambda s: s.scheduled_by)

    shown(cli, render, watch)


async def _repeat(cli: Cli, processor: ActionProcessor, interval: float) -> None:
    """Pass after pass until cancelled; one that meets a passing condition is left out."""
    tell = _teller(cli)
    before: Mapping[str, int] | None = None
    while True:
        try:
            sessions = (await processor.run(RunSchedulerAction(every=interval))).sessions
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


def _pass_text(last: SchedulerPassData | None) -> str | None:
    """``None``: on a cluster, or before the first."""
    if last is None:
        return None
    took = (last.ended_at - last.started_at).total_seconds()
    text = f"{time_text(last.ended_at)}, took {took:.2f} s, by process {last.pid}"
    if last.every is None:
        return text
    return f"{text}, {f'which goes on every {last.every:g} s' if last.alive else 'which ended'}"


def _queue_text(queue: QueueData) -> str:
    """``default (fifo): 3 wait, priority 10 first, the oldest since …; 1 of 2 agents open``."""
    agents = f"{queue.schedulable_agents} of {queue.agents} agents open"
    if not queue.pending:
        return f"{queue.scaling_group} ({queue.scheduler}): nobody waits; {agents}"
    since = f", the oldest since {time_text(queue.oldest)}" if queue.oldest else ""
    return (
        f"{queue.scaling_group} ({queue.scheduler}): {queue.pending} wait, priority"
        f" {queue.highest_priority} first{since}; {agents}"
    )


def _lock_text(lock: LockData) -> str:
    what = "held" if lock.granted else "awaited"
    where = f" at {lock.client}" if lock.client else ""
    since = f" since {time_text(lock.since)}" if lock.since else ""
    whom = f"{lock.application or 'a connection'}{where}"
    return f"{lock.phase} ({lock.lock}): {what} by {whom}, server process {lock.pid}{since}"
