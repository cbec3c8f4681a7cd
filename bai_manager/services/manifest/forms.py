"""What may be written in each section: the fields that the commands of a noun set as well."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from bai_manager.services.domain import types as domain_types
from bai_manager.services.group import types as group_types
from bai_manager.services.keypair_resource_policy import types as keypair_policy_types
from bai_manager.services.manifest.types import Section
from bai_manager.services.project_resource_policy import types as project_policy_types
from bai_manager.services.resource_preset import types as preset_types
from bai_manager.services.scaling_group import types as scaling_group_types
from bai_manager.services.user import types as user_types
from bai_manager.services.user_resource_policy import types as user_policy_types
from bai_manager.types import written as v
from bai_manager.types.names import check_name
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bai_manager.services.manifest.types import Entry
    from bai_manager.types.json import JsonObject

VALID: Final = "valid"
"""A name for what is not looked at while another field is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """One section.

    ``keys`` are the fields that name an entry, ``values`` all of them; ``needed`` must be given
    for what is new, ``fixed`` cannot be changed. ``base`` is a specification in which every
    field is good, and ``check`` raises ``InvalidInput`` for one in which one is not.
    ``refers`` says in which sections the names in a field are to be found.
    """

    noun: str
    keys: tuple[str, ...]
    values: Mapping[str, v.Value]
    spec: type
    check: Callable[[Any], None]
    base: Mapping[str, object] = field(default_factory=lambda: {"name": VALID})
    needed: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    refers: Mapping[str, Section] = field(default_factory=dict)

    def name_of(self, found: JsonObject) -> str:
        """``domain/project``, ``small``, ``small@gpus``: what an entry is called in messages."""
        first, *rest = (found.get(key) for key in self.keys)
        match rest:
            case [second] if "domain_name" in self.keys:
                return f"{second}/{first}"
            case [None]:
                return _quoted(str(first))
            case [second]:
                return f"{_quoted(str(first))}@{second}"
        return str(first)

    def written(self, specification: object, **others: object) -> JsonObject:
        """The fields of a specification, and what it does not have, as a document has them."""
        return {
            name: value.write(others[name] if name in others else getattr(specification, name))
            for name, value in self.values.items()
        }

    def meant(self, entry: Entry, names: frozenset[str] | None = None) -> dict[str, Any]:
        """What the fields of an entry that a specification has stand for; only ``names``."""
        own = {one.name for one in fields(self.spec)}
        return {
            name: self.values[name].read(written)
            for name, written in entry.fields.items()
            if name in own and (names is None or name in names)
        }


def _quoted(name: str) -> str:
    """Presets are called anything; what looks like ``small@gpus`` is not taken for that."""
    return json.dumps(name, ensure_ascii=False) if "@" in name or name[:1] == '"' else name


def named(check: Callable[[Any], None], noun: str, *, limit: int = 64) -> Callable[[Any], None]:
    """``check``, and that of the name, which is not part of it."""

    def both(specification: Any) -> None:
        check_name(specification.name, noun, limit=limit)
        check(specification)

    return both


def _registry(written: object) -> group_types.ProjectRegistry:
    found = v.OBJECT.read(written)
    v.check_keys(found, ("registry", "project"))
    return group_types.ProjectRegistry(
        registry=v.TEXT.read(found.get("registry")), project=v.TEXT.read(found.get("project"))
    )


_REGISTRY: Final = v.Value(
    read=_registry, write=lambda found: {"registry": found.registry, "project": found.project}
)
_DESCRIPTION: Final = v.or_null(v.TEXT)

FORMS: Final[Mapping[Section, Form]] = {
    Section.KEYPAIR_POLICIES: Form(
        noun="key pair policy",
        keys=("name",),
        values={
            "name": v.TEXT,
            "default_for_unspecified": v.DEFAULT_FOR_UNSPECIFIED,
            "total_resource_slots": v.SLOTS,
            "max_session_lifetime": v.INTEGER,
            "max_concurrent_sessions": v.INTEGER,
            "max_concurrent_sftp_sessions": v.INTEGER,
            "max_containers_per_session": v.INTEGER,
            "max_pending_session_count": v.or_null(v.INTEGER),
            "max_pending_session_resource_slots": v.or_null(v.SLOTS),
            "idle_timeout": v.INTEGER,
            "allowed_vfolder_hosts": v.HOSTS,
        },
        spec=keypair_policy_types.KeypairResourcePolicySpec,
        check=named(keypair_policy_types.check_spec, "policy name", limit=256),
    ),
    Section.USER_POLICIES: Form(
        noun="user policy",
        keys=("name",),
        values={
            "name": v.TEXT,
            "max_vfolder_count": v.INTEGER,
            "max_quota_scope_size": v.SIZE,
            "max_session_count_per_model_session": v.INTEGER,
            "max_customized_image_count": v.INTEGER,
        },
        spec=user_policy_types.UserResourcePolicySpec,
        check=named(user_policy_types.check_spec, "policy name", limit=256),
    ),
    Section.PROJECT_POLICIES: Form(
        noun="project policy",
        keys=("name",),
        values={
            "name": v.TEXT,
            "max_vfolder_count": v.INTEGER,
            "max_quota_scope_size": v.SIZE,
            "max_network_count": v.INTEGER,
        },
        spec=project_policy_types.ProjectResourcePolicySpec,
        check=named(project_policy_types.check_spec, "policy name", limit=256),
    ),
    Section.DOMAINS: Form(
        noun="domain",
        keys=("name",),
        values={
            "name": v.TEXT,
            "description": _DESCRIPTION,
            "is_active": v.TRUTH,
            "total_resource_slots": v.SLOTS,
            "allowed_vfolder_hosts": v.HOSTS,
            "allowed_docker_registries": v.TEXTS,
            "integration_id": v.or_null(v.TEXT),
        },
        spec=domain_types.DomainSpec,
        check=domain_types.check_spec,
    ),
    Section.USERS: Form(
        noun="user",
        keys=("email",),
        values={
            "email": v.TEXT,
            "username": v.TEXT,
            "full_name": _DESCRIPTION,
            "description": _DESCRIPTION,
            "domain_name": v.TEXT,
            "role": v.USER_ROLE,
            "status": v.USER_STATUS,
            "resource_policy": v.TEXT,
            "keypair_resource_policy": v.TEXT,
            "rate_limit": v.INTEGER,
            "need_password_change": v.TRUTH,
            "allowed_client_ip": v.or_null(v.NETWORKS),
            "totp_activated": v.TRUTH,
            "sudo_session_enabled": v.TRUTH,
            "container_uid": v.or_null(v.INTEGER),
            "container_main_gid": v.or_null(v.INTEGER),
            "container_gids": v.or_null(v.INTEGERS),
        },
        spec=user_types.UserSpec,
        check=user_types.check_user_spec,
        base={"email": "valid@example.com", "username": VALID, "domain_name": VALID},
        needed=("domain_name",),
        refers={
            "domain_name": Section.DOMAINS,
            "resource_policy": Section.USER_POLICIES,
            "keypair_resource_policy": Section.KEYPAIR_POLICIES,
        },
    ),
    Section.GROUPS: Form(
        noun="project",
        keys=("name", "domain_name"),
        values={
            "name": v.TEXT,
            "domain_name": v.TEXT,
            "type": v.PROJECT_TYPE,
            "description": _DESCRIPTION,
            "is_active": v.TRUTH,
            "total_resource_slots": v.SLOTS,
            "allowed_vfolder_hosts": v.HOSTS,
            "integration_id": v.or_null(v.TEXT),
            "resource_policy": v.TEXT,
            "container_registry": v.or_null(_REGISTRY),
            "members": v.NAMES,
        },
        spec=group_types.GroupSpec,
        check=group_types.check_group_spec,
        base={"name": VALID, "domain_name": VALID},
        fixed=("type",),
        refers={
            "domain_name": Section.DOMAINS,
            "resource_policy": Section.PROJECT_POLICIES,
            "members": Section.USERS,
        },
    ),
    Section.SCALING_GROUPS: Form(
        noun="resource group",
        keys=("name",),
        values={
            "name": v.TEXT,
            "description": _DESCRIPTION,
            "is_active": v.TRUTH,
            "is_public": v.TRUTH,
            "wsproxy_addr": v.or_null(v.TEXT),
            "driver": v.TEXT,
            "driver_opts": v.OBJECT,
            "scheduler": v.SCHEDULER,
            "scheduler_opts": v.OPTIONS,
            "use_host_network": v.TRUTH,
            "domains": v.NAMES,
            "projects": v.NAMES,
            "keypairs": v.NAMES,
        },
        spec=scaling_group_types.ScalingGroupSpec,
        check=named(scaling_group_types.check_spec, "resource group name"),
        refers={
            "domains": Section.DOMAINS,
            "projects": Section.GROUPS,
            "keypairs": Section.USERS,
        },
    ),
    Section.PRESETS: Form(
        noun="preset",
        keys=("name", "scaling_group_name"),
        values={
            "name": v.TEXT,
            "scaling_group_name": v.or_null(v.TEXT),
            "resource_slots": v.SLOTS,
            "shared_memory": v.or_null(v.SIZE),
        },
        spec=preset_types.ResourcePresetSpec,
        check=preset_types.check_spec,
        base={"name": VALID, "resource_slots": ResourceSlot({"cpu": 1, "mem": 1 << 60})},
        needed=("resource_slots",),
        refers={"scaling_group_name": Section.SCALING_GROUPS},
    ),
}
