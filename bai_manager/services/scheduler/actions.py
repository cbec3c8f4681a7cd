"""What can be done with the scheduler, and what can be asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import KeypairTarget, SessionTarget, SystemTarget, Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from bai_manager.services.scheduler.types import (
        AgentLack,
        ClosedAgent,
        LockData,
        QueueData,
        WaitReason,
        WayOut,
    )
    from bai_manager.services.session.actions import CreateSessionAction
    from bai_manager.types.passes import SchedulerPass
    from bai_manager.types.resource_slot import ResourceSlot


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSchedulerActionResult(ActionResult):
    """``sessions`` counts sessions that have not ended, by status, after the pass."""

    sessions: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSchedulerAction(Action[RunSchedulerActionResult]):
    """Move every session as far as it can go now.

    ``every`` is only recorded: the pause in seconds before whoever asks will ask again.
    """

    entity_type: ClassVar[EntityType] = EntityType.SCHEDULER
    operation: ClassVar[Operation] = Operation.RUN

    every: float | None = None

    def target(self) -> Target:
        return SystemTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetSchedulerStatusActionResult(ActionResult):
    """``scheduled_by`` is *this machine* or *manager*; ``sessions`` counts the living by status.

    ``last_pass`` is of this machine's scheduler and None on a cluster, where ``last_decision``
    (a session that still lives was placed, or refused a place) tells as much as can be known.
    """

    scheduled_by: str
    last_pass: SchedulerPass | None
    last_decision: datetime | None
    sessions: Mapping[str, int]
    queues: list[QueueData]
    locks: list[LockData]


@dataclass(frozen=True, kw_only=True, slots=True)
class GetSchedulerStatusAction(Action[GetSchedulerStatusActionResult]):
    """Tell who schedules, when that was done last, who waits, and who holds which lock."""

    entity_type: ClassVar[EntityType] = EntityType.SCHEDULER
    operation: ClassVar[Operation] = Operation.GET

    def target(self) -> Target:
        return SystemTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplanationResult(ActionResult):
    """Where a session starts in the next pass (``agent_ids``), or every reason why it does not.

    ``reasons`` are ranked, the most stubborn first; ``agents`` tell what each lacks, the nearest
    first, if agents are what is missing; ``closed_agents`` are not looked at, because they are
    drained or do not live. ``changes`` are ways out, the smallest first.
    ``expires_at`` is when the resource group gives a session up that still waits.
    """

    session_name: str
    scaling_group: str
    requested_slots: ResourceSlot
    starts: bool
    agent_ids: list[str]
    ahead: int
    reasons: list[WaitReason]
    agents: list[AgentLack]
    closed_agents: list[ClosedAgent]
    smallest_change: WayOut | None
    changes: list[WayOut]
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainPendingActionResult(ExplanationResult):
    session_id: UUID

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainPendingAction(Action[ExplainPendingActionResult]):
    """Tell all reasons at once why a session waits, and what would let it start.

    The session is named as for ``SessionAction``.
    """

    entity_type: ClassVar[EntityType] = EntityType.SCHEDULER
    operation: ClassVar[Operation] = Operation.EXPLAIN

    session: str
    owner: str | None = None

    def target(self) -> Target:
        return SessionTarget(self.session, self.owner)

    def entity_id(self) -> str | None:
        return self.session


@dataclass(frozen=True, kw_only=True, slots=True)
class FitSessionActionResult(ExplanationResult):
    """As of a session that waits at the end of the line.

    ``refusals`` is what creating it says no to at once: every limit, running and waiting sessions
    of all resource groups counted. ``queue_refusals`` is what is left of them with ``--queue``.
    """

    refusals: list[str]
    queue_refusals: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class FitSessionAction(Action[FitSessionActionResult]):
    """Tell what would become of a session if it were created now; nothing is created.

    Raises what creating would raise for a request that can never be a session.
    """

    entity_type: ClassVar[EntityType] = EntityType.SCHEDULER
    operation: ClassVar[Operation] = Operation.FIT

    request: CreateSessionAction
    owner: str | None = None

    def target(self) -> Target:
        return KeypairTarget(self.owner)
