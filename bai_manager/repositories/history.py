"""``status_history``: status name → the latest time it was entered (``value-types.md`` §1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, literal_column

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Table

    from bai_manager.types.choice import Choice


def with_history(table: Table, status: Choice, now: datetime) -> ColumnElement[object]:
    """The row's history with one more entry; for ``values(status_history=…)`` of an UPDATE."""
    return func.coalesce(table.c.status_history, literal_column("'{}'::jsonb")).op("||")(
        func.jsonb_build_object(status.name, now.isoformat())
    )
