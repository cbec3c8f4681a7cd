"""The agents of one pass: what is left on each, and who is next for a given request.

A pass asks the same few questions thousands of times, so the pool keeps, for every kind of
request it has seen (architecture, slots named, slots wanted), the agents in order of preference
and moves an agent within these orders when it takes a kernel. Finding an agent is then a walk
along a sorted list up to the first that fits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from itertools import chain, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from bai_manager.sokovan.quota import ZERO, plain
from bai_manager.sokovan.ranking import Ranking, fitting
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal
    from uuid import UUID

    from bai_manager.sokovan.ranking import Preference
    from bai_manager.sokovan.snapshot import AgentSnapshot, SchedulingConfig

RequirementKey: TypeAlias = "tuple[str, int, tuple[tuple[str, Decimal], ...]]"

_FEW: Final = 8


class Prefer(IntEnum):
    """Which agent comes first; the value is the sign of remaining amounts in the order."""

    MOST_LEFT = -1
    ID = 0
    LEAST_LEFT = 1


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What has to fit on one agent: one kernel, or all kernels of a single-node session."""

    architecture: str
    slots: ResourceSlot
    kernel_ids: tuple[UUID, ...]

    @cached_property
    def key(self) -> RequirementKey:
        """Equal for requests that exactly the same agents can hold."""
        return self.architecture, len(self.kernel_ids), tuple(sorted(self.slots.items()))

    @cached_property
    def wanted(self) -> tuple[tuple[str, Decimal], ...]:
        return tuple((slot, amount) for slot, amount in self.slots.items() if amount > 0)

    @cached_property
    def _amounts(self) -> dict[str, Decimal]:
        return dict(self.slots)

    def takes_at_least(self, other: Requirement) -> bool:
        """Whether only agents that could hold ``other`` could hold this."""
        amounts = self._amounts
        for slot, amount in other.wanted:
            if slot not in amounts or amounts[slot] < amount:
                return False
        return self.architecture == other.architecture and len(self.kernel_ids) >= len(
            other.kernel_ids
        )


class AgentState:
    """An agent during the pass; ``remaining`` names every slot it has or has given away."""

    __slots__ = (
        "addr",
        "architecture",
        "available",
        "containers",
        "id",
        "origin",
        "overcommitted",
        "remaining",
        "replicas",
        "words",
    )

    def __init__(self, agent: AgentSnapshot) -> None:
        self.origin = agent
        self.id = agent.id
        self.addr = agent.addr
        self.architecture = agent.architecture
        self.available = agent.available
        self.remaining: dict[str, Decimal] = {
            slot: _left(agent.available.get(slot, ZERO), agent.occupied.get(slot, ZERO))
            for slot in agent.available.keys() | agent.occupied.keys()
        }
        self.overcommitted = any(left < 0 for left in self.remaining.values())
        self.containers = agent.container_count
        self.replicas = dict(agent.endpoint_replicas)
        self.words: dict[str, str] = {}

    def told(self, slot: str) -> str:
        """Write how much of a slot remains; kept until it changes, as messages repeat it."""
        if slot not in self.words:
            self.words[slot] = plain(self.remaining.get(slot, ZERO))
        return self.words[slot]

    def snapshot(self) -> AgentSnapshot:
        """Describe the agent as it is now."""
        return replace(
            self.origin,
            occupied=ResourceSlot(
                {
                    slot: self.available.get(slot, ZERO) - left
                    for slot, left in self.remaining.items()
                    if left.is_finite()
                }
            ),
            container_count=self.containers,
            endpoint_replicas=dict(self.replicas),
        )


def _left(available: Decimal, occupied: Decimal) -> Decimal:
    """Subtract; what is no number counts as nothing left, and what is endless stays so."""
    if available.is_nan() or occupied.is_nan():
        return ZERO
    return available - occupied if available.is_finite() else available


class PoolMark(NamedTuple):
    """A moment of the pass to return to."""

    version: int
    last_given: str | None


class AgentPool:
    """The working copy of a snapshot's agents.

    ``spreading`` puts agents with fewer kernels of the same endpoint before everything else.
    ``version`` changes with what is left, and only with that.
    """

    def __init__(
        self,
        agents: Iterable[AgentSnapshot],
        config: SchedulingConfig,
        *,
        prefer: Prefer,
    ) -> None:
        states = sorted(map(AgentState, agents), key=attrgetter("id"))
        self.agents = {state.id: state for state in states}
        self.max_containers = config.max_container_count
        self.version = 0
        self.last_given = config.round_robin_after
        self._prefer = prefer
        self._resource_priority = config.resource_priority
        self._by_architecture: defaultdict[str, list[AgentState]] = defaultdict(list)
        for state in states:
            self._by_architecture[state.architecture].append(state)
        self._rankings: dict[str, dict[tuple[frozenset[str], frozenset[str]], Ranking]] = {
            architecture: {} for architecture in self._by_architecture
        }

    @property
    def architectures(self) -> list[str]:
        return sorted(self._rankings)

    def find(
        self, requirement: Requirement, designated: Sequence[str], endpoint_id: UUID | None
    ) -> AgentState | None:
        """Choose the agent for a requirement, or none if no agent can hold it.

        ``designated`` agents are tried in their order, and only they. ``endpoint_id`` is given
        where the replicas of an endpoint are to be spread.
        """
        if designated:
            return self._first_designated(requirement, designated)
        if requirement.architecture not in self._rankings:
            return None
        most = self._most_containers(requirement)
        found = self._ranking(requirement).fitting(requirement, most)
        if self._prefer is Prefer.ID:
            return self._next_in_turn(requirement, list(islice(found, _FEW)))
        if endpoint_id is None:
            return next(found, None)
        return min(found, key=lambda agent: agent.replicas.get(endpoint_id, 0), default=None)

    def _next_in_turn(
        self, requirement: Requirement, some: Sequence[AgentState]
    ) -> AgentState | None:
        """Choose who follows the last; ``some`` of those that fit are all, if they are few."""
        last = self.last_given or ""
        if len(some) < _FEW:
            return min(some, key=lambda agent: (agent.id <= last, agent.id), default=None)
        agents = self._by_architecture[requirement.architecture]
        turn = bisect_right(agents, last, key=attrgetter("id"))
        round_ = chain(agents[turn:], agents[:turn])
        return next(fitting(round_, requirement, self._most_containers(requirement)), None)

    def fits(self, agent: AgentState, requirement: Requirement) -> bool:
        return agent.architecture == requirement.architecture and agent in fitting(
            [agent], requirement, self._most_containers(requirement)
        )

    def take(self, agent: AgentState, requirement: Requirement, endpoint_id: UUID | None) -> None:
        """Put the requirement's kernels on the agent."""
        self._change(agent, requirement, endpoint_id, 1)
        self.last_given = agent.id
        self.version += 1

    def mark(self) -> PoolMark:
        return PoolMark(self.version, self.last_given)

    def undo(
        self,
        taken: Iterable[tuple[Requirement, AgentState]],
        endpoint_id: UUID | None,
        *,
        to: PoolMark,
    ) -> None:
        """Give back what was taken since ``to``."""
        for requirement, agent in taken:
            self._change(agent, requirement, endpoint_id, -1)
        self.version, self.last_given = to

    def _change(
        self, agent: AgentState, requirement: Requirement, endpoint_id: UUID | None, sign: int
    ) -> None:
        moving = self._rankings[agent.architecture].values()
        for ranking in moving:
            ranking.remove(agent)
        for slot, amount in requirement.wanted:
            agent.remaining[slot] -= sign * amount
        agent.words.clear()
        kernels = sign * len(requirement.kernel_ids)
        agent.containers += kernels
        if endpoint_id is not None:
            agent.replicas[endpoint_id] = agent.replicas.get(endpoint_id, 0) + kernels
        for ranking in moving:
            ranking.insert(agent)

    def _first_designated(
        self, requirement: Requirement, designated: Sequence[str]
    ) -> AgentState | None:
        known = (self.agents[agent_id] for agent_id in designated if agent_id in self.agents)
        return next((agent for agent in known if self.fits(agent, requirement)), None)

    def _most_containers(self, requirement: Requirement) -> int | None:
        """How many an agent may have to take those of the requirement."""
        if self.max_containers is None:
            return None
        return self.max_containers - len(requirement.kernel_ids)

    def _ranking(self, requirement: Requirement) -> Ranking:
        named = frozenset(requirement.slots)
        wanted = frozenset(slot for slot, _ in requirement.wanted)
        rankings = self._rankings[requirement.architecture]
        ranking = rankings.get((named, wanted))
        if ranking is None:
            agents = self._by_architecture[requirement.architecture]
            ranking = rankings[named, wanted] = Ranking(agents, self._preference(named, wanted))
        return ranking

    def _preference(
        self, named: frozenset[str], wanted: frozenset[str]
    ) -> Callable[[AgentState], Preference]:
        order = by_resource_priority(named, self._resource_priority)
        sign = self._prefer.value or Prefer.MOST_LEFT.value

        def preference(agent: AgentState) -> Preference:
            remaining = agent.remaining
            unutilized = sum(left > 0 for slot, left in remaining.items() if slot not in wanted)
            return (unutilized, *(sign * remaining.get(slot, ZERO) for slot in order))

        return preference


def by_resource_priority(slots: Iterable[str], priority: Sequence[str]) -> list[str]:
    """Order slots: those the priority names, as slot or as device, then the others by name."""

    def place(slot: str) -> tuple[int, str]:
        for index, name in enumerate(priority):
            if name in (slot, slot.partition(".")[0]):
                return index, slot
        return len(priority), slot

    return sorted(slots, key=place)
