"""What a project is, and what a person sets in one (``reference/services.md`` §8)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidValue
from bai_manager.types.limits import check_values
from bai_manager.types.names import check_harbor_project, check_name, check_project_name
from bai_manager.types.patches import HostsPatch, SlotsPatch
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ProjectType
from bai_manager.types.tristate import UNSET, Maybe, set_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.purge import Blocker, EndpointRef, FolderRef, MountedFolder, SessionRef
    from bai_manager.types.status import UserRole, UserStatus
    from bai_manager.types.vfolder import HostPermissions

DEFAULT_POLICY: Final = "default"
_DESCRIPTION_COLUMN: Final = 512
_INTEGRATION_COLUMN: Final = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectRegistry:
    """Where the project's own images are kept: a registry by name, and a project in it."""

    registry: str
    project: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupSpec:
    """A project to be created."""

    name: str
    domain_name: str
    type: ProjectType = ProjectType.GENERAL
    description: str | None = None
    is_active: bool = True
    total_resource_slots: ResourceSlot = field(default_factory=ResourceSlot)
    allowed_vfolder_hosts: HostPermissions = field(default_factory=dict)
    integration_id: str | None = None
    resource_policy: str = DEFAULT_POLICY
    container_registry: ProjectRegistry | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupData:
    """One project; ``version`` changes with every update of the row."""

    id: UUID
    name: str
    domain_name: str
    type: ProjectType
    description: str | None
    is_active: bool
    total_resource_slots: ResourceSlot
    allowed_vfolder_hosts: HostPermissions
    resource_policy: str
    container_registry: ProjectRegistry | None
    integration_id: str | None
    member_count: int
    created_at: datetime | None
    modified_at: datetime | None
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupHoldings:
    """What a project has now: what deleting or purging would touch."""

    live_sessions: int
    vfolders: int
    endpoints: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupChanges:
    """What an update sets; null clears, maps are patched entry by entry."""

    name: Maybe[str] = UNSET
    domain_name: Maybe[str] = UNSET
    description: Maybe[str | None] = UNSET
    is_active: Maybe[bool] = UNSET
    total_resource_slots: Maybe[SlotsPatch] = UNSET
    allowed_vfolder_hosts: Maybe[HostsPatch] = UNSET
    integration_id: Maybe[str | None] = UNSET
    resource_policy: Maybe[str] = UNSET
    container_registry: Maybe[ProjectRegistry | None] = UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberData:
    """A user as a member of a project."""

    user_id: UUID
    email: str
    username: str
    full_name: str | None
    status: UserStatus
    role: UserRole


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupPurgePlan:
    """Exactly what a purge does, or why it is refused (``blockers``).

    Counts are of rows that are deleted, but for ``session_templates``, which lose the project.
    """

    group_id: UUID
    name: str
    domain_name: str
    blockers: list[Blocker]
    destroyed_sessions: list[SessionRef]
    mounted_folders: list[MountedFolder]
    deleted_folders: list[FolderRef]
    deleted_endpoints: list[EndpointRef]
    sessions: int
    kernels: int
    memberships: int
    networks: int
    session_templates: int


def spec_of(group: GroupData) -> GroupSpec:
    """The fields of a project that a person sets."""
    return GroupSpec(**{one.name: getattr(group, one.name) for one in fields(GroupSpec)})


def changed_spec(spec: GroupSpec, changes: GroupChanges) -> GroupSpec:
    """Apply an update; what it does not set stays."""
    values = set_fields(changes)
    for name, value in values.items():
        if isinstance(value, SlotsPatch | HostsPatch):
            values[name] = value.applied_to(getattr(spec, name))
    return replace(spec, **values)  # type: ignore[arg-type]


def check_group_spec(spec: GroupSpec) -> None:
    """Raise an ``InvalidValue`` for a field that its column would not take."""
    _check_texts({one.name: getattr(spec, one.name) for one in fields(spec)})
    check_values({one.name: getattr(spec, one.name) for one in fields(spec)}, {})


def check_group_changes(changes: GroupChanges) -> None:
    """Raise as ``check_group_spec`` for what is to be set."""
    _check_texts(set_fields(changes))
    check_values(set_fields(changes), {})


def _check_texts(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        match name, value:
            case "name", str():
                check_project_name(value)
            case "description", str() if len(value) > _DESCRIPTION_COLUMN:
                raise InvalidValue(
                    value, f"it is longer than {_DESCRIPTION_COLUMN}", example="shorter text"
                )
            case "integration_id", str():
                check_name(value, "integration id", limit=_INTEGRATION_COLUMN, example="crm-17")
            case "container_registry", ProjectRegistry():
                check_name(value.registry, "registry name", example="cr.example.com")
                check_harbor_project(value.project)
