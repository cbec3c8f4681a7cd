"""The forms of fields in files that people write: what is written there, and what it means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_network
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from bai_manager.types.binary_size import BinarySize
from bai_manager.types.errors import InvalidChoice, InvalidValue, closest
from bai_manager.types.resource_slot import DefaultForUnspecified, ResourceSlot
from bai_manager.types.scaling_group_options import ScalingGroupOptions, SchedulerName
from bai_manager.types.status import ProjectType, UserRole, UserStatus
from bai_manager.types.vfolder import host_permissions_from_json, host_permissions_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bai_manager.types.choice import Choice
    from bai_manager.types.json import JsonObject, JsonValue

Written = object
"""What a YAML parser makes of a value; not all of it is JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """One form: ``read`` raises ``InvalidInput``; ``write`` of what was read is stable.

    ``each`` marks lists in which order means nothing, so that they differ member by member.
    """

    read: Callable[[Written], Any]
    write: Callable[[Any], JsonValue] = lambda value: value
    each: bool = False

    def canonical(self, written: Written) -> JsonValue:
        """The one way to write what was written."""
        return self.write(self.read(written))


def or_null(value: Value) -> Value:
    """The same form, or null."""
    return replace(
        value,
        read=lambda written: None if written is None else value.read(written),
        write=lambda found: None if found is None else value.write(found),
    )


def choice(kind: type[Choice]) -> Value:
    """A word of a closed list."""
    return Value(read=lambda written: kind.parse(_text(written)), write=str)


def _text(written: Written) -> str:
    if not isinstance(written, str):
        raise InvalidValue(written, "a text is needed", example='"quoted"')
    return written


def _integer(written: Written) -> int:
    if isinstance(written, bool) or not isinstance(written, int):
        raise InvalidValue(written, "a whole number is needed", example="30")
    return written


def _truth(written: Written) -> bool:
    if not isinstance(written, bool):
        raise InvalidValue(written, "true or false is needed", example="true")
    return written


def _size(written: Written) -> int:
    if isinstance(written, str):
        return int(BinarySize.parse(written))
    return _integer(written)


def _listed(written: Written) -> list[Written]:
    if not isinstance(written, list):
        raise InvalidValue(written, "a list is needed", example="[one, two]")
    return written


def _texts(written: Written) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_text(one) for one in _listed(written)))


def _networks(written: Written) -> tuple[str, ...]:
    """As the database writes them; what is no network is left to whoever checks it."""
    return tuple(_network(text) for text in _texts(written))


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        return text


def _integers(written: Written) -> tuple[int, ...]:
    return tuple(_integer(one) for one in _listed(written))


def _json(written: Written) -> JsonValue:
    match written:
        case dict():
            return {_text(key): _json(member) for key, member in written.items()}
        case list():
            return [_json(member) for member in written]
        case float() if not isfinite(written):
            raise InvalidValue(written, "it is no JSON number", example="0.5")
        case None | bool() | int() | float() | str():
            return written
    raise InvalidValue(written, "it is no JSON value", example='"quoted"')


def _object(written: Written) -> JsonObject:
    found = _json(written)
    if not isinstance(found, dict):
        raise InvalidValue(written, "a map is needed", example="{key: value}")
    return found


def _slots(written: Written) -> ResourceSlot:
    found = _object(written)
    for name, amount in found.items():
        if isinstance(amount, bool) or amount is None:
            raise InvalidValue(f"{name}: {amount}", "an amount is needed", example="cpu: 4")
    return ResourceSlot.from_json(found)


def _write_slots(slots: ResourceSlot) -> JsonValue:
    exact = slots.to_json()
    short = slots.humanized()
    return {name: _write_amount(name, short[name], str(exact[name])) for name in sorted(exact)}


def _write_amount(name: str, short: str, exact: str) -> JsonValue:
    """As people write it, unless that would not be the same amount."""
    if ResourceSlot({name: short}) != ResourceSlot({name: exact}):
        return exact
    return int(short) if short.isdecimal() else short


def _write_hosts(hosts: Any) -> JsonValue:
    return dict(sorted(host_permissions_to_json(hosts).items()))


def _options(written: Written) -> ScalingGroupOptions:
    """What is not written is as in a new group; keys of newer managers are kept."""
    new = ScalingGroupOptions().to_json()
    found = _object(written)
    check_keys(found, new, others=True)
    return ScalingGroupOptions.from_json({**new, **found})


def check_keys(
    found: JsonObject, known: Mapping[str, object] | tuple[str, ...], *, others: bool = False
) -> None:
    """Raise ``InvalidChoice`` for a key that is not known; with ``others``, for a misspelt one."""
    for key in found:
        if key not in known and (not others or closest(key, known)):
            raise InvalidChoice(key, "key", known)


TEXT: Final = Value(read=_text)
INTEGER: Final = Value(read=_integer)
TRUTH: Final = Value(read=_truth)
SIZE: Final = Value(read=_size)
"""Bytes: ``10g`` is read, and the number written."""
TEXTS: Final = Value(read=_texts, write=lambda found: [*found])
NAMES: Final = Value(read=_texts, write=lambda found: [*sorted(found)], each=True)
NETWORKS: Final = Value(read=_networks, write=lambda found: [str(network) for network in found])
INTEGERS: Final = Value(read=_integers, write=lambda found: [*found])
OBJECT: Final = Value(read=_object, write=lambda found: {**found})
SLOTS: Final = Value(read=_slots, write=_write_slots)
HOSTS: Final = Value(
    read=lambda written: host_permissions_from_json(_object(written)), write=_write_hosts
)
OPTIONS: Final = Value(read=_options, write=lambda found: found.to_json())
USER_ROLE: Final = choice(UserRole)
USER_STATUS: Final = choice(UserStatus)
PROJECT_TYPE: Final = choice(ProjectType)
SCHEDULER: Final = choice(SchedulerName)
DEFAULT_FOR_UNSPECIFIED: Final = choice(DefaultForUnspecified)
