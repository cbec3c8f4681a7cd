"""Filters, sort keys and limits on rows that are not rows of a table, such as packed lists.

They mean the same as on a table: text is compared without case by ``~`` alone, nothing matches an
order, and what has no value comes last however a list is sorted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from bai_manager.types.query import FieldKind, Op, check_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from bai_manager.types.query import CheckedFilter, Query

T = TypeVar("T")


class Picked(NamedTuple):
    """What rows can be asked for: its kind, and how it is taken from a row."""

    kind: FieldKind
    value: Callable[[Any], Any]


def select_rows(
    rows: Iterable[T], query: Query, fields: Mapping[str, Picked], *, now: datetime
) -> list[T]:
    """Keep, order and cut rows. Raises ``UnknownField``, ``InvalidFilter``, ``InvalidLimit``."""
    checked = check_query(query, {name: field.kind for name, field in fields.items()}, now=now)
    kept = [
        row
        for row in rows
        if all(_matches(fields[one.field].value(row), one) for one in checked.filters)
    ]
    for key in reversed(checked.sort):
        value = fields[key.field].value
        there = [row for row in kept if value(row) is not None]
        absent = [row for row in kept if value(row) is None]
        kept = [*sorted(there, key=value, reverse=key.descending), *absent]
    return kept if checked.limit is None else kept[: checked.limit]


def _matches(value: Any, condition: CheckedFilter) -> bool:  # noqa: PLR0911 - an operator each
    first = condition.values[0]
    match condition.op:
        case Op.EQ:
            return value in condition.values
        case Op.NE:
            return value not in condition.values
        case Op.CONTAINS:
            return value is not None and str(first).casefold() in str(value).casefold()
        case _ if value is None:
            return False
        case Op.GT:
            return bool(value > first)
        case Op.GE:
            return bool(value >= first)
        case Op.LT:
            return bool(value < first)
        case Op.LE:
            return bool(value <= first)
