"""Filters, sort keys and limits of list commands as SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, or_

from bai_manager.models.base import PgEnum
from bai_manager.types.choice import Choice
from bai_manager.types.clock import system_clock
from bai_manager.types.query import FieldKind, Op, check_query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement

    from bai_manager.repositories.rows import AnySelect
    from bai_manager.types.query import CheckedFilter, FilterValue, Query


@dataclass(frozen=True, slots=True)
class Field:
    """What a list can be filtered and sorted by.

    ``by_name`` is for vocabularies whose column holds the member's name
    (``reference/value-types.md`` §1).
    """

    kind: FieldKind
    column: ColumnElement[object]
    by_name: bool = False


def apply_query(
    statement: AnySelect,
    query: Query,
    fields: Mapping[str, Field],
    *,
    default_order: Sequence[ColumnElement[object]],
) -> AnySelect:
    """Add the query's conditions, order and limit; the default order breaks ties.

    Raises ``UnknownField``, ``InvalidFilter`` and ``InvalidLimit``.
    """
    checked = check_query(
        query, {name: field.kind for name, field in fields.items()}, now=system_clock()
    )
    for condition in checked.filters:
        statement = statement.where(_condition(fields[condition.field], condition))
    order = [
        (
            _sortable(fields[key.field]).desc() if key.descending else _sortable(fields[key.field])
        ).nulls_last()
        for key in checked.sort
    ]
    statement = statement.order_by(*order, *default_order)
    return statement if checked.limit is None else statement.limit(checked.limit)


def _sortable(field: Field) -> ColumnElement[object]:
    """The labels of an enum type have another order in each shape: sort them as text."""
    column: ColumnElement[object] = cast(field.column, Text)
    return column if isinstance(field.column.type, PgEnum) else field.column


def filters_on(query: Query, field: str) -> bool:
    """Whether the query says something about a field, so that a default must not."""
    return any(condition.field == field for condition in query.filters)


def _condition(field: Field, condition: CheckedFilter) -> ColumnElement[bool]:  # noqa: PLR0911
    column = field.column
    values = [_stored(field, value) for value in condition.values]
    match condition.op:
        case Op.EQ:
            return column.in_(values)
        case Op.NE:
            return or_(column.not_in(values), column.is_(None))
        case Op.GT:
            return column > values[0]
        case Op.GE:
            return column >= values[0]
        case Op.LT:
            return column < values[0]
        case Op.LE:
            return column <= values[0]
        case Op.CONTAINS:
            return cast(column, Text).icontains(str(values[0]), autoescape=True)


def _stored(field: Field, value: FilterValue) -> object:
    if isinstance(value, Choice):
        return value.name if field.by_name else value.value
    return value
