"""An explanation of ``sokovan.explain`` as plain data."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, TypedDict

from bai_manager.services.scheduler.types import (
    AgentLack,
    LimitNumbers,
    MissingSlot,
    WaitReason,
    WayOut,
)
from bai_manager.sokovan.quota import CountBreach, LimitBreach

if TYPE_CHECKING:
    from datetime import datetime

    from bai_manager.services.scheduler.types import ClosedAgent
    from bai_manager.sokovan.explain import Explanation, Reason
    from bai_manager.sokovan.remedies import Change
    from bai_manager.sokovan.selectors import AgentVerdict
    from bai_manager.sokovan.snapshot import PendingSession, Snapshot
    from bai_manager.sokovan.validators import Cause
    from bai_manager.types.resource_slot import ResourceSlot


class Told(TypedDict):
    """The fields that every ``ExplanationResult`` has."""

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


def tell(
    snapshot: Snapshot,
    session: PendingSession,
    explanation: Explanation,
    closed: list[ClosedAgent],
) -> Told:
    """``snapshot`` is the one that was explained, with or without ``session`` in its line."""
    allocation = explanation.allocation
    changes = [_way_out(change) for change in explanation.changes]
    return Told(
        session_name=session.name,
        scaling_group=snapshot.scaling_group,
        requested_slots=session.requested_slots,
        starts=allocation is not None,
        agent_ids=allocation.agent_ids if allocation else [],
        ahead=_ahead(snapshot, session),
        reasons=[_reason(reason) for reason in explanation.reasons],
        agents=[_lack(verdict) for verdict in explanation.agents],
        closed_agents=closed,
        smallest_change=changes[0] if changes else None,
        changes=changes,
        expires_at=explanation.expires_at,
    )


def _ahead(snapshot: Snapshot, session: PendingSession) -> int:
    """How many came before it, or have a higher priority."""
    return sum(
        1
        for other in snapshot.pending
        if other.id != session.id
        and (-other.priority, other.created_at, other.id.bytes)
        < (-session.priority, session.created_at, session.id.bytes)
    )


def _reason(reason: Reason) -> WaitReason:
    return WaitReason(
        kind=reason.kind.value,
        outlook=reason.outlook.name.lower().replace("_", "-"),
        predicate=reason.predicate,
        message=reason.message,
        limits=_numbers(reason.cause),
    )


def _numbers(cause: Cause | None) -> list[LimitNumbers]:
    match cause:
        case LimitBreach():
            return [
                LimitNumbers(
                    level=cause.level.value,
                    name=cause.name,
                    counted=slot.slot,
                    limit=slot.limit,
                    used=slot.used,
                    requested=slot.requested,
                )
                for slot in cause.slots
            ]
        case CountBreach():
            return [
                LimitNumbers(
                    level="keypair",
                    name=cause.name,
                    counted=cause.counted.value,
                    limit=Decimal(cause.limit),
                    used=Decimal(cause.used),
                    requested=Decimal(1),
                )
            ]
        case _:
            return []


def _lack(verdict: AgentVerdict) -> AgentLack:
    shortfall = verdict.shortfall
    return AgentLack(
        agent=shortfall.agent_id,
        could_hold=verdict.could_hold,
        architecture=shortfall.wrong_architecture,
        missing=[
            MissingSlot(slot=one.slot, requested=one.requested, available=one.available)
            for one in shortfall.shortages
        ],
        containers_to_end=shortfall.containers_missing,
        message=shortfall.reason,
    )


def _way_out(change: Change) -> WayOut:
    return WayOut(
        steps=[str(step) for step in change.steps],
        kinds=[step.kind.value for step in change.steps],
        size=change.size,
    )
