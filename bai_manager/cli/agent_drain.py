"""``bai-manager agent drain``, ``undrain`` and ``recalculate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_agent
from bai_manager.cli.options import TimeoutOption, cli_of, seconds, targets
from bai_manager.cli.output.columns import Column, slots_column
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.verbs import FailFastOption, counted, for_each
from bai_manager.services.agent.actions import (
    DrainAgentAction,
    RecalculateUsageAction,
    UndrainAgentAction,
)

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.services.agent.actions import DrainAgentActionResult, UndrainAgentActionResult
    from bai_manager.services.agent.types import OccupancyChange

app = typer.Typer()


class Prints:
    """What each command prints with ``-o json``."""

    drain: DrainAgentActionResult
    undrain: UndrainAgentActionResult
    recalculate: list[OccupancyChange]


AgentsArgument = Annotated[
    list[str],
    typer.Argument(help="Ids; '-' reads them.", autocompletion=complete_agent),
]

DRAIN_FIELDS: tuple[Column[DrainAgentActionResult], ...] = (
    Column("agent", lambda done: done.agent.id),
    Column("schedulable", lambda done: done.agent.schedulable),
    Column("changed", lambda done: done.changed),
    Column(
        "sessions",
        lambda done: done.sessions,
        title="Still on it",
        human=lambda done: (
            "\n".join(
                f"{one.name} ({one.status.value}, {counted(one.kernel_count, 'kernel')} of"
                f" {one.user_email or one.access_key})"
                for one in done.sessions
            )
            or "nothing"
        ),
    ),
)
UNDRAIN_FIELDS: tuple[Column[UndrainAgentActionResult], ...] = (
    Column("agent", lambda done: done.agent.id),
    Column("schedulable", lambda done: done.agent.schedulable),
    Column("changed", lambda done: done.changed),
)
CHANGE_COLUMNS: tuple[Column[OccupancyChange], ...] = (
    Column("agent", lambda change: change.agent, keep=True),
    slots_column("recorded", lambda change: change.recorded),
    slots_column("counted", lambda change: change.counted),
    Column("changed", lambda change: change.changed),
)


@app.command("drain")
def drain(
    ctx: typer.Context,
    agents: AgentsArgument,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is empty.")] = False,
    timeout: TimeoutOption = None,
    fail_fast: FailFastOption = False,
) -> None:
    """Give agents no new kernels, and tell what still runs on them.

    Example: bai-manager agent drain i-local --wait --timeout 1h
    """
    cli = cli_of(ctx)
    names, limit = targets(agents, cli), seconds(timeout, cli)

    def action(name: str) -> DrainAgentAction:
        waits = wait and not cli.flags.dry_run  # in which nothing ends
        return DrainAgentAction(agent=name, wait=waits, timeout=limit)

    if len(names) == 1:
        emit_object(cli.output, cli.execute(action(names[0])), DRAIN_FIELDS, name=_agent_of)
        return

    async def act(processor: ActionProcessor, name: str) -> str:
        left = (await processor.run(action(name))).sessions
        return f"closed, {counted(len(left), 'session')} left on it"

    for_each(cli, names, act, noun="agents", fail_fast=fail_fast)


@app.command("undrain")
def undrain(ctx: typer.Context, agents: AgentsArgument, fail_fast: FailFastOption = False) -> None:
    """Let agents have new kernels again.

    Example: bai-manager agent undrain i-local
    """
    cli = cli_of(ctx)
    names = targets(agents, cli)
    if len(names) == 1:
        done = cli.execute(UndrainAgentAction(agent=names[0]))
        emit_object(cli.output, done, UNDRAIN_FIELDS, name=_agent_of)
        return

    async def act(processor: ActionProcessor, name: str) -> str:
        changed = (await processor.run(UndrainAgentAction(agent=name))).changed
        return "open" if changed else "open before"

    for_each(cli, names, act, noun="agents", fail_fast=fail_fast)


@app.command("recalculate")
def recalculate(
    ctx: typer.Context,
    agents: Annotated[
        list[str] | None,
        typer.Argument(help="Ids; all without any.", autocompletion=complete_agent),
    ] = None,
) -> None:
    """Count what the kernels on agents hold, and correct the rows that say otherwise.

    Example: bai-manager agent recalculate --dry-run
    """
    cli = cli_of(ctx)
    names = tuple(targets(agents or (), cli))
    changes = cli.execute(RecalculateUsageAction(agents=names)).agents
    emit_rows(cli.output, CHANGE_COLUMNS, changes, name=lambda one: one.agent, noun="agents")
    wrong = sum(change.changed for change in changes)
    if not wrong:
        cli.terminal.note("Every row was right.")


def _agent_of(done: DrainAgentActionResult | UndrainAgentActionResult) -> str:
    return done.agent.id
