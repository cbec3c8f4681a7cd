"""What a key pair policy is, and what a person sets in it (``reference/value-types.md`` §14)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Final

from bai_manager.types.limits import ANY_INT4, ANY_INT8, INT4, check_values
from bai_manager.types.patches import HostsPatch, SlotsPatch
from bai_manager.types.resource_slot import DefaultForUnspecified, ResourceSlot
from bai_manager.types.tristate import UNSET, Maybe, set_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from bai_manager.types.vfolder import HostPermissions

RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "max_session_lifetime": (0, INT4),
    "max_concurrent_sessions": ANY_INT4,
    "max_concurrent_sftp_sessions": ANY_INT4,
    "max_containers_per_session": (1, INT4),
    "max_pending_session_count": (0, INT4),
    "idle_timeout": ANY_INT8,
}
"""With less than one container per session, no session at all could be created."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairResourcePolicySpec:
    """What a person sets; the defaults limit little.

    ``max_session_lifetime`` and ``idle_timeout`` are seconds: 0 is without end, and a negative
    ``idle_timeout`` leaves it to the idle checker. Session counts of 0 or less are unlimited;
    pending limits are where they are None.
    """

    name: str
    default_for_unspecified: DefaultForUnspecified = DefaultForUnspecified.UNLIMITED
    total_resource_slots: ResourceSlot = field(default_factory=ResourceSlot)
    max_session_lifetime: int = 0
    max_concurrent_sessions: int = 30
    max_concurrent_sftp_sessions: int = 1
    max_containers_per_session: int = 16
    max_pending_session_count: int | None = None
    max_pending_session_resource_slots: ResourceSlot | None = None
    idle_timeout: int = 1800
    allowed_vfolder_hosts: HostPermissions = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairResourcePolicyData:
    """One policy; ``keypair_count`` counts the key pairs it binds, as far as one may see."""

    name: str
    default_for_unspecified: DefaultForUnspecified
    total_resource_slots: ResourceSlot
    max_session_lifetime: int
    max_concurrent_sessions: int
    max_concurrent_sftp_sessions: int
    max_containers_per_session: int
    max_pending_session_count: int | None
    max_pending_session_resource_slots: ResourceSlot | None
    idle_timeout: int
    allowed_vfolder_hosts: HostPermissions
    keypair_count: int
    created_at: datetime | None
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairResourcePolicyChanges:
    """What an update sets; maps are patched entry by entry."""

    default_for_unspecified: Maybe[DefaultForUnspecified] = UNSET
    total_resource_slots: Maybe[SlotsPatch] = UNSET
    max_session_lifetime: Maybe[int] = UNSET
    max_concurrent_sessions: Maybe[int] = UNSET
    max_concurrent_sftp_sessions: Maybe[int] = UNSET
    max_containers_per_session: Maybe[int] = UNSET
    max_pending_session_count: Maybe[int | None] = UNSET
    max_pending_session_resource_slots: Maybe[SlotsPatch | None] = UNSET
    idle_timeout: Maybe[int] = UNSET
    allowed_vfolder_hosts: Maybe[HostsPatch] = UNSET


def spec_of(policy: KeypairResourcePolicyData) -> KeypairResourcePolicySpec:
    """The fields of a policy that a person sets."""
    return KeypairResourcePolicySpec(
        **{name: getattr(policy, name) for name in KeypairResourcePolicySpec.__dataclass_fields__}
    )


def changed_spec(
    spec: KeypairResourcePolicySpec, changes: KeypairResourcePolicyChanges
) -> KeypairResourcePolicySpec:
    """Apply an update; what it does not set stays."""
    values = set_fields(changes)
    for name, value in values.items():
        current = getattr(spec, name)
        if isinstance(value, SlotsPatch):
            values[name] = value.applied_to(current or ResourceSlot())
        elif isinstance(value, HostsPatch):
            values[name] = value.applied_to(current)
    return replace(spec, **values)  # type: ignore[arg-type]


def check_spec(spec: KeypairResourcePolicySpec) -> None:
    """Raise an ``InvalidValue`` for a limit that cannot be."""
    check_values({field.name: getattr(spec, field.name) for field in fields(spec)}, RANGES)


def check_changes(changes: KeypairResourcePolicyChanges) -> None:
    """Raise as ``check_spec``; what is not changed may be whatever the row holds."""
    check_values(set_fields(changes), RANGES)
