"""How presets are shown, and what of them fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.cli.output.columns import Column, id_column, size_column, slots_column

if TYPE_CHECKING:
    from bai_manager.services.resource_preset.types import (
        GroupRoom,
        LimitRoom,
        PresetCheck,
        PresetFit,
        ResourcePresetData,
    )
    from bai_manager.types.resource_slot import ResourceSlot

_EVERYWHERE = "all"

FIELDS: tuple[Column[ResourcePresetData], ...] = (
    Column("name", lambda preset: preset.name, keep=True),
    slots_column("resource_slots", lambda preset: preset.resource_slots, title="Slots"),
    size_column("shared_memory", lambda preset: preset.shared_memory, title="Shared memory"),
    Column(
        "scaling_group_name",
        lambda preset: preset.scaling_group_name,
        title="Resource group",
        human=lambda preset: preset.scaling_group_name or _EVERYWHERE,
    ),
    id_column("id", lambda preset: preset.id),
    Column("version", lambda preset: preset.version, wide=True),
)
FIT_COLUMNS: tuple[Column[PresetFit], ...] = (
    Column("name", lambda preset: preset.name, keep=True),
    Column("allocatable", lambda preset: preset.allocatable),
    Column("outlook", lambda preset: preset.outlook),
    Column("scaling_groups", lambda preset: preset.scaling_groups),
    slots_column("resource_slots", lambda preset: preset.resource_slots),
    size_column("shared_memory", lambda preset: preset.shared_memory),
    Column("scaling_group_name", lambda preset: preset.scaling_group_name),
    Column("reason", lambda preset: preset.reason),
    id_column("id", lambda preset: preset.id),
)


def _fit(preset: PresetFit) -> str:
    """``small (cpu=2 mem=4g): fits in default``."""
    if preset.allocatable:
        said = f"fits in {', '.join(preset.scaling_groups)}"
    else:
        said = f"{preset.outlook.value}: {preset.reason}"
    return f"{preset.name} ({preset.resource_slots}): {said}"


def _limit(limit: LimitRoom) -> str:
    return f"{limit.level.value} {limit.name}: {_room(limit.remaining, limit.limit)}"


def _room(remaining: ResourceSlot, limit: ResourceSlot | None = None) -> str:
    """``cpu=2 mem=inf of cpu=4 mem=inf``; slots without a limit are named only beside others."""
    if not any(amount.is_finite() for amount in (limit or remaining).values()):
        return "unlimited"
    return str(remaining) if limit is None else f"{remaining} of {limit}"


def _group(group: GroupRoom) -> str:
    return f"{group.name}: {group.remaining}, at most {group.largest} on one agent"


CHECK_FIELDS: tuple[Column[PresetCheck], ...] = (
    Column("user_email", lambda check: check.user_email, title="User"),
    Column("access_key", lambda check: check.access_key),
    Column(
        "project_name",
        lambda check: check.project_name,
        title="Project",
        human=lambda check: f"{check.domain_name}/{check.project_name}",
    ),
    Column(
        "presets",
        lambda check: check.presets,
        human=lambda check: "\n".join(map(_fit, check.presets)) or "there are none",
    ),
    Column(
        "limits",
        lambda check: check.limits,
        title="Left of limits",
        human=lambda check: "\n".join(map(_limit, check.limits)),
    ),
    Column(
        "remaining",
        lambda check: check.remaining,
        title="Narrowest",
        human=lambda check: _room(check.remaining),
    ),
    Column(
        "scaling_groups",
        lambda check: check.scaling_groups,
        title="Left in groups",
        human=lambda check: "\n".join(map(_group, check.scaling_groups)) or "none is open",
    ),
)
