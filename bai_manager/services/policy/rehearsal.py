"""What a change to a policy would do: who would be over it, and what would start or wait."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

from bai_manager.services.policy.limits import IDLE, LIFETIME, unit_of
from bai_manager.services.policy.meaning import meanings
from bai_manager.services.policy.types import (
    Effect,
    Ending,
    FolderLoss,
    OverLine,
    PolicyKind,
    PolicyRehearsal,
    Scope,
    SessionEffect,
    SessionEnding,
    Shortage,
    Unit,
)
from bai_manager.sokovan import quota
from bai_manager.sokovan.comparison import compare
from bai_manager.sokovan.quota import UNLIMITED, ZERO, CountBreach, CountUse, LimitBreach
from bai_manager.sokovan.snapshot import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from bai_manager.repositories.host_losses import HostLoss
    from bai_manager.repositories.policy_rehearsal import Bound, Rehearsal
    from bai_manager.sokovan.comparison import Difference
    from bai_manager.sokovan.idle import RunningSession, Verdict
    from bai_manager.sokovan.idle_facts import IdleView
    from bai_manager.sokovan.quota import LimitUse
    from bai_manager.sokovan.snapshot import Snapshot
    from bai_manager.sokovan.validators import Cause

_NOBODY: Final = UUID(int=0)


def rehearsed(
    kind: PolicyKind, policy: str, found: Rehearsal, idle: IdleView, now: datetime
) -> PolicyRehearsal:
    """Compare those whom a policy binds, without the change and with it."""
    over = [
        line
        for before, after in zip(_uses(found.before), _uses(found.after), strict=True)
        for line in _over(before, after)
    ]
    over.sort(key=lambda one: (one.excess <= one.excess_before, one.excess <= 0))
    return PolicyRehearsal(
        kind=kind,
        policy=policy,
        changed=found.changed,
        bound=found.count,
        over=tuple(over),
        sessions=tuple(
            _effect(difference, before)
            for before, after in zip(found.before.snapshots, found.after.snapshots, strict=True)
            for difference in compare(before, after)
        ),
        endings=tuple(_endings(found, idle, now)),
        folders=tuple(_loss(one) for one in found.lost if one.folders),
        fields=meanings(kind, found.changed, idle),
    )


def _uses(bound: Bound) -> Iterator[LimitUse | CountUse]:
    """Everything that the policy counts, in the same order before and after."""
    limits, occupancy = bound.limits, bound.occupancy
    for access_key in bound.access_keys:
        holder = _holder(access_key=access_key)
        yield quota.keypair_use(holder, limits, occupancy)
        yield quota.queue_use(holder, limits, occupancy)
        yield quota.session_count_use(access_key, limits, occupancy, private=False)
        yield quota.session_count_use(access_key, limits, occupancy, private=True)
        yield quota.pending_count_use(access_key, limits, occupancy)
    for user_id in bound.main_of:
        yield quota.user_use(_holder(user_id=user_id), limits, occupancy)
    yield from bound.stocks


def _holder(*, access_key: str = "", user_id: UUID = _NOBODY) -> Owner:
    """Whoever is looked at, at one level alone."""
    return Owner(access_key=access_key, user_id=user_id, group_id=_NOBODY, domain_name="")


def _over(before: LimitUse | CountUse, after: LimitUse | CountUse) -> Iterator[OverLine]:
    then = _amounts(after)
    for resource, (used, limit) in _amounts(before).items():
        _, limit_after = then[resource]
        excess_before, excess = max(used - limit, ZERO), max(used - limit_after, ZERO)
        if excess_before > 0 or excess > 0:
            yield OverLine(
                scope=Scope(before.level.value),
                name=before.name,
                resource=resource,
                unit=Unit.COUNT if isinstance(before, CountUse) else unit_of(resource),
                used=used,
                limit_before=limit,
                limit=limit_after,
                excess_before=excess_before,
                excess=excess,
                owner=before.owner if isinstance(before, CountUse) else None,
            )


def _amounts(use: LimitUse | CountUse) -> dict[str, tuple[Decimal, Decimal]]:
    """What is used and the limit, by resource."""
    if isinstance(use, CountUse):
        limit = UNLIMITED if use.limit is None else Decimal(use.limit)
        return {use.counted.value: (Decimal(use.used), limit)}
    return {slot: (amount, use.limit_of(slot)) for slot, amount in use.used.items()}


def _endings(found: Rehearsal, idle: IdleView, now: datetime) -> Iterator[SessionEnding]:
    """Running sessions that only one of the two states ends."""
    for before, after in zip(found.before.running, found.after.running, strict=True):
        was, verdict = idle.verdict(before, now), idle.verdict(after, now)
        if verdict is not None and was is None:
            yield _ending(after, verdict, Ending.ENDED)
        elif was is not None and verdict is None:
            yield _ending(before, was, Ending.SPARED)


def _ending(session: RunningSession, verdict: Verdict, ending: Ending) -> SessionEnding:
    return SessionEnding(
        session_id=session.session_id,
        name=session.name,
        access_key=session.access_key,
        user_email=session.user_email,
        ending=ending,
        reason=verdict.reason,
        resource=LIFETIME if verdict.checker == "session_lifetime" else IDLE,
        allowed=Decimal(int(verdict.allowed.total_seconds())),
        used=Decimal(int((verdict.allowed - verdict.remaining).total_seconds())),
    )


def _loss(loss: HostLoss) -> FolderLoss:
    return FolderLoss(
        access_key=loss.access_key,
        user_email=loss.user_email,
        host=loss.host,
        permissions=tuple(sorted(loss.lost)),
        folders=loss.folders,
    )


def _effect(difference: Difference, before: Snapshot) -> SessionEffect:
    """Tell by the turn in which the session waits: with the change, or else without it."""
    waiting = difference.before if difference.after.starts else difference.after
    effect = Effect.OTHERWISE
    if difference.before.starts:
        effect = Effect.STOPS
    elif difference.after.starts:
        effect = Effect.STARTS
    session = waiting.session
    return SessionEffect(
        session_id=session.id,
        name=session.name,
        access_key=session.access_key,
        user_email=before.limits.user_emails.get(session.user_id, str(session.user_id)),
        scaling_group=session.scaling_group,
        effect=effect,
        reason=waiting.message,
        short=tuple(short for cause in waiting.causes for short in _shortages(cause)),
    )


def _shortages(cause: Cause) -> Iterator[Shortage]:
    if isinstance(cause, LimitBreach):
        for slot in cause.slots:
            yield Shortage(
                scope=Scope(cause.level.value),
                name=cause.name,
                resource=slot.slot,
                unit=unit_of(slot.slot),
                limit=slot.limit,
                used=slot.used,
                requested=slot.requested,
                excess=slot.excess,
            )
    elif isinstance(cause, CountBreach):
        yield Shortage(
            scope=Scope.KEYPAIR,
            name=cause.name,
            resource=cause.counted.value,
            unit=Unit.COUNT,
            limit=Decimal(cause.limit),
            used=Decimal(cause.used),
            requested=Decimal(1),
            excess=Decimal(cause.excess),
        )
