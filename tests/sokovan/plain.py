"""The scheduler's rules written down plainly: slow, without caches, indexes or undo.

Follows ``reference/state-machines.md`` §7.2 line by line, on dictionaries; the real pass has to
decide the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from bai_manager.types.status import ClusterMode, SessionResult, SessionStatus, SessionType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from bai_manager.sokovan.snapshot import AgentSnapshot, PendingSession, Snapshot

NOTHING = Decimal(0)
ENDLESS = Decimal("Infinity")
Amounts = dict[str, Decimal]


@dataclass
class Decisions:
    """Started sessions with the agent of each kernel; others with the names of failed rules."""

    started: dict[UUID, dict[UUID, str]] = field(default_factory=dict)
    refused: dict[UUID, list[str]] = field(default_factory=dict)


@dataclass
class Machine:
    snapshot: AgentSnapshot
    left: Amounts
    containers: int
    replicas: dict[UUID, int]


@dataclass
class Need:
    architecture: str
    amounts: Amounts
    kernels: list[UUID]


def plain_schedule(snapshot: Snapshot) -> Decisions:
    book = _Book(snapshot)
    machines = [
        Machine(
            agent,
            _minus(agent.available, agent.occupied),
            agent.container_count,
            dict(agent.endpoint_replicas),
        )
        for agent in sorted(snapshot.agents, key=lambda agent: agent.id)
    ]
    last = snapshot.config.round_robin_after
    decisions = Decisions()
    for session in _in_turn(snapshot):
        failed = book.failed_rules(session)
        if failed:
            decisions.refused[session.id] = failed
            continue
        needs = _needs(session)
        if needs is None:
            decisions.refused[session.id] = ["MixedArchitectures"]
            continue
        chosen = _choose_all(snapshot, session, needs, machines, last)
        if chosen is None:
            decisions.refused[session.id] = [_selector_name(snapshot)]
            continue
        for need, machine in chosen:
            last = machine.snapshot.id
            _put(machine, need, session)
        decisions.started[session.id] = {
            kernel: machine.snapshot.id for need, machine in chosen for kernel in need.kernels
        }
        book.count(session)
    return decisions


def _plus(*parts: Mapping[str, Decimal]) -> Amounts:
    names = {name for part in parts for name in part}
    return {name: sum((part.get(name, NOTHING) for part in parts), NOTHING) for name in names}


def _minus(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> Amounts:
    return {name: one.get(name, NOTHING) - other.get(name, NOTHING) for name in {*one, *other}}


def _in_turn(snapshot: Snapshot) -> list[PendingSession]:
    if not snapshot.pending:
        return []
    highest = max(session.priority for session in snapshot.pending)
    line = [session for session in snapshot.pending if session.priority == highest]
    line.sort(key=lambda session: (session.created_at, session.id))
    if snapshot.config.scheduler == "fifo":
        return line
    if snapshot.config.scheduler == "lifo":
        return line[::-1]
    capacity = _plus(*(agent.available for agent in snapshot.agents))

    def share(session: PendingSession) -> Fraction:
        occupied = dict(snapshot.occupancy.keypairs.get(session.access_key, {}))
        shares = [
            Fraction(occupied.get(slot, NOTHING)) / Fraction(total)
            for slot, total in capacity.items()
            if total > 0
        ]
        return max(shares, default=Fraction(0))

    return sorted(line, key=share)


class _Book:
    """What everybody uses, as it grows during the pass."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        occupancy = snapshot.occupancy
        self.used: dict[object, Amounts] = {}
        for kind, sums in (
            ("keypair", occupancy.keypairs),
            ("user", occupancy.users),
            ("group", occupancy.groups),
            ("domain", occupancy.domains),
        ):
            self.used |= {(kind, name): dict(amounts) for name, amounts in sums.items()}
        self.sessions = dict(occupancy.session_counts)
        self.sftp = dict(occupancy.sftp_counts)

    def count(self, session: PendingSession) -> None:
        counts = self.sftp if session.session_type is SessionType.SYSTEM else self.sessions
        counts[session.access_key] = counts.get(session.access_key, 0) + 1
        if session.session_type is not SessionType.SYSTEM:
            for key in _scopes(session):
                self.used[key] = _plus(self.used.get(key, {}), session.requested_slots)

    def failed_rules(self, session: PendingSession) -> list[str]:
        limits = self.snapshot.limits
        keypair, user, group, domain = _scopes(session)
        policy = limits.keypairs.get(session.access_key)
        checks = {
            "ConcurrencyLimitValidator": self._may_run_another(session),
            "SessionDependenciesValidator": all(
                one.result is SessionResult.SUCCESS and one.status is SessionStatus.TERMINATED
                for one in session.dependencies
            ),
            "DomainResourceLimitValidator": self._within(
                session, domain, limits.domains.get(session.domain_name), ENDLESS
            ),
            "GroupResourceLimitValidator": self._within(
                session, group, limits.groups.get(session.group_id), ENDLESS
            ),
            "KeypairResourceLimitValidator": self._within(
                session, keypair, policy.resource_slots if policy else None, NOTHING
            ),
            "PendingSessionCountLimitValidator": not (
                policy
                and policy.max_pending_session_count is not None
                and policy.max_pending_session_count <= 0
            ),
            "PendingSessionResourceLimitValidator": True,
            "ReservedBatchSessionValidator": session.session_type is not SessionType.BATCH
            or session.starts_at is None
            or self.snapshot.now >= session.starts_at,
            "UserResourceLimitValidator": self._within(
                session, user, limits.users.get(session.user_id), NOTHING
            ),
        }
        return [name for name, passes in checks.items() if not passes]

    def _may_run_another(self, session: PendingSession) -> bool:
        policy = self.snapshot.limits.keypairs.get(session.access_key)
        if policy is None:
            return True
        if session.session_type is SessionType.SYSTEM:
            limit, counts = policy.max_concurrent_sftp_sessions, self.sftp
        else:
            limit, counts = policy.max_concurrent_sessions, self.sessions
        return limit is None or limit <= 0 or counts.get(session.access_key, 0) < limit

    def _within(
        self,
        session: PendingSession,
        scope: object,
        limit: Mapping[str, Decimal] | None,
        unnamed: Decimal,
    ) -> bool:
        if limit is None:
            return True
        total = _plus(self.used.get(scope, {}), session.requested_slots)
        return all(amount <= limit.get(slot, unnamed) for slot, amount in total.items())


def _scopes(session: PendingSession) -> tuple[object, object, object, object]:
    return (
        ("keypair", session.access_key),
        ("user", session.user_id),
        ("group", session.group_id),
        ("domain", session.domain_name),
    )


def _needs(session: PendingSession) -> list[Need] | None:
    if session.cluster_mode is ClusterMode.MULTI_NODE:
        return [
            Need(kernel.architecture, dict(kernel.requested_slots), [kernel.kernel_id])
            for kernel in session.kernels
        ]
    if len({kernel.architecture for kernel in session.kernels}) > 1:
        return None
    return [
        Need(
            session.kernels[0].architecture,
            _plus(*(kernel.requested_slots for kernel in session.kernels)),
            [kernel.kernel_id for kernel in session.kernels],
        )
    ]


def _choose_all(
    snapshot: Snapshot,
    session: PendingSession,
    needs: Sequence[Need],
    machines: Sequence[Machine],
    last: str | None,
) -> list[tuple[Need, Machine]] | None:
    tentative = {
        one.snapshot.id: Machine(one.snapshot, dict(one.left), one.containers, dict(one.replicas))
        for one in machines
    }
    real = {one.snapshot.id: one for one in machines}
    chosen = []
    for need in needs:
        machine = _choose(snapshot, session, need, list(tentative.values()), last)
        if machine is None:
            return None
        last = machine.snapshot.id
        _put(machine, need, session)
        chosen.append((need, real[machine.snapshot.id]))
    return chosen


def _put(machine: Machine, need: Need, session: PendingSession) -> None:
    machine.left = _minus(machine.left, need.amounts)
    machine.containers += len(need.kernels)
    if session.endpoint_id is not None:
        count = machine.replicas.get(session.endpoint_id, 0)
        machine.replicas[session.endpoint_id] = count + len(need.kernels)


def _choose(
    snapshot: Snapshot,
    session: PendingSession,
    need: Need,
    machines: list[Machine],
    last: str | None,
) -> Machine | None:
    most = snapshot.config.max_container_count
    able = [
        machine
        for machine in machines
        if machine.snapshot.architecture == need.architecture
        and all(left >= 0 for left in _minus(machine.left, need.amounts).values())
        and (most is None or machine.containers + len(need.kernels) <= most)
    ]
    if session.designated_agent_ids:
        by_id = {machine.snapshot.id: machine for machine in able}
        return next((by_id[one] for one in session.designated_agent_ids if one in by_id), None)
    if not able:
        return None
    strategy = _selector_name(snapshot)
    if strategy == "RoundRobinAgentSelector":
        after = [machine for machine in able if last is not None and machine.snapshot.id > last]
        return (after or able)[0]
    order = _slot_order(need.amounts, snapshot.config.resource_priority)

    def unutilized(machine: Machine) -> int:
        return sum(
            left > 0 and need.amounts.get(slot, NOTHING) == 0 for slot, left in machine.left.items()
        )

    def left(machine: Machine) -> list[Decimal]:
        return [machine.left.get(slot, NOTHING) for slot in order]

    if strategy != "ConcentratedAgentSelector":
        return max(able, key=lambda machine: (-unutilized(machine), left(machine)))
    spread = (
        snapshot.config.enforce_spreading_endpoint_replica
        and session.session_type is SessionType.INFERENCE
        and session.endpoint_id is not None
    )
    endpoint = session.endpoint_id

    def replicas(machine: Machine) -> int:
        return machine.replicas.get(endpoint, 0) if spread and endpoint is not None else 0

    return min(able, key=lambda machine: (replicas(machine), unutilized(machine), left(machine)))


def _slot_order(named: Mapping[str, Decimal], priority: Sequence[str]) -> list[str]:
    first = [
        slot
        for name in priority
        for slot in sorted(named)
        if name in (slot, slot.partition(".")[0])
    ]
    return [*dict.fromkeys(first), *sorted(set(named) - set(first))]


def _selector_name(snapshot: Snapshot) -> str:
    return {
        "dispersed": "DispersedAgentSelector",
        "roundrobin": "RoundRobinAgentSelector",
        "legacy": "LegacyAgentSelector",
    }.get(snapshot.config.agent_selection_strategy, "ConcentratedAgentSelector")
