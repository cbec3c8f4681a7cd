"""What a project policy is, and what a person sets in it (``reference/value-types.md`` §14)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from bai_manager.types.limits import ANY_INT4, ANY_INT8, INT4, check_values
from bai_manager.types.tristate import UNSET, Maybe, set_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "max_vfolder_count": ANY_INT4,
    "max_quota_scope_size": ANY_INT8,
    "max_network_count": (-1, INT4),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectResourcePolicySpec:
    """What a person sets.

    ``max_vfolder_count`` and ``max_quota_scope_size`` (bytes) of 0 or less are unlimited, and a
    ``max_network_count`` of -1 is.
    """

    name: str
    max_vfolder_count: int = 0
    max_quota_scope_size: int = -1
    max_network_count: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectResourcePolicyData:
    """One policy; ``project_count`` counts the projects it binds, as far as one may see."""

    name: str
    max_vfolder_count: int
    max_quota_scope_size: int
    max_network_count: int
    project_count: int
    created_at: datetime | None
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectResourcePolicyChanges:
    """What an update sets."""

    max_vfolder_count: Maybe[int] = UNSET
    max_quota_scope_size: Maybe[int] = UNSET
    max_network_count: Maybe[int] = UNSET


def spec_of(policy: ProjectResourcePolicyData) -> ProjectResourcePolicySpec:
    """The fields of a policy that a person sets."""
    return ProjectResourcePolicySpec(
        **{name: getattr(policy, name) for name in ProjectResourcePolicySpec.__dataclass_fields__}
    )


def changed_spec(
    spec: ProjectResourcePolicySpec, changes: ProjectResourcePolicyChanges
) -> ProjectResourcePolicySpec:
    """Apply an update; what it does not set stays."""
    return replace(spec, **set_fields(changes))  # type: ignore[arg-type]


def check_spec(spec: ProjectResourcePolicySpec) -> None:
    """Raise ``InvalidLimitValue`` for a limit that cannot be."""
    check_values({field.name: getattr(spec, field.name) for field in fields(spec)}, RANGES)


def check_changes(changes: ProjectResourcePolicyChanges) -> None:
    """Raise as ``check_spec``; what is not changed may be whatever the row holds."""
    check_values(set_fields(changes), RANGES)
