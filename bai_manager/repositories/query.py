"""Filters, sort keys and limits of list commands as SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Numeric, Text, cast, false, func, not_, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from bai_manager.models.base import PgEnum
from bai_manager.types.choice import Choice
from bai_manager.types.clock import system_clock
from bai_manager.types.query import NAMES, SLOTS, FieldKind, Op, check_query, slot_kind

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
    fields = {**fields, **_slots_named(query, fields)}
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


def _slots_named(query: Query, fields: Mapping[str, Field]) -> dict[str, Field]:
    """Single slots of maps that the query names, as in ``total_resource_slots.cpu``."""
    names = {one.field for one in query.filters} | {key.field for key in query.sort}
    parted = ((name, *name.partition(".")) for name in names)
    return {
        name: Field(slot_kind(slot), cast(fields[base].column[slot].astext, Numeric))
        for name, base, dot, slot in parted
        if dot and slot and base in fields and fields[base].kind is SLOTS
    }


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
    if field.kind is NAMES:
        return _names_condition(column, condition.op, [str(value) for value in values])
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


def _names_condition(
    column: ColumnElement[object], op: Op, values: Sequence[str]
) -> ColumnElement[bool]:
    """Hold names against an array of text; no array is an empty one."""
    if op is Op.CONTAINS:
        return func.array_to_string(column, "\n").icontains(values[0], autoescape=True)
    found = func.coalesce(cast(column, ARRAY(Text)).overlap(list(values)), false())
    return not_(found) if op is Op.NE else found


def names_in(value: ColumnElement[object]) -> ColumnElement[object]:
    """The keys of a JSON object as an array of names, for a field of kind ``NAMES``."""
    keys = select(func.jsonb_object_keys(value)).scalar_subquery()
    return cast(func.array(keys), ARRAY(Text))


def _stored(field: Field, value: FilterValue) -> object:
    if isinstance(value, Choice):
        return value.name if field.by_name else value.value
    return value
