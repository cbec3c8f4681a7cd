"""Values as JSON, and the JSON Schema of the dataclasses that are printed.

One table for both directions of the question "what does this look like in JSON":

=====================  ==========================================================
datetime               RFC 3339, UTC, microseconds, ``Z`` (sorts as text)
date                   ``2026-01-31``
timedelta              seconds
UUID, path             text
Decimal                decimal text without exponent
float                  number; NaN and the infinities, which JSON lacks, are null
bytes                  base64
Enum                   its value
set                    sorted array
dataclass, NamedTuple  object; fields that are ``UNSET`` are left out
Mapping                object
``to_json()``          what that returns; ``json_schema()`` beside it says what that is
=====================  ==========================================================
"""

from __future__ import annotations

import ast
import math
import sys
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from importlib import import_module
from inspect import getsource
from os import PathLike, fspath
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    NewType,
    Protocol,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)
from uuid import UUID

from bai_manager.types.tristate import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from bai_manager.types.json import JsonObject, JsonValue

    Converter: TypeAlias = Callable[[Any], JsonValue]


@runtime_checkable
class Jsonable(Protocol):
    """A value type with a JSON form of its own."""

    def to_json(self) -> JsonValue: ...

    @classmethod
    def json_schema(cls) -> JsonObject: ...


def to_jsonable(value: object) -> JsonValue:
    """Convert by the table above. Raises ``TypeError`` for any other type."""
    kind: type = type(value)
    return _converter(kind)(value)


def rfc3339(moment: datetime) -> str:
    """``2026-01-31T08:00:00.000000Z``. Raises ``ValueError`` for a time without zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


@lru_cache(maxsize=1024)
def _converter(kind: type) -> Converter:
    if is_dataclass(kind) and not hasattr(kind, "to_json"):
        return _object_converter([field.name for field in fields(kind)])
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _object_converter(kind._fields)
    for base, convert in _CONVERTERS:
        if issubclass(kind, base) and kind is not Unset:
            return convert
    raise TypeError(f"{kind.__name__} has no JSON form")


def _object_converter(names: Sequence[str]) -> Converter:
    def convert(value: object) -> JsonValue:
        members = ((name, getattr(value, name)) for name in names)
        return {name: to_jsonable(member) for name, member in members if member is not UNSET}

    return convert


def _mapping(value: Mapping[object, object]) -> JsonValue:
    return {str(to_jsonable(key)): to_jsonable(member) for key, member in value.items()}


def _sorted(value: AbstractSet[object]) -> JsonValue:
    members: list[Any] = [to_jsonable(member) for member in value]
    try:
        return sorted(members)
    except TypeError:
        return sorted(members, key=repr)


def _seconds(value: timedelta) -> JsonValue:
    seconds = value.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _base64(value: bytes) -> str:
    return b64encode(value).decode("ascii")


# The first base that fits decides: bool before int, datetime before date.
_CONVERTERS: Final[Sequence[tuple[type, Converter]]] = (
    (NoneType, lambda _: None),
    (Jsonable, lambda value: value.to_json()),
    (Enum, lambda value: to_jsonable(value.value)),
    (bool, bool),
    (str, str),
    (int, int),
    (float, lambda value: float(value) if math.isfinite(value) else None),
    (Decimal, lambda value: format(value, "f")),
    (datetime, rfc3339),
    (date, lambda value: value.isoformat()),
    (timedelta, _seconds),
    (UUID, str),
    (PathLike, fspath),
    (bytes, _base64),
    (Mapping, _mapping),
    (AbstractSet, _sorted),
    (list, lambda value: [to_jsonable(member) for member in value]),
    (tuple, lambda value: [to_jsonable(member) for member in value]),
)


class _AnyJson:
    """Stands for ``JsonValue``, which is recursive, where annotations are evaluated."""


_PLAIN: Final[Mapping[object, JsonObject]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": ["number", "null"]},
    NoneType: {"type": "null"},
    Decimal: {"type": "string", "format": "decimal"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    timedelta: {"type": "number"},
    UUID: {"type": "string", "format": "uuid"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    object: {},
    Any: {},
    _AnyJson: {},
}


def jsonschema_of(kind: object) -> JsonObject:
    """Describe what ``to_jsonable`` makes of a type: a dataclass, or anything in the table.

    All fields are required but those that may be ``UNSET``; more may be added later, so other
    properties are allowed. Raises ``TypeError`` for a type without a JSON form.
    """
    while isinstance(kind, NewType):
        kind = kind.__supertype__
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _union_schema(arguments)
    if origin is Literal:
        return _enum_schema(arguments)
    if isinstance(origin, type):
        return _container_schema(origin, arguments)
    if isinstance(kind, type):
        return _class_schema(kind)
    raise TypeError(f"{kind!r} has no JSON form")


def _class_schema(kind: type) -> JsonObject:
    if issubclass(kind, Jsonable):
        return kind.json_schema()
    if is_dataclass(kind):
        return _object_schema(kind, [field.name for field in fields(kind)])
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _object_schema(kind, kind._fields)
    if issubclass(kind, Enum):
        return _enum_schema([member.value for member in kind])
    if issubclass(kind, PathLike):
        return {"type": "string"}
    if issubclass(kind, Mapping | Iterable):
        return _container_schema(kind, ())
    raise TypeError(f"{kind.__name__} has no JSON form")


def _object_schema(kind: type, names: Iterable[str]) -> JsonObject:
    hints = _hints(kind)
    properties: JsonObject = {name: jsonschema_of(hints[name]) for name in names}
    required: list[JsonValue] = [name for name in properties if Unset not in get_args(hints[name])]
    return {
        "title": kind.__name__,
        "type": "object",
        "properties": properties,
        "required": required,
    }


def _enum_schema(values: Iterable[object]) -> JsonObject:
    members = [to_jsonable(value) for value in values]
    schema: JsonObject = {"enum": members}
    if all(isinstance(member, str) for member in members):
        schema["type"] = "string"
    return schema


def _container_schema(origin: type, arguments: tuple[object, ...]) -> JsonObject:
    if issubclass(origin, Mapping):
        value = arguments[1] if arguments else object
        return {"type": "object", "additionalProperties": jsonschema_of(value)}
    if issubclass(origin, AbstractSet):
        return {"type": "array", "items": _item_schema(arguments), "uniqueItems": True}
    if issubclass(origin, tuple) and arguments and Ellipsis not in arguments:
        members: list[JsonValue] = [jsonschema_of(argument) for argument in arguments]
        return {"type": "array", "prefixItems": members, "minItems": len(members)}
    if issubclass(origin, Iterable):
        return {"type": "array", "items": _item_schema(arguments)}
    raise TypeError(f"{origin.__name__} has no JSON form")


def _item_schema(arguments: tuple[object, ...]) -> JsonObject:
    return jsonschema_of(arguments[0]) if arguments else {}


def _union_schema(members: Iterable[object]) -> JsonObject:
    schemas = [jsonschema_of(member) for member in members if member not in (Unset, NoneType)]
    nullable = NoneType in members
    if {} in schemas:
        return {}
    if len(schemas) == 1:
        return _nullable(schemas[0]) if nullable else schemas[0]
    choices: list[JsonValue] = [*schemas]
    return {"anyOf": [*choices, {"type": "null"}] if nullable else choices}


def _nullable(schema: JsonObject) -> JsonObject:
    kind, members = schema.get("type"), schema.get("enum")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]}
    if isinstance(members, list):
        schema = {**schema, "enum": [*members, None]}
    return {**schema, "type": [kind, "null"]}


def _hints(kind: type) -> dict[str, object]:
    """Evaluate annotations, whose names may be imported for type checkers only."""
    names: dict[str, object] = {}
    for base in kind.__mro__:
        names |= _typing_imports(sys.modules[base.__module__])
    names |= {"JsonValue": _AnyJson, "JsonObject": dict[str, _AnyJson]}
    return get_type_hints(kind, localns=names)


@lru_cache(maxsize=256)
def _typing_imports(module: ModuleType) -> Mapping[str, object]:
    """Import for real what a module imports under ``if TYPE_CHECKING:``."""
    source = getattr(module, "__file__", None)
    if source is None or not source.endswith(".py"):
        return {}
    return dict(_guarded_imports(getsource(module)))


def _guarded_imports(source: str) -> Iterator[tuple[str, object]]:
    for block in ast.parse(source).body:
        if not isinstance(block, ast.If) or ast.unparse(block.test) != "TYPE_CHECKING":
            continue
        for statement in block.body:
            if isinstance(statement, ast.ImportFrom) and statement.module != "_typeshed":
                imported = import_module(statement.module or "")
                for alias in statement.names:
                    yield alias.asname or alias.name, getattr(imported, alias.name, object)
