"""Would a session of a preset start now? The scheduler's own answer, for every preset at once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

from bai_manager.services.resource_preset.types import (
    GroupRoom,
    Level,
    LimitRoom,
    Outlook,
    PresetCheck,
    PresetFit,
)
from bai_manager.sokovan import explain, quota
from bai_manager.sokovan.snapshot import (
    PendingKernel,
    PendingSession,
    SchedulingConfig,
    Snapshot,
)
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, SessionType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from bai_manager.repositories.open_groups import AllowedGroup
    from bai_manager.repositories.preset_room import PresetRoom
    from bai_manager.services.resource_preset.types import ResourcePresetData
    from bai_manager.sokovan.explain import Explanation
    from bai_manager.sokovan.snapshot import AgentSnapshot

NO_GROUP: Final = "no resource group is open to this project"
_ZERO: Final = Decimal(0)
_ASKED: Final = UUID(int=0)
_OUTLOOKS: Final[Mapping[explain.Outlook, Outlook]] = {
    explain.Outlook.NEVER: Outlook.NEVER,
    explain.Outlook.WHEN_OTHERS_END: Outlook.LATER,
    explain.Outlook.IN_TURN: Outlook.LATER,
}
_BEST_FIRST: Final = (Outlook.NOW, Outlook.LATER, Outlook.NEVER)


def check_presets(room: PresetRoom, *, email: str, now: datetime) -> PresetCheck:
    """Hold every preset of ``room`` against every resource group it is for.

    A preset for one resource group is held against that one alone, and only agents that may take
    kernels count: a manager looks at all agents of all groups, so that it promises what does not
    start (``reference/services.md`` §10).
    """
    limits = _limits(room)
    remaining = _smallest(limit.remaining for limit in limits)
    return PresetCheck(
        access_key=room.owner.access_key,
        user_email=email,
        domain_name=room.owner.domain_name,
        project_name=room.limits.group_names[room.owner.group_id],
        limits=limits,
        remaining=remaining,
        scaling_groups=tuple(_group_room(room, group, remaining) for group in room.groups),
        presets=tuple(_fit(room, preset, now) for preset in room.presets),
    )


def _limits(room: PresetRoom) -> tuple[LimitRoom, ...]:
    return tuple(
        LimitRoom(
            level=Level(use.level.value),
            name=use.name,
            limit=ResourceSlot({slot: use.limit_of(slot) for slot in room.slots}),
            used=ResourceSlot({slot: use.used.get(slot, _ZERO) for slot in room.slots}),
            remaining=ResourceSlot({slot: use.headroom(slot) for slot in room.slots}),
        )
        for use in quota.resource_uses(room.owner, room.limits, room.occupancy)
    )


def _group_room(room: PresetRoom, group: AllowedGroup, remaining: ResourceSlot) -> GroupRoom:
    agents = room.agents[group.name]
    left = [_left(agent) for agent in agents]
    together = ResourceSlot.total(left)
    free = ResourceSlot({slot: together.get(slot, _ZERO) for slot in room.slots})
    return GroupRoom(
        name=group.name,
        agents=len(agents),
        using=room.using.get(group.name, ResourceSlot()),
        free=free,
        largest=ResourceSlot(
            {
                slot: max((one.get(slot, _ZERO) for one in left), default=_ZERO)
                for slot in room.slots
            }
        ),
        remaining=_smallest([remaining, free]),
    )


def _left(agent: AgentSnapshot) -> ResourceSlot:
    """What an agent has left, never below zero."""
    left = agent.available - agent.occupied
    return ResourceSlot({slot: max(left[slot], _ZERO) for slot in agent.available})


def _smallest(parts: Iterable[ResourceSlot]) -> ResourceSlot:
    """The least of each slot; all parts have the same slots."""
    smallest: dict[str, Decimal] = {}
    for part in parts:
        for slot, amount in part.items():
            smallest[slot] = min(smallest.get(slot, amount), amount)
    return ResourceSlot(smallest)


def _fit(room: PresetRoom, preset: ResourcePresetData, now: datetime) -> PresetFit:
    groups = [group for group in room.groups if preset.scaling_group_name in {None, group.name}]
    verdicts = {group.name: _verdict(room, group, preset, now) for group in groups}
    fitting = tuple(name for name, (outlook, _) in verdicts.items() if outlook is Outlook.NOW)
    outlook, reason = Outlook.NEVER, NO_GROUP
    if verdicts:
        name = min(verdicts, key=lambda name: _BEST_FIRST.index(verdicts[name][0]))
        outlook, reason = verdicts[name]
        reason = reason if len(verdicts) == 1 else f"{name}: {reason}"
    return PresetFit(
        id=preset.id,
        name=preset.name,
        resource_slots=preset.resource_slots,
        shared_memory=preset.shared_memory,
        scaling_group_name=preset.scaling_group_name,
        allocatable=bool(fitting),
        outlook=outlook,
        scaling_groups=fitting,
        reason=None if fitting else reason,
    )


def _verdict(
    room: PresetRoom, group: AllowedGroup, preset: ResourcePresetData, now: datetime
) -> tuple[Outlook, str]:
    """What the scheduler would do with it; the architecture of an image is not known yet."""
    if unknown := [slot for slot in preset.resource_slots if slot not in room.slots]:
        return Outlook.NEVER, f"no agent reports {', '.join(unknown)}"
    found = list(_explanations(room, group, preset, now))
    if any(explanation.allocation is not None for explanation in found):
        return Outlook.NOW, ""
    best = max(found, key=lambda explanation: explanation.reasons[0].outlook)
    return _OUTLOOKS[best.reasons[0].outlook], best.reasons[0].message


def _explanations(
    room: PresetRoom, group: AllowedGroup, preset: ResourcePresetData, now: datetime
) -> Iterator[Explanation]:
    agents = room.agents[group.name]
    snapshot = Snapshot(
        now=now,
        scaling_group=group.name,
        config=SchedulingConfig(allowed_session_types=group.session_types),
        agents=agents,
        limits=room.limits,
        occupancy=room.occupancy,
    )
    for architecture in sorted({agent.architecture for agent in agents} or {""}):
        session = PendingSession(
            id=_ASKED,
            creation_id="",
            name=preset.name,
            access_key=room.owner.access_key,
            user_id=room.owner.user_id,
            group_id=room.owner.group_id,
            domain_name=room.owner.domain_name,
            scaling_group=group.name,
            session_type=_some_type(group),
            cluster_mode=ClusterMode.SINGLE_NODE,
            created_at=now,
            kernels=(
                PendingKernel(
                    kernel_id=_ASKED,
                    architecture=architecture,
                    requested_slots=preset.resource_slots,
                ),
            ),
        )
        yield explain.fits(snapshot, session)


def _some_type(group: AllowedGroup) -> SessionType:
    """A type of session that the resource group takes: presets are for all of them."""
    return min(group.session_types, default=SessionType.INTERACTIVE)
