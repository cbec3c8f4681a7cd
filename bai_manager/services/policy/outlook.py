"""How many sessions of one kind would start: limits by arithmetic, agents by the scheduler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from bai_manager.services.policy.room import allowed_of, binds, with_request
from bai_manager.services.policy.types import GroupOutlook, Scope, SpecOutlook
from bai_manager.sokovan.capacity import capacity
from bai_manager.sokovan.explain import explain
from bai_manager.sokovan.snapshot import PendingKernel, PendingSession
from bai_manager.types.resource_slot import ResourceSlot, guess_unit
from bai_manager.types.status import PRIVATE_SESSION_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bai_manager.repositories.open_groups import AllowedGroup
    from bai_manager.repositories.policy import Standing
    from bai_manager.services.policy.types import LimitLine
    from bai_manager.sokovan.snapshot import Snapshot
    from bai_manager.types.wanted_session import WantedSession

MOST: Final = 1000
"""So many sessions are started at most to see how many would."""
NO_GROUP: Final = "no resource group is open to this project"
ONE_BY_ONE: Final = "no agent alone has enough left"
_ASKED: Final = UUID(int=0)


def outlook(
    standing: Standing,
    lines: Sequence[LimitLine],
    groups: Mapping[str, AllowedGroup],
    spec: WantedSession,
) -> tuple[list[LimitLine], SpecOutlook]:
    """Hold a kind of session against the limits and every resource group.

    Waiting sessions count as used, as when a session is created; those of others are not given
    their turn first. Raises ``UnknownResourceSlot``.
    """
    known = {slot: guess_unit(slot) for slot in standing.slots}
    ResourceSlot.from_user_input(spec.resources, known)
    asked = _request(standing, spec, "", "")
    told = with_request(lines, asked)
    allowed = allowed_of(told)
    found = tuple(
        _outlook_in(standing, group, groups[group.scaling_group], spec) for group in standing.groups
    )
    best = max(found, key=lambda one: one.fits, default=None)
    reached, hit = _reached(told, allowed, best)
    return (
        [replace(line, binds=any(line is one for one in reached)) for line in told],
        SpecOutlook(
            spec=spec,
            requested=asked.requested_slots,
            allowed=allowed,
            hit=hit,
            fits=best.fits if best else 0,
            more=bool(best and best.more),
            groups=found,
        ),
    )


def _reached(
    lines: Sequence[LimitLine], allowed: int | None, best: GroupOutlook | None
) -> tuple[list[LimitLine], tuple[str, ...]]:
    """Which limits are reached first, as lines and in words: the owner's, or that of agents."""
    if best is None:
        return [], (NO_GROUP,)
    if allowed is not None and best.fits >= allowed:
        return _named([line for line in lines if binds(line) and line.fits == allowed])
    if best.more:
        return [], ()
    if best.stopped_by is not None and (scarce := _scarce(lines, best)):
        return _named(scarce)
    return [], (f"resource-group {best.name}: {(*best.reasons, ONE_BY_ONE)[0]}",)


def _scarce(lines: Sequence[LimitLine], group: GroupOutlook) -> list[LimitLine]:
    """What the agents of a resource group have too little of even together."""
    return [
        line
        for line in lines
        if line.scope is Scope.RESOURCE_GROUP and line.name == group.name
        if line.fits is not None and line.fits <= group.fits
    ]


def _named(lines: list[LimitLine]) -> tuple[list[LimitLine], tuple[str, ...]]:
    return lines, tuple(f"{line.scope.value} {line.name}: {line.resource}" for line in lines)


def _too_many_kernels(standing: Standing, spec: WantedSession) -> str | None:
    limit = standing.keypair_policy.max_containers_per_session
    if spec.cluster_size <= limit:
        return None
    return f"the key pair's policy allows {limit} kernels in a session"


def _not_taken(group: AllowedGroup, spec: WantedSession) -> str | None:
    """Why a resource group is not for such sessions."""
    kind = spec.session_type
    if kind not in group.session_types:
        return f"it takes {', '.join(sorted(group.session_types))} sessions only"
    if not group.is_public and kind not in PRIVATE_SESSION_TYPES:
        return "it is for system sessions"
    return None


def _closed(name: str, reason: str) -> GroupOutlook:
    return GroupOutlook(
        name=name, fits=0, more=False, stopped_by=None, reasons=(reason,), changes=()
    )


def _outlook_in(
    standing: Standing, group: Snapshot, opened: AllowedGroup, spec: WantedSession
) -> GroupOutlook:
    """On the architecture of which most start; a session has one image, so one architecture."""
    refused = _too_many_kernels(standing, spec) or _not_taken(opened, spec)
    if refused is not None:
        return _closed(group.scaling_group, refused)
    requests = [
        _request(standing, spec, group.scaling_group, architecture)
        for architecture in sorted({agent.architecture for agent in group.agents} or {""})
    ]
    room = [(capacity(group, request, most=MOST), request) for request in requests]
    found, request = max(room, key=lambda one: one[0].count)
    explained = None if found.count else explain(replace(group, pending=(request,)), request.id)
    return GroupOutlook(
        name=group.scaling_group,
        fits=found.count,
        more=found.stopped_by is None,
        stopped_by=found.stopped_by.message if found.stopped_by else None,
        reasons=tuple(one.message for one in explained.reasons) if explained else (),
        changes=tuple(str(one) for one in explained.changes) if explained else (),
    )


def _request(
    standing: Standing, spec: WantedSession, group: str, architecture: str
) -> PendingSession:
    owner = standing.owner
    return PendingSession(
        id=_ASKED,
        creation_id="",
        name="such a session",
        access_key=owner.access_key,
        user_id=owner.user_id,
        group_id=owner.group_id,
        domain_name=owner.domain_name,
        scaling_group=group,
        session_type=spec.session_type,
        cluster_mode=spec.cluster_mode,
        created_at=standing.now,
        kernels=tuple(
            PendingKernel(
                kernel_id=UUID(int=number),
                architecture=architecture,
                requested_slots=spec.resources,
            )
            for number in range(spec.cluster_size)
        ),
        cluster_size=spec.cluster_size,
    )
