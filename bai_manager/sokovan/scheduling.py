"""A scheduling pass: which waiting sessions start now, where, and why the others do not.

``schedule`` is a function of its snapshot alone: no I/O, no clock, no chance. It follows
``reference/state-machines.md`` §7.2, items 5 to 7. Each session that starts counts at once, for
those behind it, on the agents and against every limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from bai_manager.sokovan import errors, sequencers
from bai_manager.sokovan.selectors import AgentSelection, NoPlacement, Placement
from bai_manager.sokovan.snapshot import NO_SLOTS, Occupancy
from bai_manager.sokovan.validators import VALIDATORS, Situation, refusals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from bai_manager.sokovan.snapshot import PendingSession, Snapshot
    from bai_manager.sokovan.validators import Refusal
    from bai_manager.types.json import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Predicate:
    """A rule and what it said: an entry of ``status_data.scheduler``."""

    name: str
    message: str

    def to_json(self) -> JsonObject:
        return {"name": self.name, "msg": self.message}


ALLOCATED: Final = Predicate("RepositoryAllocator", "Agents have been allocated to the session")


class AssignedAgent(NamedTuple):
    agent_id: str
    agent_addr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """A session that starts: every kernel with its agent."""

    session_id: UUID
    kernels: Mapping[UUID, AssignedAgent]
    passed_predicates: tuple[Predicate, ...]

    @property
    def agent_ids(self) -> list[str]:
        """Each agent once, in the order of the kernels: ``sessions.agent_ids``."""
        return list(dict.fromkeys(agent.agent_id for agent in self.kernels.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A session that has to wait; ``message`` is its ``status_info``.

    ``retries`` counts the attempts so far, this one included.
    """

    session_id: UUID
    message: str
    error: type[errors.SchedulingError]
    retries: int
    passed_predicates: tuple[Predicate, ...]
    failed_predicates: tuple[Predicate, ...]

    def status_data(self, last_try: datetime) -> JsonObject:
        """Make what is merged into the ``status_data`` of session and kernels (§3.2)."""
        failed: list[JsonValue] = [one.to_json() for one in self.failed_predicates]
        passed: list[JsonValue] = [one.to_json() for one in self.passed_predicates]
        return {
            "scheduler": {
                "retries": self.retries,
                "last_try": last_try.isoformat(),
                "msg": self.message,
                "failed_predicates": failed,
                "passed_predicates": passed,
            }
        }

    def to_error(self) -> errors.SchedulingError:
        return self.error(self.message, details={"session": str(self.session_id)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOutcome:
    """Both in the order of the queue; sessions of a lower priority are in neither."""

    scaling_group: str
    allocations: tuple[Allocation, ...]
    failures: tuple[Failure, ...]


class Ledger:
    """The working copy of an occupancy; ``view`` always shows its current state.

    What waits is not copied: limits on waiting are no reason not to start (see ``validators``).
    """

    def __init__(self, occupancy: Occupancy) -> None:
        self._keypairs = dict(occupancy.keypairs)
        self._users = dict(occupancy.users)
        self._groups = dict(occupancy.groups)
        self._domains = dict(occupancy.domains)
        self._session_counts = dict(occupancy.session_counts)
        self._sftp_counts = dict(occupancy.sftp_counts)
        self.view = Occupancy(
            keypairs=self._keypairs,
            users=self._users,
            groups=self._groups,
            domains=self._domains,
            session_counts=self._session_counts,
            sftp_counts=self._sftp_counts,
        )

    def commit(self, session: PendingSession) -> None:
        """Count a session that starts; of a private one only that it is there."""
        counts = self._sftp_counts if session.is_private else self._session_counts
        counts[session.access_key] = counts.get(session.access_key, 0) + 1
        if session.is_private:
            return
        slots = session.requested_slots
        key, user = session.access_key, session.user_id
        group, domain = session.group_id, session.domain_name
        self._keypairs[key] = self._keypairs.get(key, NO_SLOTS) + slots
        self._users[user] = self._users.get(user, NO_SLOTS) + slots
        self._groups[group] = self._groups.get(group, NO_SLOTS) + slots
        self._domains[domain] = self._domains.get(domain, NO_SLOTS) + slots


class SchedulingPass:
    """A pass step by step: ``explain`` stops it at the turn of one session."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        sequencer = sequencers.sequencer_for(snapshot.config.scheduler)
        self.queue = sequencers.queue(snapshot)
        self.selection = AgentSelection(snapshot)
        self._ledger = Ledger(snapshot.occupancy)
        self.situation = Situation(
            now=snapshot.now, limits=snapshot.limits, occupancy=self._ledger.view
        )
        selector = self.selection.selector
        self._sequenced = Predicate(sequencer.name, sequencer.passed)
        self._valid = (self._sequenced, *(Predicate(one.name, one.passed) for one in VALIDATORS))
        self._started = (*self._valid, Predicate(selector.name, selector.passed), ALLOCATED)

    def world_for(self, session: PendingSession) -> Snapshot:
        """Describe the present state of the pass with nobody waiting but ``session``."""
        waiting = self._snapshot.occupancy
        return replace(
            self._snapshot,
            pending=(session,),
            agents=tuple(agent.snapshot() for agent in self.selection.pool.agents.values()),
            occupancy=replace(
                self._ledger.view,
                pending_counts=waiting.pending_counts,
                pending_slots=waiting.pending_slots,
            ),
            config=replace(self._snapshot.config, round_robin_after=self.selection.pool.last_given),
        )

    def attempt(self, session: PendingSession) -> Allocation | Failure:
        """Start the session if it can be started, and count it."""
        found = refusals(VALIDATORS, session, self.situation)
        if found:
            return self._refused(session, found)
        placement = self.selection.place(session)
        if isinstance(placement, NoPlacement):
            return self._not_placed(session, placement)
        self._ledger.commit(session)
        return Allocation(
            session_id=session.id,
            kernels=_assigned(placement),
            passed_predicates=self._started,
        )

    def _refused(self, session: PendingSession, found: Sequence[Refusal]) -> Failure:
        failed = {refusal.predicate for refusal in found}
        message, error = found[0].message, found[0].error
        if len(found) > 1:
            numbered = (f"{n}. {one.message}" for n, one in enumerate(found, start=1))
            message = "Multiple validation errors: " + "; ".join(numbered)
            error = errors.MultipleValidationErrors
        return Failure(
            session_id=session.id,
            message=message,
            error=error,
            retries=session.retries + 1,
            passed_predicates=tuple(one for one in self._valid if one.name not in failed),
            failed_predicates=tuple(Predicate(one.predicate, one.message) for one in found),
        )

    def _not_placed(self, session: PendingSession, refusal: NoPlacement) -> Failure:
        return Failure(
            session_id=session.id,
            message=refusal.message,
            error=refusal.error,
            retries=session.retries + 1,
            passed_predicates=self._valid,
            failed_predicates=(Predicate(refusal.predicate, refusal.message),),
        )


def _assigned(placement: Placement) -> dict[UUID, AssignedAgent]:
    return {
        kernel_id: AssignedAgent(agent.id, agent.addr)
        for requirement, agent in placement.taken
        for kernel_id in requirement.kernel_ids
    }


def schedule(snapshot: Snapshot) -> ScheduleOutcome:
    """Decide about every waiting session of the highest priority.

    Takes n log n steps in the number of waiting sessions, and at most one walk over the agents
    for each of them.
    """
    run = SchedulingPass(snapshot)
    outcomes = [run.attempt(session) for session in run.queue]
    return ScheduleOutcome(
        scaling_group=snapshot.scaling_group,
        allocations=tuple(one for one in outcomes if isinstance(one, Allocation)),
        failures=tuple(one for one in outcomes if isinstance(one, Failure)),
    )
