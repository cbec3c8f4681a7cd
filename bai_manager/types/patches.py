"""Changes to single entries of a map or list, so that two people changing two entries lose none.

A patch is applied to what the row holds under its lock: first everything is emptied where
``replace`` says so, then entries are dropped, then others are put.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bai_manager.types.json import JsonObject, JsonValue
    from bai_manager.types.vfolder import HostPermissions, VFolderHostPermission

V = TypeVar("V")


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotsPatch:
    """What becomes of some slots of a map of slots."""

    put: ResourceSlot = field(default_factory=ResourceSlot)
    drop: tuple[str, ...] = ()
    replace: bool = False

    def applied_to(self, slots: ResourceSlot) -> ResourceSlot:
        return ResourceSlot(_patched(slots, self.put, self.drop, replace=self.replace))


@dataclass(frozen=True, kw_only=True, slots=True)
class HostsPatch:
    """What becomes of the permissions on some storage hosts; each host's are put as a whole."""

    put: HostPermissions = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    replace: bool = False

    def applied_to(self, hosts: HostPermissions) -> dict[str, frozenset[VFolderHostPermission]]:
        return _patched(hosts, self.put, self.drop, replace=self.replace)


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonPatch:
    """What becomes of some members of a JSON object; each is put as a whole."""

    put: JsonObject = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    replace: bool = False

    def applied_to(self, value: Mapping[str, JsonValue]) -> JsonObject:
        return _patched(value, self.put, self.drop, replace=self.replace)


@dataclass(frozen=True, kw_only=True, slots=True)
class NamesPatch:
    """What becomes of some names of a list; those that stay keep their order."""

    put: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    replace: bool = False

    def applied_to(self, names: Collection[str]) -> tuple[str, ...]:
        patched = _patched(
            dict.fromkeys(names), dict.fromkeys(self.put), self.drop, replace=self.replace
        )
        return tuple(patched)


def _patched(
    current: Mapping[str, V], put: Mapping[str, V], drop: Collection[str], *, replace: bool
) -> dict[str, V]:
    kept = {} if replace else {key: value for key, value in current.items() if key not in drop}
    return {**kept, **put}
