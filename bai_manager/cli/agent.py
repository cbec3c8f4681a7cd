"""``bai-manager agent``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli import agent_drain
from bai_manager.cli.completion import complete_agent
from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    SortOption,
    StatusOption,
    WatchOption,
    cli_of,
    make_query,
)
from bai_manager.cli.output.columns import Column, slots_column, status_column, time_column
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.watch import shown
from bai_manager.services.agent.actions import GetAgentAction, ListAgentsAction
from bai_manager.services.agent.types import AgentData

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.agent.actions import GetAgentActionResult
    from bai_manager.types.json import JsonObject

app = typer.Typer(
    help="List, inspect, open and close agents.\n\nExample: bai-manager agent list",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(agent_drain.app)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[AgentData]
    show: AgentDetails


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentDetails(AgentData):
    """An agent's row and what it answers by itself; None when it does not answer."""

    health: str | None
    hardware: JsonObject | None


LIST_COLUMNS: tuple[Column[AgentData], ...] = (
    Column("id", lambda agent: agent.id, title="ID"),
    status_column("status", lambda agent: agent.status),
    Column("scaling_group", lambda agent: agent.scaling_group, title="Resource group"),
    Column("schedulable", lambda agent: agent.schedulable),
    Column("kernel_count", lambda agent: agent.kernel_count, title="Kernels", justify="right"),
    slots_column("occupied_slots", lambda agent: agent.occupied_slots, title="Occupied"),
    slots_column("available_slots", lambda agent: agent.available_slots, title="Available"),
    Column("architecture", lambda agent: agent.architecture, wide=True),
    Column("region", lambda agent: agent.region, wide=True),
    Column("addr", lambda agent: agent.addr, title="Address", wide=True),
    Column("version", lambda agent: agent.version, wide=True),
    time_column(
        "first_contact", lambda agent: agent.first_contact, title="First contact", wide=True
    ),
    time_column(
        "status_changed", lambda agent: agent.status_changed, title="Status since", wide=True
    ),
    time_column("lost_at", lambda agent: agent.lost_at, title="Lost", wide=True),
)
SHOW_FIELDS: tuple[Column[AgentDetails], ...] = (
    Column("id", lambda agent: agent.id, title="ID"),
    status_column("status", lambda agent: agent.status),
    Column("health", lambda agent: agent.health, human=lambda a: a.health or "it does not answer"),
    Column("scaling_group", lambda agent: agent.scaling_group, title="Resource group"),
    Column("schedulable", lambda agent: agent.schedulable),
    Column("kernel_count", lambda agent: agent.kernel_count, title="Kernels"),
    slots_column("occupied_slots", lambda agent: agent.occupied_slots, title="Occupied"),
    slots_column("available_slots", lambda agent: agent.available_slots, title="Available"),
    Column("architecture", lambda agent: agent.architecture),
    Column("region", lambda agent: agent.region),
    Column("addr", lambda agent: agent.addr, title="Address"),
    Column("version", lambda agent: agent.version),
    time_column("first_contact", lambda agent: agent.first_contact, title="First contact"),
    time_column("status_changed", lambda agent: agent.status_changed, title="Status since"),
    time_column("lost_at", lambda agent: agent.lost_at, title="Lost"),
    Column(
        "hardware",
        lambda agent: agent.hardware,
        human=lambda agent: "\n".join(_devices(agent.hardware or {})),
    ),
)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    status: StatusOption = None,
    watch: WatchOption = None,
) -> None:
    """List agents with what their kernels take.

    Example: bai-manager agent list --status ALIVE -o wide
    """
    cli = cli_of(ctx)
    action = ListAgentsAction(query=make_query(filters, sort, limit, status=status))

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, LIST_COLUMNS, result.agents, name=lambda a: a.id, noun="agents")

    shown(cli, render, watch)


@app.command("show")
def show(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(help="Its id.", autocompletion=complete_agent)],
    watch: WatchOption = None,
) -> None:
    """Show one agent and ask it how it is.

    Example: bai-manager agent show i-local
    """
    cli = cli_of(ctx)
    action = GetAgentAction(agent=agent)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        details = _details(await processor.run(action))
        emit_object(output, details, SHOW_FIELDS, name=lambda a: a.id)

    shown(cli, render, watch)


def _details(result: GetAgentActionResult) -> AgentDetails:
    row = {field.name: getattr(result.agent, field.name) for field in fields(result.agent)}
    return AgentDetails(**row, health=result.health, hardware=result.hardware)


def _devices(hardware: JsonObject) -> list[str]:
    return [
        f"{device}  {facts.get('status')}"
        for device, facts in hardware.items()
        if isinstance(facts, dict)
    ]
