"""Sorting and cutting rows that are computed here, as lists of rows from the database are."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

from bai_manager.types.query import NUMBER, Query, check_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

T = TypeVar("T")
SortValue: TypeAlias = "float | str | None"


def in_order(
    rows: Iterable[T],
    query: Query,
    keys: Mapping[str, Callable[[T], SortValue]],
    *,
    default: Callable[[T], tuple[float | str, ...]],
    now: datetime,
) -> list[T]:
    """By the query's keys, nothing last, then by ``default``; at most as many as it says.

    Raises ``UnknownField`` and ``InvalidLimit``.
    """
    checked = check_query(query, dict.fromkeys(keys, NUMBER), now=now)
    ordered = sorted(rows, key=default)
    for key in reversed(checked.sort):
        value = keys[key.field]
        known = [row for row in ordered if value(row) is not None]
        known.sort(key=value, reverse=key.descending)  # type: ignore[arg-type]
        ordered = known + [row for row in ordered if value(row) is None]
    return ordered[: checked.limit]
