"""What the scheduler tells: who waits, who holds what, and why a session does not start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from bai_manager.types.status import AgentStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueData:
    """A resource group's line; ``highest_priority`` is the one whose turn it is.

    ``oldest`` is when the first that waits was created. A group is served only while one of its
    ``agents`` is ``schedulable_agents``: ALIVE and open to new kernels.
    """

    scaling_group: str
    scheduler: str | None
    pending: int
    highest_priority: int | None
    oldest: datetime | None
    agents: int
    schedulable_agents: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LockData:
    """An advisory lock of a phase; who waits for it has it not ``granted``.

    ``pid`` is the server process, ``application`` and ``client`` are what the connection says.
    ``since`` is when its transaction began.
    """

    lock: int
    phase: str
    granted: bool
    pid: int
    application: str
    client: str | None
    since: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitNumbers:
    """A limit that is in the way: of one slot (mem in bytes), or of a number of sessions."""

    level: str
    name: str
    counted: str
    limit: Decimal
    used: Decimal
    requested: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitReason:
    """One thing in the way.

    ``kind`` and ``outlook`` (never, when-others-end, in-turn) are words of ``sokovan.explain``;
    ``predicate`` is the name that the scheduler records. ``limits`` has the numbers of a limit.
    """

    kind: str
    outlook: str
    predicate: str
    message: str
    limits: list[LimitNumbers]


@dataclass(frozen=True, kw_only=True, slots=True)
class MissingSlot:
    slot: str
    requested: Decimal
    available: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentLack:
    """What one agent lacks; ``could_hold`` says whether it would do if it ran nothing else."""

    agent: str
    could_hold: bool
    architecture: str | None
    missing: list[MissingSlot]
    containers_to_end: int
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WayOut:
    """Steps that together let it start; ``size`` is the part of the request that they concern."""

    steps: list[str]
    kinds: list[str]
    size: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedAgent:
    """An agent of the resource group that the scheduler does not look at, and why."""

    agent: str
    status: AgentStatus
    schedulable: bool
