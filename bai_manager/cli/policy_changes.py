"""``--set FIELD=VALUE`` of a policy: the fields are those that ``show`` prints.

A map takes ``FIELD.KEY=VALUE`` for each of its entries, and ``FIELD.KEY=`` to name one no longer.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bai_manager.cli.limits import read_hosts, read_number, read_seconds, read_size, read_slots
from bai_manager.services.keypair_resource_policy.types import KeypairResourcePolicyChanges
from bai_manager.services.policy.types import PolicyKind
from bai_manager.services.project_resource_policy.types import ProjectResourcePolicyChanges
from bai_manager.services.user_resource_policy.types import UserResourcePolicyChanges
from bai_manager.types.errors import InvalidValue, UnknownField
from bai_manager.types.resource_slot import DefaultForUnspecified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    PolicyChanges: TypeAlias = (
        KeypairResourcePolicyChanges | UserResourcePolicyChanges | ProjectResourcePolicyChanges
    )

EXAMPLE: Final = "--set max_concurrent_sessions=5 --set total_resource_slots.cpu=8"
_NEVER: Final = {"unlimited": 0, "never": 0}
_CHANGES: Final[Mapping[PolicyKind, type[PolicyChanges]]] = {
    PolicyKind.KEYPAIR: KeypairResourcePolicyChanges,
    PolicyKind.USER: UserResourcePolicyChanges,
    PolicyKind.PROJECT: ProjectResourcePolicyChanges,
}


class InvalidPolicyChange(InvalidValue):
    """What was written after ``--set`` is no change to a policy."""

    noun = "change"


def _count(text: str) -> object:
    return read_number(text, unlimited=0)


def _count_or_none(text: str) -> object:
    return read_number(text, unlimited=None)


def _count_or_minus_one(text: str) -> object:
    return read_number(text, unlimited=-1)


def _seconds(text: str) -> object:
    return read_seconds(text, _NEVER)


def _idle(text: str) -> object:
    return read_seconds(text, {**_NEVER, "default": -1})


def _size(text: str) -> object:
    return read_size(text, unlimited=-1)


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "default_for_unspecified": DefaultForUnspecified.parse,
    "max_session_lifetime": _seconds,
    "max_concurrent_sessions": _count,
    "max_concurrent_sftp_sessions": _count,
    "max_containers_per_session": _count,
    "max_pending_session_count": _count_or_none,
    "idle_timeout": _idle,
    "max_vfolder_count": _count,
    "max_quota_scope_size": _size,
    "max_session_count_per_model_session": _count,
    "max_customized_image_count": _count,
    "max_network_count": _count_or_minus_one,
}
_MAPS: Final[Mapping[str, Callable[[list[str], list[str]], object]]] = {
    "total_resource_slots": read_slots,
    "max_pending_session_resource_slots": read_slots,
    "allowed_vfolder_hosts": read_hosts,
}


def read_changes(kind: PolicyKind, texts: Iterable[str]) -> PolicyChanges:
    """Changes to a policy of a kind.

    Raises ``InvalidPolicyChange``, ``UnknownField``, and what the reader of a value raises.
    """
    changes = _CHANGES[kind]
    known = [field.name for field in fields(changes)]
    values: dict[str, Any] = {}
    entries: dict[str, tuple[list[str], list[str]]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        field, dot, key = name.strip().partition(".")
        if not equals:
            raise InvalidPolicyChange(text, "it is not FIELD=VALUE", example=EXAMPLE)
        if field not in known:
            raise UnknownField(field, f"field of a {kind.value} policy", known)
        if (field in _MAPS) is not bool(dot and key):
            raise InvalidPolicyChange(text, _map_rule(field), example=EXAMPLE)
        if field in _MAPS:
            put, drop = entries.setdefault(field, ([], []))
            (put if value else drop).append(f"{key}={value}" if value else key)
        else:
            values[field] = _READERS[field](value.strip())
    for field, (put, drop) in entries.items():
        values[field] = _MAPS[field](put, drop)
    return changes(**values)


def _map_rule(field: str) -> str:
    if field in _MAPS:
        return f"{field} is a map, of which one entry is set: {field}.KEY=VALUE"
    return f"{field} is no map"
