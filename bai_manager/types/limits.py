"""What a limit may be: whole numbers that fit their column, amounts of slots, storage hosts.

The special values (0, negative, null) of each limit are in ``reference/value-types.md`` §14.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidResourceSlot, InvalidValue
from bai_manager.types.patches import HostsPatch, SlotsPatch
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.vfolder import StorageHost

if TYPE_CHECKING:
    from collections.abc import Iterable

INT4: Final = 2**31 - 1
INT8: Final = 2**63 - 1
ANY_INT4: Final = (-INT4 - 1, INT4)
"""Negative numbers mean the same as 0, no limit."""
ANY_INT8: Final = (-INT8 - 1, INT8)


class InvalidLimitValue(InvalidValue):
    """A limit that its column does not take, or that would forbid everything."""

    noun = "limit"


def check_number(name: str, value: int, least: int, most: int) -> None:
    """Raise ``InvalidLimitValue`` for a number outside its range."""
    if not least <= value <= most:
        raise InvalidLimitValue(
            value,
            f"{name} lies between {least} and {most}",
            example=str(max(least, 10)),
            noun=name,
        )


def check_text(name: str, text: str | None, most: int) -> None:
    """Raise ``InvalidLimitValue`` for a text that its column cannot hold."""
    if text is not None and len(text) > most:
        raise InvalidLimitValue(
            text,
            f"it has {len(text)} characters, more than {most}",
            example="a shorter one",
            noun=name,
        )


def check_amounts(slots: ResourceSlot) -> None:
    """Raise ``InvalidResourceSlot`` for an amount below zero or one that is no number."""
    for name, amount in slots.items():
        if amount.is_nan() or amount < 0:
            raise InvalidResourceSlot(
                f"{name}={amount}", "it must be 0 or more", example="cpu=8 mem=64g"
            )


def check_hosts(hosts: Iterable[str]) -> None:
    """Raise ``InvalidStorageHost`` for what is not PROXY:VOLUME."""
    for host in hosts:
        StorageHost.parse(host)


def check_values(values: Mapping[str, object], ranges: Mapping[str, tuple[int, int]]) -> None:
    """Hold fields of a spec, or of changes to one, against what they may be.

    Raises ``InvalidLimitValue``, ``InvalidResourceSlot`` and ``InvalidStorageHost``.
    """
    for name, value in values.items():
        match value:
            case int() if name in ranges:
                check_number(name, value, *ranges[name])
            case SlotsPatch():
                check_amounts(value.put)
            case HostsPatch():
                check_hosts(value.put)
            case ResourceSlot():
                check_amounts(value)
            case Mapping() if name == "allowed_vfolder_hosts":
                check_hosts(value)
