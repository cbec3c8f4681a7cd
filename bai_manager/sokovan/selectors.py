"""Which agent a session gets, or why it gets none.

``reference/state-machines.md`` §7.2, *Agent selection*. Three points differ from the reference,
each where it has a defect: *roundrobin* really goes round, a single-node session needs room for
*all* its containers, and equals are told apart by agent id.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from bai_manager.sokovan import errors
from bai_manager.sokovan.pool import AgentPool, Prefer, Requirement
from bai_manager.sokovan.quota import ZERO, plain
from bai_manager.types.resource_slot import ResourceSlot, Shortage
from bai_manager.types.status import ClusterMode, SessionType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from uuid import UUID

    from bai_manager.sokovan.pool import AgentState, PoolMark, RequirementKey
    from bai_manager.sokovan.snapshot import PendingSession, Snapshot

SUMMARIZED_AGENTS: Final = 5
"""A message is a column that people read; ``explain`` tells about every agent."""
_NAMED_AGENTS: Final = 3
_REMEMBERED: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A strategy; ``passed`` is what is recorded for every session it found an agent for."""

    name: str
    passed: str
    prefer: Prefer
    may_spread: bool = False


_CONCENTRATED = Selector(
    name="ConcentratedAgentSelector",
    passed="Agents selected that are the fullest",
    prefer=Prefer.LEAST_LEFT,
    may_spread=True,
)
_SELECTORS = {
    "concentrated": _CONCENTRATED,
    "dispersed": Selector(
        name="DispersedAgentSelector",
        passed="Agents selected that have the most left",
        prefer=Prefer.MOST_LEFT,
    ),
    "roundrobin": Selector(
        name="RoundRobinAgentSelector",
        passed="Agents selected by turns",
        prefer=Prefer.ID,
    ),
    "legacy": Selector(
        name="LegacyAgentSelector",
        passed="Agents selected that have the most left",
        prefer=Prefer.MOST_LEFT,
    ),
}


def selector_for(strategy: str) -> Selector:
    """Find the strategy's selector; an unknown one means *concentrated*."""
    return _SELECTORS.get(strategy, _CONCENTRATED)


class AgentShortfall(NamedTuple):
    """Why one agent cannot hold a requirement now: any of the three.

    ``containers_missing`` is how many of its containers would have to end.
    """

    agent_id: str
    wrong_architecture: str | None = None
    shortages: tuple[Shortage, ...] = ()
    containers_missing: int = 0
    max_containers: int | None = None

    @property
    def reason(self) -> str:
        """What it has, without its name: goes on after *has* or *have*."""
        asked = {slot: plain(requested) for slot, requested, _ in self.shortages}
        available = {slot: plain(left) for slot, _, left in self.shortages}
        return self.describe(asked, available.__getitem__)

    def describe(self, asked: Mapping[str, str], available: Callable[[str], str]) -> str:
        """Make the reason of amounts that are written out already."""
        if self.wrong_architecture is not None:
            return f"another architecture: {self.wrong_architecture}"
        reasons = []
        if self.shortages:
            slots = [
                f"{slot}: requested={asked.get(slot, '0')}, available={available(slot)}"
                for slot, _, _ in self.shortages
            ]
            reasons.append(f"insufficient resources: {'; '.join(slots)}")
        if self.containers_missing:
            reasons.append(
                f"too many containers: limit={self.max_containers}, "
                f"to end={self.containers_missing}"
            )
        return " and ".join(reasons)


class AgentVerdict(NamedTuple):
    """What an agent lacks, and whether it would do if other sessions on it ended."""

    shortfall: AgentShortfall
    could_hold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The requirement no agent can hold, its place among the session's, and every agent's why."""

    requirement: Requirement
    index: int
    verdicts: tuple[AgentVerdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Agents found; the kernels are counted on them already."""

    taken: tuple[tuple[Requirement, AgentState], ...]
    endpoint_id: UUID | None
    before: PoolMark


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlacement:
    """No agent was found; ``predicate`` is the name to record it by."""

    predicate: str
    message: str
    error: type[errors.SchedulingError]


def requirements(session: PendingSession) -> tuple[Requirement, ...]:
    """Say what has to fit on one agent each: the sum for a single node, else every kernel.

    Raises ``SessionWithoutKernels``, ``UnmeasurableRequest`` and ``MixedArchitectures``.
    """
    if not session.kernels:
        raise errors.SessionWithoutKernels(f"Session {session.id} has no kernels to start")
    for slot, amount in session.requested_slots.items():
        if not amount.is_finite():
            raise errors.UnmeasurableRequest(f"No agent can give {slot}={amount}")
    if session.cluster_mode is ClusterMode.MULTI_NODE:
        return tuple(
            Requirement(
                architecture=kernel.architecture,
                slots=kernel.requested_slots,
                kernel_ids=(kernel.kernel_id,),
            )
            for kernel in session.kernels
        )
    architectures = sorted({kernel.architecture for kernel in session.kernels})
    if len(architectures) > 1:
        raise errors.MixedArchitectures(
            "The kernels of a single-node session need one architecture, not "
            + " and ".join(architectures)
        )
    return (
        Requirement(
            architecture=architectures[0],
            slots=session.requested_slots,
            kernel_ids=tuple(kernel.kernel_id for kernel in session.kernels),
        ),
    )


class AgentSelection:
    """The selection of one pass over a snapshot's agents."""

    def __init__(self, snapshot: Snapshot) -> None:
        config = snapshot.config
        self.selector = selector_for(config.agent_selection_strategy)
        self.pool = AgentPool(snapshot.agents, config, prefer=self.selector.prefer)
        self._scaling_group = snapshot.scaling_group
        self._spreading = self.selector.may_spread and config.enforce_spreading_endpoint_replica
        self._refused: dict[
            tuple[tuple[RequirementKey, ...], tuple[str, ...]], tuple[int, NoPlacement]
        ] = {}
        self._too_large: list[Requirement] = []

    def place(self, session: PendingSession) -> Placement | NoPlacement:
        """Find an agent for every requirement and put the kernels there, or change nothing.

        A request that was refused is refused again without a search as long as nothing changed.
        A kernel that no agent could hold is refused for the rest of the pass, and so is each that
        wants as much or more: agents only get fuller. (That goes for the first kernel of several;
        what becomes of the others depends on where those before them went.)
        """
        try:
            needed = requirements(session)
        except errors.SchedulingError as error:
            name = type(error).__name__
            return NoPlacement(predicate=name, message=error.message, error=type(error))
        question = tuple(one.key for one in needed), session.designated_agent_ids
        version, refusal = self._refused.get(question, (-1, None))
        if refusal is not None and version == self.pool.version:
            return refusal
        alone = len(needed) == 1
        if (alone and refusal is not None) or self._is_too_large(needed[0]):
            refusal = self._refusal(session, needed, 0)
        else:
            placement, failed = self._take_all(session, needed)
            if failed is None:
                return placement
            refusal = self._refusal(session, needed, failed)
            self.withdraw(placement)
            if failed == 0 and not session.designated_agent_ids:
                self._remember(needed[0])
        self._refused[question] = self.pool.version, refusal
        return refusal

    def _is_too_large(self, requirement: Requirement) -> bool:
        """Whether as much, or less, found no agent before."""
        for place, other in enumerate(self._too_large):
            if requirement.takes_at_least(other):
                # What has just refused one is likely to refuse the next.
                self._too_large.insert(0, self._too_large.pop(place))
                return True
        return False

    def _remember(self, requirement: Requirement) -> None:
        """Keep the smallest of what found no agent; a bounded number, each a saved search."""
        larger = [one for one in self._too_large if one.takes_at_least(requirement)]
        kept = [one for one in self._too_large if one not in larger]
        self._too_large = [requirement, *kept][:_REMEMBERED]

    def withdraw(self, placement: Placement) -> None:
        """Take back the latest placement."""
        self.pool.undo(placement.taken, placement.endpoint_id, to=placement.before)

    def diagnose(self, session: PendingSession) -> Diagnosis | None:
        """Tell what every agent lacks for the first requirement without one; change nothing.

        Raises as ``requirements`` does.
        """
        needed = requirements(session)
        placement, failed = self._take_all(session, needed)
        diagnosis = None
        if failed is not None:
            requirement = needed[failed]
            found = self._shortfalls(requirement, session.designated_agent_ids)
            diagnosis = Diagnosis(
                requirement=requirement,
                index=failed,
                verdicts=tuple(
                    AgentVerdict(
                        shortfall, self._could_hold(shortfall.agent_id, requirement, placement)
                    )
                    for shortfall in found
                ),
            )
        self.withdraw(placement)
        return diagnosis

    def _take_all(
        self, session: PendingSession, needed: Sequence[Requirement]
    ) -> tuple[Placement, int | None]:
        """Place requirements up to the first that finds no agent, whose index is given then."""
        spread = self._spreading and session.session_type is SessionType.INFERENCE
        endpoint_id = session.endpoint_id if spread else None
        before = self.pool.mark()
        taken: list[tuple[Requirement, AgentState]] = []
        failed = None
        for index, requirement in enumerate(needed):
            agent = self.pool.find(requirement, session.designated_agent_ids, endpoint_id)
            if agent is None:
                failed = index
                break
            self.pool.take(agent, requirement, endpoint_id)
            taken.append((requirement, agent))
        return Placement(taken=tuple(taken), endpoint_id=endpoint_id, before=before), failed

    def _shortfalls(
        self, requirement: Requirement, designated: Sequence[str]
    ) -> Iterator[AgentShortfall]:
        """Tell of agents that cannot hold the requirement, in the order of their ids.

        Only of ``designated`` ones if there are any; those that are not here are left out.
        """
        agents = self.pool.agents
        if designated:
            agents = {one: agents[one] for one in sorted({*designated}) if one in agents}
        for agent in agents.values():
            shortfall = self._shortfall(agent, requirement)
            if shortfall is not None:
                yield shortfall

    def _could_hold(self, agent_id: str, requirement: Requirement, own: Placement) -> bool:
        """Whether it could if it ran nothing but the kernels of the same session."""
        agent = self.pool.agents[agent_id]
        parts = [part for part, taken_by in own.taken if taken_by is agent]
        together = ResourceSlot.total(part.slots for part in (*parts, requirement))
        kernels = sum(len(part.kernel_ids) for part in (*parts, requirement))
        limit = self.pool.max_containers
        return (
            agent.architecture == requirement.architecture
            and not together.shortages(agent.available)
            and (limit is None or kernels <= limit)
        )

    def _refusal(
        self, session: PendingSession, needed: Sequence[Requirement], index: int
    ) -> NoPlacement:
        requirement = needed[index]
        architectures = self.pool.architectures
        error: type[errors.SchedulingError] = errors.NoAvailableAgentError
        if not architectures:
            why = f"no available agents in resource group {self._scaling_group}"
        elif requirement.architecture not in architectures:
            error = errors.NoCompatibleAgentError
            why = (
                f"no compatible agents. Details: architecture: requested="
                f"{requirement.architecture}, available={', '.join(architectures)}"
            )
        else:
            details = self._details(requirement, session.designated_agent_ids)
            kernel = f" for kernel {index + 1} of {len(needed)}" if len(needed) > 1 else ""
            why = f"no available agents{kernel}. Details: {details}"
        return NoPlacement(
            predicate=self.selector.name,
            message=f"Unavailable : No agents can be allocated at this time. ({why})",
            error=error,
        )

    def _details(self, requirement: Requirement, designated: Sequence[str]) -> str:
        """Count agents by reason: ``1x Agent i-1 has insufficient resources: ...``."""
        pool = self.pool
        asked = {slot: plain(amount) for slot, amount in requirement.slots.items()}
        found = self._shortfalls(requirement, designated)
        right = (one for one in found if designated or one.wrong_architecture is None)
        agents: defaultdict[str, list[str]] = defaultdict(list)
        for shortfall in islice(right, SUMMARIZED_AGENTS):
            told = pool.agents[shortfall.agent_id].told
            reason = shortfall.describe(asked, told)
            agents[reason].append(shortfall.agent_id)
        parts = [_counted(ids, f" {reason}") for reason, ids in agents.items()]
        missing = [agent_id for agent_id in designated if agent_id not in pool.agents]
        if missing:
            parts.append(f"{_counted(missing, ' not joined')} resource group {self._scaling_group}")
        if next(right, None) is not None:
            parts.append("and others")
        return ", ".join(parts)

    def _shortfall(self, agent: AgentState, requirement: Requirement) -> AgentShortfall | None:
        if agent.architecture != requirement.architecture:
            return AgentShortfall(agent.id, wrong_architecture=agent.architecture)
        shortages = _shortages(agent, requirement)
        limit = self.pool.max_containers
        missing = 0
        if limit is not None:
            missing = max(0, agent.containers + len(requirement.kernel_ids) - limit)
        if not shortages and not missing:
            return None
        return AgentShortfall(agent.id, None, shortages, missing, limit)


def _shortages(agent: AgentState, requirement: Requirement) -> tuple[Shortage, ...]:
    """Every slot in which less remains than is requested; an overdrawn one also if none is."""
    remaining = agent.remaining
    short = []
    for slot, amount in requirement.wanted:
        left = remaining.get(slot, ZERO)
        if left < amount:
            short.append(Shortage(slot, amount, left))
    if agent.overcommitted:
        named = {shortage.slot for shortage in short}
        short += [
            Shortage(slot, requirement.slots.get(slot, ZERO), left)
            for slot, left in remaining.items()
            if left < 0 and slot not in named
        ]
    return tuple(sorted(short) if len(short) > 1 else short)


def _counted(agent_ids: Sequence[str], what: str) -> str:
    named = ", ".join(agent_ids[:_NAMED_AGENTS])
    if len(agent_ids) == 1:
        return f"1x Agent {named} has{what}"
    more = ", ..." if len(agent_ids) > _NAMED_AGENTS else ""
    return f"{len(agent_ids)}x Agents {named}{more} have{what}"
