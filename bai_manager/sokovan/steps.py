"""Single changes to a world in which one session waits, each with its words and its effect.

``size`` compares steps: the part of the request that a step is about, and 0 for steps that take
nothing from anybody (to wait, to raise a priority). ``str(step)`` says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, TypeVar
from uuid import UUID

from bai_manager.sokovan.quota import ZERO, Counted, Level
from bai_manager.sokovan.snapshot import NO_SLOTS, AgentSnapshot
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import SessionResult, SessionStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from bai_manager.sokovan.quota import CountBreach, LimitBreach
    from bai_manager.sokovan.snapshot import Dependency, KeypairLimits, Snapshot
    from bai_manager.types.status import SessionType

WHOLE: Final = Decimal(1)
_Key = TypeVar("_Key", str, UUID)


class StepKind(StrEnum):
    RAISE_LIMIT = "raise-limit"
    RAISE_SESSION_LIMIT = "raise-session-limit"
    FREE_AGENT = "free-agent"
    ADD_AGENT = "add-agent"
    USE_ANY_AGENT = "use-any-agent"
    REDUCE_REQUEST = "reduce-request"
    RAISE_PRIORITY = "raise-priority"
    AWAIT_SESSION = "await-session"
    DROP_DEPENDENCY = "drop-dependency"
    AWAIT_TIME = "await-time"
    CHANGE_TYPE = "change-type"


class Step(Protocol):
    @property
    def kind(self) -> StepKind: ...

    @property
    def size(self) -> Decimal: ...

    def apply(self, world: Snapshot) -> Snapshot:
        """Describe the world after the step."""
        ...


def positive(slots: ResourceSlot) -> ResourceSlot:
    """Leave out what is 0."""
    return ResourceSlot({slot: amount for slot, amount in slots.items() if amount})


def part_of(amount: Decimal, requested: Decimal) -> Decimal:
    """Say which part of the request an amount is; more than the request is the whole."""
    if not amount.is_finite() or amount >= requested:
        return WHOLE
    return amount / requested


def _with_session(world: Snapshot, **changes: object) -> Snapshot:
    """Change the one that waits."""
    return replace(world, pending=(replace(world.pending[0], **changes),))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseLimit:
    """Allow as much as the session would make it."""

    kind: ClassVar = StepKind.RAISE_LIMIT
    breach: LimitBreach

    @property
    def size(self) -> Decimal:
        return sum((part_of(one.excess, one.requested) for one in self.breach.slots), ZERO)

    def __str__(self) -> str:
        by = ResourceSlot({one.slot: one.excess for one in self.breach.slots})
        level = {Level.QUEUE: "queue limit of keypair"}.get(
            self.breach.level, f"limit of {self.breach.level}"
        )
        return f"raise the {level} {self.breach.name} by {by}, or end sessions that use as much"

    def apply(self, world: Snapshot) -> Snapshot:
        limits, owner = world.limits, world.pending[0].owner
        match self.breach.level:
            case Level.DOMAIN:
                raised = self._raised(limits.domains, owner.domain_name)
                limits = replace(limits, domains=raised)
            case Level.PROJECT:
                limits = replace(limits, groups=self._raised(limits.groups, owner.group_id))
            case Level.USER:
                limits = replace(limits, users=self._raised(limits.users, owner.user_id))
            case Level.KEYPAIR | Level.QUEUE:
                policy = self._raised_policy(limits.keypairs[owner.access_key])
                keypairs = {**limits.keypairs, owner.access_key: policy}
                limits = replace(limits, keypairs=keypairs)
        return replace(world, limits=limits)

    def _raised_policy(self, policy: KeypairLimits) -> KeypairLimits:
        if self.breach.level is Level.QUEUE:
            waiting = self._above(policy.max_pending_session_resource_slots)
            return replace(policy, max_pending_session_resource_slots=waiting)
        return replace(policy, resource_slots=self._above(policy.resource_slots))

    def _raised(
        self, limits: Mapping[_Key, ResourceSlot | None], key: _Key
    ) -> dict[_Key, ResourceSlot | None]:
        return {**limits, key: self._above(limits[key])}

    def _above(self, limit: ResourceSlot | None) -> ResourceSlot:
        needed = {one.slot: one.limit + one.excess for one in self.breach.slots}
        return ResourceSlot({**(limit or NO_SLOTS), **needed})


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseSessionLimit:
    """Allow one session more than there are."""

    kind: ClassVar = StepKind.RAISE_SESSION_LIMIT
    breach: CountBreach

    @property
    def size(self) -> Decimal:
        return Decimal(self.breach.excess)

    def __str__(self) -> str:
        end = f", or end {self.breach.excess}" if self.breach.used else ""
        return f"allow keypair {self.breach.name} {self.breach.used + 1} {self.breach.counted}{end}"

    def apply(self, world: Snapshot) -> Snapshot:
        name, allowed = self.breach.name, self.breach.used + 1
        policy = world.limits.keypairs[name]
        match self.breach.counted:
            case Counted.SESSIONS:
                policy = replace(policy, max_concurrent_sessions=allowed)
            case Counted.SFTP_SESSIONS:
                policy = replace(policy, max_concurrent_sftp_sessions=allowed)
            case Counted.PENDING_SESSIONS:
                policy = replace(policy, max_pending_session_count=allowed)
        keypairs = {**world.limits.keypairs, name: policy}
        return replace(world, limits=replace(world.limits, keypairs=keypairs))


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeAgent:
    """End kernels of others on an agent."""

    kind: ClassVar = StepKind.FREE_AGENT
    agent_id: str
    slots: ResourceSlot
    containers: int
    size: Decimal

    def __str__(self) -> str:
        parts = [str(self.slots)] if self.slots else []
        if self.containers:
            parts.append(f"room for {self.containers} more containers")
        return f"free {' and '.join(parts)} on agent {self.agent_id}"

    def apply(self, world: Snapshot) -> Snapshot:
        return replace(world, agents=tuple(map(self._freed, world.agents)))

    def _freed(self, agent: AgentSnapshot) -> AgentSnapshot:
        if agent.id != self.agent_id:
            return agent
        return replace(
            agent,
            occupied=agent.occupied - self.slots,
            container_count=agent.container_count - self.containers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAgent:
    """Bring a machine that can hold what no other can."""

    kind: ClassVar = StepKind.ADD_AGENT
    architecture: str
    slots: ResourceSlot

    @property
    def size(self) -> Decimal:
        return WHOLE * len(positive(self.slots))

    def __str__(self) -> str:
        return f"add an agent of architecture {self.architecture} with {positive(self.slots)}"

    def apply(self, world: Snapshot) -> Snapshot:
        added = AgentSnapshot(
            id=f"~added-{len(world.agents)}",
            addr="",
            architecture=self.architecture,
            available=self.slots,
            scaling_group=world.scaling_group,
        )
        return replace(world, agents=(*world.agents, added))


@dataclass(frozen=True, slots=True, kw_only=True)
class UseAnyAgent:
    kind: ClassVar = StepKind.USE_ANY_AGENT
    size: ClassVar = ZERO

    def __str__(self) -> str:
        return "do not insist on certain agents"

    def apply(self, world: Snapshot) -> Snapshot:
        return _with_session(world, designated_agent_ids=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceRequest:
    """Ask for less; of several kernels the amounts are the sum."""

    kind: ClassVar = StepKind.REDUCE_REQUEST
    before: ResourceSlot
    after: ResourceSlot

    @property
    def size(self) -> Decimal:
        return sum(
            (
                part_of(amount - self.after[slot], amount)
                for slot, amount in self.before.items()
                if amount != self.after.get(slot, ZERO)
            ),
            ZERO,
        )

    def __str__(self) -> str:
        return f"ask for {self.after} instead of {positive(self.before)}"

    def apply(self, world: Snapshot) -> Snapshot:
        first, *others = world.pending[0].kernels
        kernels = (
            replace(first, requested_slots=self.after),
            *(replace(kernel, requested_slots=NO_SLOTS) for kernel in others),
        )
        return _with_session(world, kernels=kernels)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisePriority:
    kind: ClassVar = StepKind.RAISE_PRIORITY
    size: ClassVar = ZERO
    to: int

    def __str__(self) -> str:
        return f"raise its priority to {self.to}"

    def apply(self, world: Snapshot) -> Snapshot:
        return _with_session(world, priority=self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitSession:
    """Wait for a dependency, or do without one that cannot succeed any more."""

    dependency: Dependency
    size: ClassVar = ZERO

    @property
    def kind(self) -> StepKind:
        hopeless = self.dependency.hopeless
        return StepKind.DROP_DEPENDENCY if hopeless else StepKind.AWAIT_SESSION

    def __str__(self) -> str:
        name = f"session {self.dependency.name} ({self.dependency.id})"
        if self.dependency.hopeless:
            return f"create it again without depending on {name}, which did not succeed"
        return f"wait for {name} to end successfully"

    def apply(self, world: Snapshot) -> Snapshot:
        done = replace(
            self.dependency, status=SessionStatus.TERMINATED, result=SessionResult.SUCCESS
        )
        dependencies = tuple(
            done if one.id == done.id else one for one in world.pending[0].dependencies
        )
        return _with_session(world, dependencies=dependencies)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitTime:
    kind: ClassVar = StepKind.AWAIT_TIME
    size: ClassVar = ZERO
    at: datetime

    def __str__(self) -> str:
        return f"wait until {self.at.isoformat()}"

    def apply(self, world: Snapshot) -> Snapshot:
        return replace(world, now=self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeType:
    kind: ClassVar = StepKind.CHANGE_TYPE
    size: ClassVar = ZERO
    to: SessionType

    def __str__(self) -> str:
        return f"create a session of type {self.to}"

    def apply(self, world: Snapshot) -> Snapshot:
        return _with_session(world, session_type=self.to)
