from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - one annotation that is there at run time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types.binary_size import BinarySize
from bai_manager.types.credentials import AccessKey, Secret
from bai_manager.types.jsonable import jsonschema_of, rfc3339, to_jsonable
from bai_manager.types.resource_slot import ResourceSlot, Shortage
from bai_manager.types.status import SessionStatus
from bai_manager.types.tristate import UNSET, Maybe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address as Address

    from bai_manager.types.json import JsonObject, JsonValue

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ID = UUID("f38dea23-50fa-42a0-b5ae-338f5f4693f4")
OWNER = AccessKey("AKIA")
KIB = BinarySize(1024)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Level(IntEnum):
    LOW = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    id: UUID
    exit_code: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    noun: ClassVar[str] = "session"

    id: UUID = ID
    name: str = "s1"
    owner: AccessKey = OWNER
    status: SessionStatus = SessionStatus.RUNNING
    before: SessionStatus | None = None
    slots: ResourceSlot = field(default_factory=lambda: ResourceSlot({"cpu": 1}))
    limit: ResourceSlot | None = None
    shmem: BinarySize = KIB
    created_at: datetime = NOON
    ended_at: datetime | None = None
    timeout: timedelta | None = timedelta(seconds=90)
    cost: Decimal = Decimal("1E+2")
    ratio: float = 0.5
    queued: bool = False
    tags: frozenset[str] = frozenset({"b", "a"})
    kernels: Sequence[Kernel] = (Kernel(id=ID),)
    environ: Mapping[str, str] = field(default_factory=dict)
    data: JsonObject | None = None
    extra: JsonValue = None
    raw: bytes = b"\x00\xff"
    mode: Literal["single-node", "multi-node"] = "single-node"
    either: int | str | None = 5
    pair: tuple[str, int] = ("a", 1)
    short: Shortage | None = None
    password: Secret | None = None
    level: Level = Level.LOW
    note: Maybe[str | None] = UNSET


@dataclass(frozen=True)
class Child(Session):
    added: int = 0


class Point(NamedTuple):
    x: int
    y: int


class Opaque:
    pass


# Values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (5, 5),
        ("text", "text"),
        (1.5, 1.5),
        (float("nan"), None),
        (float("-inf"), None),
        (NOON, "2026-01-31T12:00:00.000000Z"),
        (
            datetime(2026, 1, 31, 12, 0, 0, 5, timezone(timedelta(hours=9))),
            "2026-01-31T03:00:00.000005Z",
        ),
        (date(2026, 1, 31), "2026-01-31"),
        (timedelta(hours=1), 3600),
        (timedelta(milliseconds=1500), 1.5),
        (ID, "f38dea23-50fa-42a0-b5ae-338f5f4693f4"),
        (PurePosixPath("/a/b"), "/a/b"),
        (Decimal("1E+3"), "1000"),
        (Decimal("Infinity"), "Infinity"),
        (ResourceSlot({"cpu": "0.5"}), {"cpu": "0.5"}),
        (BinarySize(2048), 2048),
        (SessionStatus.RUNNING, "RUNNING"),
        (Level.LOW, 1),
        (Secret("x"), "***"),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({10, 9}), [9, 10]),
        ({1, "a"}, ["a", 1]),
        (b"\x00\xff", "AP8="),
        ((1, "a"), [1, "a"]),
        ([NOON.date()], ["2026-01-31"]),
        ({ID: {SessionStatus.ERROR: 1}}, {str(ID): {"ERROR": 1}}),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Kernel(id=ID), {"id": str(ID), "exit_code": None}),
    ],
)
def test_every_value_has_one_json_form(value: object, expected: JsonValue) -> None:
    converted = to_jsonable(value)
    assert converted == expected
    assert type(converted) is type(expected)
    assert json.loads(json.dumps(converted)) == expected


def test_a_time_without_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="time zone"):
        rfc3339(NOON.replace(tzinfo=None))


@pytest.mark.parametrize("value", [Opaque(), UNSET, [Opaque()], iter([])])
def test_what_has_no_json_form_is_an_error(value: object) -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        to_jsonable(value)


def test_fields_that_were_not_given_are_left_out() -> None:
    converted = to_jsonable(Session())
    assert isinstance(converted, dict)
    assert "note" not in converted
    cleared = to_jsonable(Session(note=None))
    assert isinstance(cleared, dict)
    assert cleared["note"] is None


def test_secrets_inside_results_stay_hidden() -> None:
    assert "hunter2" not in json.dumps(to_jsonable(Session(password=Secret("hunter2"))))


@given(st.datetimes(timezones=st.timezones()))
@quick
def test_times_are_read_back_exactly_and_sort_as_text(moment: datetime) -> None:
    text = rfc3339(moment)
    assert datetime.fromisoformat(text) == moment.astimezone(UTC)
    later = moment.astimezone(UTC)
    assert (text < rfc3339(NOON)) == (later < NOON)


# Schemas


def test_the_schema_of_a_dataclass_lists_its_fields() -> None:
    assert jsonschema_of(Kernel) == {
        "title": "Kernel",
        "type": "object",
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "exit_code": {"type": ["integer", "null"]},
        },
        "required": ["id", "exit_code"],
    }


def properties(kind: type) -> JsonObject:
    found = jsonschema_of(kind)["properties"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("owner", {"type": "string"}),
        ("slots", {"type": "object", "additionalProperties": {"type": "string"}}),
        ("limit", {"type": ["object", "null"], "additionalProperties": {"type": "string"}}),
        ("shmem", {"type": "integer"}),
        ("ended_at", {"type": ["string", "null"], "format": "date-time"}),
        ("timeout", {"type": ["number", "null"]}),
        ("queued", {"type": "boolean"}),
        ("tags", {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        ("environ", {"type": "object", "additionalProperties": {"type": "string"}}),
        ("data", {"type": ["object", "null"], "additionalProperties": {}}),
        ("extra", {}),
        ("mode", {"type": "string", "enum": ["single-node", "multi-node"]}),
        ("either", {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}),
        (
            "pair",
            {
                "type": "array",
                "prefixItems": [{"type": "string"}, {"type": "integer"}],
                "minItems": 2,
            },
        ),
        ("level", {"enum": [1]}),
        ("password", {"type": ["string", "null"]}),
        ("note", {"type": ["string", "null"]}),
    ],
)
def test_the_schema_of_a_field_follows_its_type(name: str, schema: JsonObject) -> None:
    assert properties(Session)[name] == schema


def test_an_optional_choice_may_be_null() -> None:
    before = properties(Session)["before"]
    assert isinstance(before, dict)
    assert before["type"] == ["string", "null"]
    assert isinstance(before["enum"], list)
    assert None in before["enum"]


def test_only_fields_that_may_be_unset_are_not_required() -> None:
    required = jsonschema_of(Session)["required"]
    assert isinstance(required, list)
    assert set(properties(Session)) - {str(name) for name in required} == {"note"}


def test_inherited_fields_are_described() -> None:
    assert list(properties(Child)) == [*properties(Session), "added"]


@pytest.mark.parametrize("kind", [Opaque, list[Opaque], "text"])
def test_a_type_without_json_form_has_no_schema(kind: object) -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        jsonschema_of(kind)


def test_a_type_that_cannot_be_printed_is_found_by_its_schema() -> None:
    with pytest.raises(TypeError, match="IPv4Address has no JSON form"):
        jsonschema_of(Unprintable)


@dataclass(frozen=True)
class Unprintable:
    address: Address


def conforms(value: JsonValue, schema: JsonObject) -> bool:
    """Check the parts of JSON Schema that are used here."""
    if isinstance(choices := schema.get("anyOf"), list):
        return any(conforms(value, choice) for choice in choices if isinstance(choice, dict))
    if isinstance(members := schema.get("enum"), list) and value not in members:
        return False
    kinds = schema.get("type", [])
    names = [kinds] if isinstance(kinds, str) else kinds
    assert isinstance(names, list)
    if names and not any(isinstance(value, JSON_TYPES[str(name)]) for name in names):
        return False
    if isinstance(value, dict):
        members_of = schema.get("properties", {})
        assert isinstance(members_of, dict)
        required = schema.get("required", [])
        assert isinstance(required, list)
        return set(required) <= set(value) and all(
            conforms(value[name], member)
            for name, member in members_of.items()
            if name in value and isinstance(member, dict)
        )
    items = schema.get("items", {})
    assert isinstance(items, dict)
    return not isinstance(value, list) or all(conforms(member, items) for member in value)


JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "object": dict,
    "array": list,
}


@given(st.builds(Session, level=st.sampled_from(Level), extra=st.none(), data=st.none()))
@quick
def test_what_is_printed_conforms_to_its_schema(session: Session) -> None:
    assert conforms(to_jsonable(session), jsonschema_of(Session))


def test_the_check_of_conformance_can_fail() -> None:
    assert not conforms({"id": 5, "exit_code": 1}, jsonschema_of(Kernel))
    assert not conforms({"id": "x"}, jsonschema_of(Kernel))


def test_enums_of_other_values_are_converted() -> None:
    class Kind(Enum):
        ONE = NOON

    assert to_jsonable(Kind.ONE) == "2026-01-31T12:00:00.000000Z"
