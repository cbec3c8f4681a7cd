"""What would have to change for a session to start, and which change is the smallest.

A change is a list of steps. Only changes are offered after which the scheduler does start the
session: each is tried. Fewer steps are smaller; then less of what was asked for; then what
leaves the request as it is.

The world here is the snapshot at the session's turn with nobody else waiting
(``SchedulingPass.world_for``), so what a step frees is not taken by somebody else first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.sokovan import quota
from bai_manager.sokovan.errors import AgentSelectionError
from bai_manager.sokovan.quota import ZERO, CountBreach, Level, LimitBreach
from bai_manager.sokovan.scheduling import SchedulingPass
from bai_manager.sokovan.selectors import NoPlacement, Placement
from bai_manager.sokovan.steps import (
    AddAgent,
    AwaitSession,
    AwaitTime,
    ChangeType,
    FreeAgent,
    RaiseLimit,
    RaiseSessionLimit,
    ReduceRequest,
    UseAnyAgent,
    part_of,
    positive,
)
from bai_manager.sokovan.validators import (
    ADMISSION_VALIDATORS,
    VALIDATORS,
    NotBefore,
    Situation,
    UnmetDependencies,
    refusals,
)
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from bai_manager.sokovan.pool import AgentPool, AgentState
    from bai_manager.sokovan.selectors import AgentShortfall, Diagnosis
    from bai_manager.sokovan.snapshot import PendingSession, Snapshot
    from bai_manager.sokovan.steps import Step
    from bai_manager.sokovan.validators import Cause, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Steps that together let the session start; ``str(change)`` is what to do."""

    steps: tuple[Step, ...]

    @property
    def size(self) -> Decimal:
        return sum((step.size for step in self.steps), ZERO)

    def __str__(self) -> str:
        return "; ".join(str(step) for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacles:
    """Everything in the way of the one session that waits in a world.

    ``diagnosis`` tells about the agents where ``no_placement`` is for lack of one.
    """

    refusals: tuple[Refusal, ...]
    no_placement: NoPlacement | None
    diagnosis: Diagnosis | None

    def __bool__(self) -> bool:
        return bool(self.refusals) or self.no_placement is not None


def obstacles(world: Snapshot, *, joining: bool) -> Obstacles:
    """Ask every rule and every agent; ``joining`` asks also what is asked at creation."""
    session = world.pending[0]
    run = SchedulingPass(world)
    found = refusals(VALIDATORS, session, run.situation)
    if joining:
        situation = Situation(
            now=world.now,
            limits=world.limits,
            occupancy=world.occupancy,
            allowed_session_types=world.config.allowed_session_types,
        )
        first = refusals(ADMISSION_VALIDATORS, session, situation)
        named = {one.predicate for one in first}
        found = (*first, *(one for one in found if one.predicate not in named))
    placed = run.selection.place(session)
    if isinstance(placed, Placement):
        return Obstacles(refusals=found, no_placement=None, diagnosis=None)
    selectable = issubclass(placed.error, AgentSelectionError)
    return Obstacles(
        refusals=found,
        no_placement=placed,
        diagnosis=run.selection.diagnose(session) if selectable else None,
    )


def changes(
    world: Snapshot, found: Obstacles, before: Sequence[Step], *, joining: bool
) -> tuple[Change, ...]:
    """Find changes that let the session of ``world`` start, the smallest first.

    ``found`` are its obstacles; ``before`` are steps needed in any case.
    """
    plans = (_keeping, _with_any_agent, _reducing)
    proposed = [plan(world, found) for plan in plans]
    tried = [
        steps
        for steps in proposed
        if steps is not None and not obstacles(_after(world, steps), joining=joining)
    ]
    offered = [Change(steps=(*before, *steps)) for steps in tried]
    return tuple(
        sorted(
            (change for change in offered if change.steps),
            key=lambda change: (len(change.steps), change.size),
        )
    )


def shortfall_size(shortfall: AgentShortfall) -> Decimal:
    """Compare how much agents lack: parts of the request, and containers one by one."""
    parts = (part_of(amount - left, amount) for _, amount, left in shortfall.shortages)
    return sum(parts, ZERO) + shortfall.containers_missing


def _after(world: Snapshot, steps: Iterable[Step]) -> Snapshot:
    for step in steps:
        world = step.apply(world)
    return world


def _keeping(world: Snapshot, found: Obstacles) -> list[Step] | None:
    """Leave the request as it is."""
    return _with_room(world, [step for one in found.refusals for step in _steps_for(one.cause)])


def _with_any_agent(world: Snapshot, found: Obstacles) -> list[Step] | None:
    if found.diagnosis is None or not world.pending[0].designated_agent_ids:
        return None
    steps = [step for one in found.refusals for step in _steps_for(one.cause)]
    return _with_room(world, [*steps, UseAnyAgent()])


def _reducing(world: Snapshot, found: Obstacles) -> list[Step] | None:
    """Ask for what the limits and the best agent have left."""
    limited = any(isinstance(one.cause, LimitBreach) for one in found.refusals)
    if not limited and found.no_placement is None:
        return None
    reduced = _largest_that_fits(world, found)
    if reduced is None:
        return None
    others = [one.cause for one in found.refusals if not isinstance(one.cause, LimitBreach)]
    return [*(step for cause in others for step in _steps_for(cause)), reduced]


def _steps_for(cause: Cause) -> list[Step]:
    if isinstance(cause, LimitBreach):
        return [RaiseLimit(breach=cause)]
    if isinstance(cause, CountBreach):
        return [RaiseSessionLimit(breach=cause)]
    if isinstance(cause, UnmetDependencies):
        return [AwaitSession(dependency=one) for one in cause.sessions]
    if isinstance(cause, NotBefore):
        return [AwaitTime(at=cause.starts_at)]
    return [ChangeType(to=kind) for kind in sorted(cause.allowed)[:1]]


def _with_room(world: Snapshot, steps: list[Step]) -> list[Step] | None:
    """Add steps until every kernel finds an agent: free the nearest one, or add one.

    Every step helps the first kernel in need; what it changes for the others is looked at in
    the next round. Two rounds for each kernel are plenty, more means that there is no way.
    """
    world = _after(world, steps)
    session = world.pending[0]
    for _ in range(2 * len(session.kernels) + 1):
        found = obstacles(world, joining=False)
        if found.no_placement is None:
            return steps
        if found.diagnosis is None:
            return None
        step = _make_room(found.diagnosis)
        steps, world = [*steps, step], step.apply(world)
    return None


def _make_room(diagnosis: Diagnosis) -> Step:
    requirement = diagnosis.requirement
    nearest = min(
        (verdict.shortfall for verdict in diagnosis.verdicts if verdict.could_hold),
        key=lambda shortfall: (shortfall_size(shortfall), shortfall.agent_id),
        default=None,
    )
    if nearest is None:
        return AddAgent(architecture=requirement.architecture, slots=requirement.slots)
    missing = {slot: amount - left for slot, amount, left in nearest.shortages}
    return FreeAgent(
        agent_id=nearest.agent_id,
        slots=ResourceSlot(missing),
        containers=nearest.containers_missing,
        size=shortfall_size(nearest),
    )


def _largest_that_fits(world: Snapshot, found: Obstacles) -> ReduceRequest | None:
    """Cut the request to an agent and to the limits, losing the smallest part of it.

    Only where one agent is to hold all of it; an amount is never cut to nothing.
    """
    session = world.pending[0]
    architectures = {kernel.architecture for kernel in session.kernels}
    spread = session.cluster_mode is ClusterMode.MULTI_NODE and len(session.kernels) > 1
    wanted = positive(session.requested_slots)
    if spread or len(architectures) != 1 or any(amount.is_nan() for amount in wanted.values()):
        return None
    uses = quota.resource_uses(session.owner, world.limits, world.occupancy)
    if any(_is_queue_limit(one.cause) for one in found.refusals):
        uses = (*uses, quota.queue_use(session.owner, world.limits, world.occupancy))
    allowed = {
        slot: min(amount, *(use.headroom(slot) for use in uses)) for slot, amount in wanted.items()
    }
    pool = SchedulingPass(world).selection.pool
    cut = [
        {slot: min(amount, agent.remaining.get(slot, ZERO)) for slot, amount in allowed.items()}
        for agent in pool.agents.values()
        if agent.architecture in architectures and _may_be_used(agent, pool, session)
    ]
    reductions = [
        ReduceRequest(before=wanted, after=ResourceSlot(after))
        for after in cut
        if all(amount > 0 for amount in after.values())
    ]
    return min(reductions, key=lambda reduction: reduction.size, default=None)


def _is_queue_limit(cause: Cause) -> bool:
    return isinstance(cause, LimitBreach) and cause.level is Level.QUEUE


def _may_be_used(agent: AgentState, pool: AgentPool, session: PendingSession) -> bool:
    limit = pool.max_containers
    return (
        not agent.overcommitted
        and (not session.designated_agent_ids or agent.id in session.designated_agent_ids)
        and (limit is None or agent.containers + len(session.kernels) <= limit)
    )
