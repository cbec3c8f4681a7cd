"""Agents in order of preference, searched without looking at each.

The order is kept as short runs of neighbours. A run knows the most that is left of every slot on
any one of its agents, or more than that: what an agent loses is noticed only when a search went
through the run in vain. So a search passes over the full part of a group a run at a time, which
keeps the time for a session the same however many sessions have filled agents before it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, TypeAlias

from bai_manager.sokovan.quota import ZERO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from decimal import Decimal

    from bai_manager.sokovan.pool import AgentState, Requirement

Preference: TypeAlias = "tuple[Decimal | int, ...]"
_Entry: TypeAlias = "tuple[Preference, str]"

_USUAL: Final = 16


class _Run:
    """Neighbours in the order; ``most_left`` and ``fewest_containers`` never tell too little."""

    __slots__ = ("agents", "entries", "fewest_containers", "most_left")

    def __init__(self, entries: list[_Entry], agents: list[AgentState]) -> None:
        self.entries = entries
        self.agents = agents
        self.tighten()

    def tighten(self) -> None:
        """Look at every agent again."""
        self.most_left: dict[str, Decimal] = {}
        self.fewest_containers = min((agent.containers for agent in self.agents), default=0)
        for agent in self.agents:
            self._widen(agent)

    def add(self, place: int, entry: _Entry, agent: AgentState) -> None:
        self.entries.insert(place, entry)
        self.agents.insert(place, agent)
        self.fewest_containers = min(self.fewest_containers, agent.containers)
        self._widen(agent)

    def _widen(self, agent: AgentState) -> None:
        if agent.overcommitted:
            return
        most_left = self.most_left
        for slot, left in agent.remaining.items():
            if slot not in most_left or most_left[slot] < left:
                most_left[slot] = left

    def may_hold(self, requirement: Requirement, most_containers: int | None) -> bool:
        """Say no only if none of the agents can hold it."""
        most_left = self.most_left
        for slot, amount in requirement.wanted:
            if most_left.get(slot, ZERO) < amount:
                return False
        return most_containers is None or self.fewest_containers <= most_containers


class Ranking:
    """Agents, at least one, by preference, the best first, equals by id.

    An agent is taken out before it changes, and put in again after that.
    """

    def __init__(
        self, agents: Iterable[AgentState], preference: Callable[[AgentState], Preference]
    ) -> None:
        self._preference = preference
        by_id = {agent.id: agent for agent in agents}
        entries = sorted((preference(agent), agent.id) for agent in by_id.values())
        self._arrange(entries, [by_id[agent_id] for _, agent_id in entries])

    def _arrange(self, entries: list[_Entry], agents: list[AgentState]) -> None:
        self._runs = [
            _Run(entries[at : at + _USUAL], agents[at : at + _USUAL])
            for at in range(0, len(entries), _USUAL)
        ]
        self._starts = [run.entries[0] for run in self._runs]
        self._most_runs = 2 * len(self._runs) + 1

    def remove(self, agent: AgentState) -> None:
        entry = self._entry(agent)
        number = self._run_of(entry)
        run = self._runs[number]
        place = bisect_left(run.entries, entry)
        del run.entries[place], run.agents[place]
        if not run.entries and len(self._runs) > 1:
            del self._runs[number], self._starts[number]

    def insert(self, agent: AgentState) -> None:
        entry = self._entry(agent)
        number = self._run_of(entry)
        run = self._runs[number]
        run.add(bisect_left(run.entries, entry), entry, agent)
        if len(run.entries) > 2 * _USUAL:
            self._divide(number)

    def fitting(
        self, requirement: Requirement, most_containers: int | None
    ) -> Iterator[AgentState]:
        """Agents that can hold the requirement, in order.

        ``most_containers`` is how many an agent may have to take it.
        """
        for run in self._runs:
            if run.may_hold(requirement, most_containers):
                found = False
                for agent in fitting(run.agents, requirement, most_containers):
                    found = True
                    yield agent
                if not found:
                    run.tighten()

    def _entry(self, agent: AgentState) -> _Entry:
        return self._preference(agent), agent.id

    def _run_of(self, entry: _Entry) -> int:
        """The run with this entry, or the one it belongs to."""
        return max(0, bisect_right(self._starts, entry) - 1)

    def _divide(self, number: int) -> None:
        """Make two runs of one that is too long, or all anew if that made too many short ones."""
        if len(self._runs) == self._most_runs:
            self._arrange(
                [entry for run in self._runs for entry in run.entries],
                [agent for run in self._runs for agent in run.agents],
            )
            return
        run = self._runs[number]
        parts = [
            _Run(run.entries[:_USUAL], run.agents[:_USUAL]),
            _Run(run.entries[_USUAL:], run.agents[_USUAL:]),
        ]
        self._runs[number : number + 1] = parts
        self._starts.insert(number + 1, parts[1].entries[0])


def fitting(
    agents: Iterable[AgentState], requirement: Requirement, most_containers: int | None
) -> Iterator[AgentState]:
    """Those of the agents with enough left: the innermost loop of a pass, plain on purpose."""
    wanted = requirement.wanted
    for agent in agents:
        remaining = agent.remaining
        for slot, amount in wanted:
            if slot not in remaining or remaining[slot] < amount:
                break
        else:
            if not agent.overcommitted and (
                most_containers is None or agent.containers <= most_containers
            ):
                yield agent
