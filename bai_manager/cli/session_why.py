"""``bai-manager session why-pending`` and ``session fits``: why something would not start."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bai_manager.cli.completion import complete_image, complete_session
from bai_manager.cli.options import OwnerOption, WatchOption, cli_of
from bai_manager.cli.output.columns import Column, slots_column, time_column
from bai_manager.cli.output.rows import emit_object
from bai_manager.cli.watch import shown
from bai_manager.services.scheduler.actions import ExplainPendingAction, FitSessionAction
from bai_manager.services.session.actions import CreateSessionAction
from bai_manager.types.names import unique_suffix
from bai_manager.types.resource_slot import ResourceSlot, parse_assignments
from bai_manager.types.status import ClusterMode, SessionType

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.scheduler.actions import (
        ExplainPendingActionResult,
        ExplanationResult,
        FitSessionActionResult,
    )
    from bai_manager.services.scheduler.types import (
        AgentLack,
        ClosedAgent,
        LimitNumbers,
        WaitReason,
        WayOut,
    )

app = typer.Typer()

T = TypeVar("T")
AnyResult = TypeVar("AnyResult", bound="ExplanationResult")
_SHOWN_AGENTS = 8
_NOT_NOW = 8
"""The exit code of findings."""
_IN_BRACKETS = re.compile(r"^[^(]*\((.*?)(?:\. Details: .*)?\)$", re.DOTALL)
"""``Unavailable : … (no available agents for kernel 2 of 3. Details: …)``"""
_OUTLOOKS = {
    "never": "waiting does not help",
    "when-others-end": "until others end",
    "in-turn": "until its turn",
}


class Prints:
    """What each command prints with ``-o json``."""

    why_pending: ExplainPendingActionResult
    fits: FitSessionActionResult


@app.command("why-pending")
def why_pending(
    ctx: typer.Context,
    session: Annotated[
        str, typer.Argument(help="Name, id or unique id prefix.", autocompletion=complete_session)
    ],
    owner: OwnerOption = None,
    watch: WatchOption = None,
) -> None:
    """Tell every reason why a session waits, and the smallest change that lets it start.

    Example: bai-manager session why-pending train-1
    """
    action = ExplainPendingAction(session=session, owner=owner)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result, WHY_FIELDS, name=lambda told: told.session_name)

    shown(cli_of(ctx), render, watch)


@app.command("fits")
def fits(
    ctx: typer.Context,
    image: Annotated[
        str,
        typer.Option("--image", "-i", help="Name or alias.", autocompletion=complete_image),
    ],
    resources: Annotated[
        list[str] | None,
        typer.Option(
            "--resource", "-r", metavar="SLOT=AMOUNT", help="cpu=2, mem=4g, … each kernel."
        ),
    ] = None,
    session_type: Annotated[
        str, typer.Option("--type", "-t", help="interactive, batch, inference or system.")
    ] = "interactive",
    cluster_size: Annotated[int, typer.Option("--cluster-size", help="How many kernels.")] = 1,
    cluster_mode: Annotated[
        str, typer.Option("--cluster-mode", help="single-node or multi-node.")
    ] = "single-node",
    shmem: Annotated[str | None, typer.Option("--shmem", help="Shared memory: 64m.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", "--project", "-g", help="Project.")
    ] = None,
    domain: Annotated[str | None, typer.Option("--domain", "-d", help="Domain.")] = None,
    scaling_group: Annotated[
        str | None, typer.Option("--scaling-group", help="Resource group.")
    ] = None,
    priority: Annotated[int, typer.Option("--priority", help="0 to 100; higher first.")] = 10,
    architecture: Annotated[
        str | None, typer.Option("--architecture", help="Of the image: x86_64, aarch64.")
    ] = None,
    owner: OwnerOption = None,
    watch: WatchOption = None,
) -> None:
    """Tell what would become of a session without creating it: exit code 8 if it would not start.

    Example: bai-manager session fits --image python -r cpu=4 -r mem=8g
    """
    cli = cli_of(ctx)
    defaults = cli.config.settings.defaults
    kind = SessionType.parse(session_type)
    request = CreateSessionAction(
        name=f"fits-{unique_suffix()}",
        image=image,
        architecture=architecture,
        session_type=kind,
        startup_command="true" if kind is SessionType.BATCH else None,
        resources=parse_assignments(resources or ()),
        shmem=shmem,
        cluster_size=cluster_size,
        cluster_mode=ClusterMode.parse(cluster_mode),
        domain=domain or defaults.domain,
        group=group or defaults.project,
        scaling_group=scaling_group or defaults.scaling_group,
        priority=priority,
    )
    action = FitSessionAction(request=request, owner=owner)
    found: list[FitSessionActionResult] = []

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        found[:] = [result]
        emit_object(output, result, FIT_FIELDS, name=lambda told: told.scaling_group)

    shown(cli, render, watch)
    if not found[-1].starts or found[-1].refusals:
        raise typer.Exit(_NOT_NOW)


def _fields() -> tuple[Column[AnyResult], ...]:
    """What both commands tell."""
    return (
        Column("scaling_group", lambda told: told.scaling_group, title="Resource group"),
        slots_column("requested_slots", lambda told: told.requested_slots, title="Asks for"),
        Column("ahead", lambda told: told.ahead, title="Ahead of it"),
        Column(
            "reasons",
            lambda told: told.reasons,
            human=lambda told: _listed(told.reasons, _reason_text),
        ),
        Column(
            "agents",
            lambda told: told.agents,
            title="Agents lack",
            human=lambda told: _agents_text(told.agents),
        ),
        Column(
            "closed_agents",
            lambda told: told.closed_agents,
            title="Not looked at",
            human=lambda told: "\n".join(map(_closed_text, told.closed_agents)) or None,
        ),
        Column(
            "smallest_change",
            lambda told: told.smallest_change,
            title="Smallest change",
            human=lambda told: _way_text(told.smallest_change) if told.smallest_change else None,
        ),
        Column(
            "changes",
            lambda told: told.changes,
            title="Or",
            human=lambda told: _listed(told.changes[1:], _way_text),
        ),
        time_column("expires_at", lambda told: told.expires_at, title="Given up"),
    )


def _verdict(told: ExplanationResult) -> str:
    """In one line."""
    if told.starts:
        return f"starts in the next pass, on {', '.join(told.agent_ids)}"
    if any(reason.outlook == "never" for reason in told.reasons):
        return "does not start by waiting alone"
    return "waits"


def _fit_verdict(told: FitSessionActionResult) -> str:
    if told.queue_refusals:
        return "would be refused"
    if told.refusals:
        return "would be refused, or wait with --queue"
    return _verdict(told).replace("starts", "would start", 1).replace("waits", "would wait", 1)


def _reason_text(reason: WaitReason) -> str:
    """The numbers of limits as people read them; what each agent lacks has lines of its own."""
    message = _limits_text(reason.limits) if reason.limits else reason.message
    if reason.kind == "agents":
        message = _IN_BRACKETS.sub(r"\1", message)
    return f"{message} [{_OUTLOOKS[reason.outlook]}]"


def _limits_text(limits: list[LimitNumbers]) -> str:
    """``keypair AK: 14g of 16g mem in use, 4g asked, 2g too much; 3 of 4 cpu …``."""
    parts = []
    for one in limits:
        excess = one.used + one.requested - one.limit
        amounts = (one.used, one.limit, one.requested, excess)
        used, most, asked, over = (_amount(one.counted, amount) for amount in amounts)
        parts.append(f"{used} of {most} {one.counted} in use, {asked} asked, {over} too much")
    return f"{limits[0].level} {limits[0].name}: {'; '.join(parts)}"


def _amount(slot: str, amount: Decimal) -> str:
    return ResourceSlot({slot: amount}).humanized()[slot]


def _agents_text(agents: list[AgentLack]) -> str | None:
    lines = [
        f"{one.agent}: {_lack_text(one)}"
        + ("" if one.could_hold else " (could not even when empty)")
        for one in agents[:_SHOWN_AGENTS]
    ]
    if len(agents) > _SHOWN_AGENTS:
        lines.append(f"and {len(agents) - _SHOWN_AGENTS} more; all of them with -o json")
    return "\n".join(lines) or None


def _lack_text(lack: AgentLack) -> str:
    """``cpu: 1 left, 2 asked; 1 container has to end``."""
    if lack.architecture is not None:
        return f"is {lack.architecture}"
    parts = [
        f"{one.slot}: {_amount(one.slot, one.available)} left,"
        f" {_amount(one.slot, one.requested)} asked"
        for one in lack.missing
    ]
    if lack.containers_to_end:
        parts.append(f"too many containers, {lack.containers_to_end} to end")
    return "; ".join(parts)


def _closed_text(agent: ClosedAgent) -> str:
    why = agent.status.value if agent.schedulable else f"{agent.status.value}, drained"
    return f"{agent.agent}: {why}"


def _way_text(way: WayOut) -> str:
    """Each step on a line of its own."""
    return "\nand ".join(way.steps)


def _listed(items: list[T], text: Callable[[T], str]) -> str | None:
    """Numbered where there are several."""
    if len(items) == 1:
        return text(items[0])
    return "\n".join(f"{n}. {text(item)}" for n, item in enumerate(items, start=1)) or None


_WHY_REST: tuple[Column[ExplainPendingActionResult], ...] = _fields()
WHY_FIELDS: tuple[Column[ExplainPendingActionResult], ...] = (
    Column("session_name", lambda told: told.session_name, title="Session"),
    Column("verdict", _verdict),
    *_WHY_REST,
)
_FIT_REST: tuple[Column[FitSessionActionResult], ...] = _fields()
FIT_FIELDS: tuple[Column[FitSessionActionResult], ...] = (
    Column("verdict", _fit_verdict),
    Column(
        "refusals",
        lambda told: told.refusals,
        title="Create says",
        human=lambda told: _listed(told.refusals, str),
    ),
    *_FIT_REST,
)
