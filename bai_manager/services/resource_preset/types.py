"""What a preset is, what a person sets in it, and what fits now (``reference/services.md`` §10)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bai_manager.services.resource_preset.errors import InvalidPreset
from bai_manager.types.limits import INT8, check_amounts, check_number
from bai_manager.types.names import check_name
from bai_manager.types.patches import SlotsPatch
from bai_manager.types.resource_slot import INTRINSIC_SLOTS, ResourceSlot
from bai_manager.types.tristate import UNSET, Maybe, set_fields

if TYPE_CHECKING:
    from uuid import UUID

NAME_WIDTH: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourcePresetSpec:
    """What a person sets; without a ``scaling_group_name`` it is for all of them.

    ``shared_memory`` is in bytes, a part of the slot ``mem``; None leaves it to the image.
    """

    name: str
    resource_slots: ResourceSlot = field(default_factory=ResourceSlot)
    shared_memory: int | None = None
    scaling_group_name: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourcePresetData:
    """One preset."""

    id: UUID
    name: str
    resource_slots: ResourceSlot
    shared_memory: int | None
    scaling_group_name: str | None
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourcePresetChanges:
    """What an update sets; slots are patched one by one."""

    name: Maybe[str] = UNSET
    resource_slots: Maybe[SlotsPatch] = UNSET
    shared_memory: Maybe[int | None] = UNSET
    scaling_group_name: Maybe[str | None] = UNSET


class Level(StrEnum):
    """Where a limit is set; the nearest to a person first."""

    KEYPAIR = "keypair"
    USER = "user"
    PROJECT = "project"
    DOMAIN = "domain"


class Outlook(StrEnum):
    """Whether a session of a preset would start."""

    NOW = "now"
    LATER = "when others end"
    NEVER = "never"


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitRoom:
    """What one limit leaves: an amount for every slot there is, Infinity where it is unlimited.

    ``used`` counts sessions that wait as well as those that run, in all resource groups.
    """

    level: Level
    name: str
    limit: ResourceSlot
    used: ResourceSlot
    remaining: ResourceSlot


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupRoom:
    """What a resource group leaves to somebody.

    ``using`` is what the user's own kernels hold there, with any key pair; ``free`` is what its
    schedulable agents have left together, ``largest`` what one of them has left, slot by slot,
    and ``remaining`` the smaller of ``free`` and what the limits leave.
    """

    name: str
    agents: int
    using: ResourceSlot
    free: ResourceSlot
    largest: ResourceSlot
    remaining: ResourceSlot


@dataclass(frozen=True, kw_only=True, slots=True)
class PresetFit:
    """Whether a preset fits, in which resource groups, and else why not."""

    id: UUID
    name: str
    resource_slots: ResourceSlot
    shared_memory: int | None
    scaling_group_name: str | None
    allocatable: bool
    outlook: Outlook
    scaling_groups: tuple[str, ...]
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PresetCheck:
    """What would fit now for one key pair in one project, and what is left."""

    access_key: str
    user_email: str
    domain_name: str
    project_name: str
    limits: tuple[LimitRoom, ...]
    remaining: ResourceSlot
    """What the narrowest limit leaves of each slot."""
    scaling_groups: tuple[GroupRoom, ...]
    presets: tuple[PresetFit, ...]


def spec_of(preset: ResourcePresetData) -> ResourcePresetSpec:
    """The fields of a preset that a person sets."""
    return ResourcePresetSpec(
        **{name: getattr(preset, name) for name in ResourcePresetSpec.__dataclass_fields__}
    )


def changed_spec(spec: ResourcePresetSpec, changes: ResourcePresetChanges) -> ResourcePresetSpec:
    """Apply an update; what it does not set stays."""
    values = set_fields(changes)
    if isinstance(patch := values.get("resource_slots"), SlotsPatch):
        values["resource_slots"] = patch.applied_to(spec.resource_slots)
    return replace(spec, **values)  # type: ignore[arg-type]


def check_spec(spec: ResourcePresetSpec) -> None:
    """Raise ``InvalidPreset`` where no session could be created from it.

    Every session asks for ``cpu`` and ``mem``, and for less shared memory than memory
    (``reference/value-types.md`` §4). Also raises as ``check_name`` and ``check_amounts`` do.
    """
    check_name(spec.name, "preset name", limit=NAME_WIDTH, example="small")
    check_amounts(spec.resource_slots)
    missing = [slot for slot in INTRINSIC_SLOTS if slot not in spec.resource_slots]
    if missing:
        raise InvalidPreset(
            str(spec.resource_slots), f"it has no {' and no '.join(missing)}", example=_EXAMPLE
        )
    if spec.shared_memory is None:
        return
    check_number("shared_memory", spec.shared_memory, 0, INT8)
    if spec.shared_memory >= spec.resource_slots["mem"]:
        raise InvalidPreset(
            str(spec.resource_slots),
            f"shared memory ({spec.shared_memory} bytes) is a part of mem and must be less",
            example=f"{_EXAMPLE} --shmem 64m",
        )


_EXAMPLE: Final = "--slot cpu=2 --slot mem=4g"
