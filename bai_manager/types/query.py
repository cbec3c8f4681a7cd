r"""What a list command asks for: filters, sort keys, a limit, columns.

::

    status=RUNNING,PENDING      one of several          status!=ERROR      none of them
    created_at>2d               newer than two days     size>=10GiB        at least
    name~train                  contains, in any case   name=a\,b           a comma in a value

Texts become ``Filter`` and ``SortKey`` as they are; ``check_query`` holds them against the
fields of a noun and turns values into what the column holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

from bai_manager.types.binary_size import BinarySize
from bai_manager.types.duration import parse_time
from bai_manager.types.errors import (
    InvalidFilter,
    InvalidLimit,
    InvalidSort,
    UnknownField,
)
from bai_manager.types.resource_slot import SlotUnit, guess_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from bai_manager.types.choice import Choice

_EXAMPLE: Final = "status=RUNNING,PENDING  created_at>2d  name~train"
_FILTER: Final = re.compile(
    r"\s*(?P<field>[a-z_][\w.]*)\s*(?P<op>!=|>=|<=|=|>|<|~)(?P<value>.*)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_SORT_KEY: Final = re.compile(r"(?P<sign>[+-]?)(?P<field>[a-z_][\w.]*)", re.ASCII | re.IGNORECASE)
_WORD: Final = re.compile(r"\\.|.", re.DOTALL)
_TO_ESCAPE: Final = re.compile(r"[\\,\s]")
_WHOLE: Final = re.compile(r"[+-]?\d[\d_]{0,30}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d[\d_]{0,30}(?:\.\d{1,30})?", re.ASCII)
_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

FilterValue: TypeAlias = str | int | bool | Decimal | datetime | UUID


class Op(Enum):
    EQ = "="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    CONTAINS = "~"


_EQUALITY: Final = frozenset({Op.EQ, Op.NE})
_ORDER: Final = frozenset({Op.GT, Op.GE, Op.LT, Op.LE})


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition as it was typed; ``=`` and ``!=`` may have several values."""

    field: str
    op: Op
    values: tuple[str, ...]

    def __str__(self) -> str:
        values = (_TO_ESCAPE.sub(lambda found: f"\\{found[0]}", value) for value in self.values)
        return f"{self.field}{self.op.value}{','.join(values)}"


@dataclass(frozen=True, slots=True)
class SortKey:
    field: str
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.field}" if self.descending else self.field


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A list request as it was typed. ``limit`` and ``columns`` are all where ``None``."""

    filters: tuple[Filter, ...] = ()
    sort: tuple[SortKey, ...] = ()
    limit: int | None = None
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class FieldKind:
    """What a field holds: how its filter values are read and which operators make sense."""

    noun: str
    read: Callable[[str, datetime], FilterValue]
    ops: frozenset[Op]

    @staticmethod
    def choice(choices: type[Choice]) -> FieldKind:
        """Build the kind of a closed vocabulary; values become its members."""
        return FieldKind(choices.noun(), lambda text, _: choices.parse(text), _EQUALITY)


@dataclass(frozen=True, slots=True)
class CheckedFilter:
    """A condition on an existing field with values of its type.

    Values of ``~`` are text; those of a ``FieldKind.choice`` are members of the enumeration.
    """

    field: str
    op: Op
    values: tuple[FilterValue, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedQuery:
    filters: tuple[CheckedFilter, ...] = ()
    sort: tuple[SortKey, ...] = ()
    limit: int | None = None
    columns: tuple[str, ...] | None = None


def parse_filter(text: str) -> Filter:
    r"""Split ``FIELD OP VALUE[,VALUE…]``; ``\`` takes the next character as it is.

    Raises ``InvalidFilter``.
    """
    matched = _FILTER.fullmatch(text)
    if matched is None:
        raise InvalidFilter(
            text, "it is not FIELD OP VALUE with OP out of = != > >= < <= ~", example=_EXAMPLE
        )
    op = Op(matched["op"])
    return Filter(matched["field"], op, _values(matched["value"], several=op in _EQUALITY))


def parse_sort(text: str) -> tuple[SortKey, ...]:
    """Read ``-created_at,name``: newest first, then by name. Raises ``InvalidSort``."""
    keys = []
    for part in text.split(","):
        matched = _SORT_KEY.fullmatch(part.strip())
        if matched is None:
            raise InvalidSort(text, f"{part.strip()!r} names no field", example="-created_at,name")
        keys.append(SortKey(matched["field"], matched["sign"] == "-"))
    return tuple(keys)


def check_query(
    query: Query,
    fields: Mapping[str, FieldKind],
    *,
    now: datetime,
    columns: Collection[str] | None = None,
) -> CheckedQuery:
    """Hold a query against the fields of a noun.

    ``columns`` are what ``query.columns`` may name, where that is not the same as ``fields``.
    Raises ``UnknownField`` with the closest names, ``InvalidFilter`` for an operator or value
    the field does not take, ``InvalidLimit``.
    """
    if query.limit is not None and query.limit < 1:
        raise InvalidLimit(query.limit, "it is less than 1", example="100")
    for key in query.sort:
        _known(key.field, "sort key", fields)
    for column in query.columns or ():
        _known(column, "column", fields if columns is None else columns)
    return CheckedQuery(
        filters=tuple(_checked(condition, fields, now) for condition in query.filters),
        sort=query.sort,
        limit=query.limit,
        columns=query.columns,
    )


def _checked(condition: Filter, fields: Mapping[str, FieldKind], now: datetime) -> CheckedFilter:
    _known(condition.field, "filter field", fields)
    kind = fields[condition.field]
    if condition.op not in kind.ops:
        allowed = " ".join(op.value for op in Op if op in kind.ops)
        raise InvalidFilter(
            str(condition),
            f"{condition.field} is a {kind.noun}, which takes {allowed}",
            example=_EXAMPLE,
        )
    if condition.op is Op.CONTAINS:
        return CheckedFilter(condition.field, condition.op, condition.values)
    values = tuple(_read(condition, kind, value, now) for value in condition.values)
    return CheckedFilter(condition.field, condition.op, values)


def _read(condition: Filter, kind: FieldKind, value: str, now: datetime) -> FilterValue:
    try:
        return kind.read(value, now)
    except ValueError:
        raise InvalidFilter(
            str(condition), f"{value!r} is not a {kind.noun}", example=_EXAMPLE
        ) from None


def _known(name: str, noun: str, known: Iterable[str]) -> None:
    if name not in known:
        raise UnknownField(name, noun, known)


def _values(text: str, *, several: bool) -> tuple[str, ...]:
    """Cut at commas that are not escaped, drop white space around each value, then escapes."""
    pieces: list[list[str]] = [[]]
    for word in _WORD.findall(text):
        if several and word == ",":
            pieces.append([])
        else:
            pieces[-1].append(word)
    return tuple(_joined(piece) for piece in pieces)


def _joined(words: list[str]) -> str:
    while words and words[0].isspace():
        words.pop(0)
    while words and words[-1].isspace():
        words.pop()
    return "".join(word[-1] for word in words)


def _whole(text: str, _: datetime) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _number(text: str, _: datetime) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _size_limit(text: str, _: datetime) -> int:
    return int(text) if _WHOLE.fullmatch(text) else BinarySize.parse(text)


def _truth(text: str, _: datetime) -> bool:
    try:
        return _TRUTH[text.casefold()]
    except KeyError:
        raise ValueError(text) from None


TEXT: Final = FieldKind("text", lambda text, _: text, frozenset(Op))
INTEGER: Final = FieldKind("whole number", _whole, _EQUALITY | _ORDER)
NUMBER: Final = FieldKind("number", _number, _EQUALITY | _ORDER)
SIZE: Final = FieldKind("size", lambda text, _: BinarySize.parse(text), _EQUALITY | _ORDER)
SIZE_LIMIT: Final = FieldKind("size, or -1 for none", _size_limit, _EQUALITY | _ORDER)
"""A column of which a negative number is no limit."""
TIME: Final = FieldKind("time", parse_time, _EQUALITY | _ORDER)
TRUTH: Final = FieldKind("truth value (true or false)", _truth, _EQUALITY)
NAMES: Final = FieldKind("list of names", lambda text, _: text, _EQUALITY | {Op.CONTAINS})
"""One of the names is meant by ``=``, none of them by ``!=``."""
SLOTS: Final = FieldKind(
    "map of slots, of which one is compared (as in total_resource_slots.cpu)",
    lambda text, _: text,
    frozenset(),
)
"""Each slot is a number or a size by itself: see ``slot_kind``."""
ID: Final = FieldKind("UUID", lambda text, _: UUID(text), _EQUALITY | {Op.CONTAINS})


def slot_kind(slot: str) -> FieldKind:
    """What one slot of a map holds: bytes where its name says memory, else a number."""
    return SIZE if guess_unit(slot) is SlotUnit.BYTES else NUMBER
