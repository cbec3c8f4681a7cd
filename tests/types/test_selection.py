"""Rows that no database holds are filtered, sorted and cut as those of a table are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from bai_manager.types.errors import InvalidFilter, InvalidLimit, UnknownField
from bai_manager.types.query import INTEGER, TEXT, Query, parse_filter, parse_sort
from bai_manager.types.selection import Picked, select_rows

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Row(NamedTuple):
    name: str
    size: int | None


ROWS = [Row("b", 2), Row("A", None), Row("c", 10), Row("a", 2)]
FIELDS = {
    "name": Picked(TEXT, lambda row: row.name),
    "size": Picked(INTEGER, lambda row: row.size),
}


def _names(filters: str = "", sort: str = "", limit: int | None = None) -> str:
    query = Query(
        filters=tuple(parse_filter(one) for one in filters.split()),
        sort=parse_sort(sort) if sort else (),
        limit=limit,
    )
    return "".join(row.name for row in select_rows(ROWS, query, FIELDS, now=NOW))


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ("", "bAca"),
        ("name=a,b", "ba"),
        ("name!=a,b", "Ac"),
        ("name~A", "Aa"),
        ("size=2", "ba"),
        ("size!=2", "Ac"),
        ("size>2", "c"),
        ("size>=2", "bca"),
        ("size<10", "ba"),
        ("size<=10 name!=c", "ba"),
    ],
)
def test_rows_are_kept_that_meet_all_conditions(filters: str, names: str) -> None:
    assert _names(filters) == names


@pytest.mark.parametrize(
    ("sort", "names"),
    [("name", "Aabc"), ("-name", "cbaA"), ("size,name", "abcA"), ("-size,-name", "cbaA")],
)
def test_rows_are_sorted_and_those_without_a_value_come_last(sort: str, names: str) -> None:
    assert _names(sort=sort) == names


def test_a_limit_cuts_what_is_left_and_sorted() -> None:
    assert _names("size>1", "-name", 2) == "cb"


def test_what_a_table_would_refuse_is_refused() -> None:
    with pytest.raises(UnknownField):
        _names("colour=red")
    with pytest.raises(UnknownField):
        _names(sort="colour")
    with pytest.raises(InvalidFilter):
        _names("size=many")
    with pytest.raises(InvalidLimit):
        _names(limit=0)
