"""What a domain is, what is in it, and what a person sets in it (``reference/services.md`` §9)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Final

from bai_manager.types.limits import check_text, check_values
from bai_manager.types.names import check_domain_name
from bai_manager.types.patches import HostsPatch, NamesPatch, SlotsPatch
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.tristate import UNSET, Maybe, set_fields

if TYPE_CHECKING:
    from datetime import datetime

    from bai_manager.types.vfolder import HostPermissions

WIDTH: Final = 512
"""Of the columns ``description`` and ``integration_id``, in characters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainSpec:
    """What a person sets; a slot that is not named is not limited."""

    name: str
    description: str | None = None
    is_active: bool = True
    total_resource_slots: ResourceSlot = field(default_factory=ResourceSlot)
    allowed_vfolder_hosts: HostPermissions = field(default_factory=dict)
    allowed_docker_registries: tuple[str, ...] = ()
    integration_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainData:
    """One domain; the counts are None for its ordinary users.

    ``scaling_groups`` are the resource groups open to all of it, ``dotfiles`` packed as they are
    (``reference/value-types.md`` §12.1), ``session_count`` that of sessions that have not ended.
    """

    name: str
    description: str | None
    is_active: bool
    created_at: datetime | None
    modified_at: datetime | None
    total_resource_slots: ResourceSlot
    allowed_vfolder_hosts: HostPermissions
    allowed_docker_registries: tuple[str, ...]
    integration_id: str | None
    dotfiles: bytes
    scaling_groups: tuple[str, ...]
    user_count: int | None
    project_count: int | None
    session_count: int | None
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainContents:
    """How much there is in a domain; what a purge removes or is refused for.

    A ``model_store`` is the project that comes with a domain, while it holds nothing: it is not
    among the ``projects``, and goes with the domain. Live kernels and sessions are those that
    have not ended; a service is live until it is destroyed.
    """

    users: int
    projects: int
    model_store: bool
    folders: int
    live_kernels: int
    live_sessions: int
    live_services: int
    kernels: int
    sessions: int
    services: int
    templates: int
    scaling_groups: int
    roles: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainDetails(DomainData):
    """A domain and how much there is in it, which ordinary users are not told."""

    contents: DomainContents | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainChanges:
    """What an update sets; maps and lists are patched entry by entry."""

    name: Maybe[str] = UNSET
    description: Maybe[str | None] = UNSET
    is_active: Maybe[bool] = UNSET
    total_resource_slots: Maybe[SlotsPatch] = UNSET
    allowed_vfolder_hosts: Maybe[HostsPatch] = UNSET
    allowed_docker_registries: Maybe[NamesPatch] = UNSET
    integration_id: Maybe[str | None] = UNSET


def spec_of(domain: DomainData) -> DomainSpec:
    """The fields of a domain that a person sets."""
    return DomainSpec(**{name: getattr(domain, name) for name in DomainSpec.__dataclass_fields__})


def changed_spec(spec: DomainSpec, changes: DomainChanges) -> DomainSpec:
    """Apply an update; what it does not set stays."""
    values = set_fields(changes)
    for name, value in values.items():
        if isinstance(value, SlotsPatch | HostsPatch | NamesPatch):
            values[name] = value.applied_to(getattr(spec, name))
    return replace(spec, **values)  # type: ignore[arg-type]


def check_spec(spec: DomainSpec) -> None:
    """Raise ``InvalidName`` or another ``InvalidValue`` for what cannot be."""
    _check({field.name: getattr(spec, field.name) for field in fields(spec)})


def check_changes(changes: DomainChanges) -> None:
    """Raise as ``check_spec``; what is not changed may be whatever the row holds."""
    _check(set_fields(changes))


def _check(values: dict[str, object]) -> None:
    if isinstance(name := values.get("name"), str):
        check_domain_name(name)
    for column in ("description", "integration_id"):
        if isinstance(text := values.get(column), str):
            check_text(column, text, WIDTH)
    check_values(values, {})
