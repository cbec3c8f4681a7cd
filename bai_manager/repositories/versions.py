"""Which version of a row somebody saw, so that a change made since is noticed.

A version is the row's ``xmin``: the transaction that wrote it. Locking a row, or referring to
it, leaves it as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, literal_column

from bai_manager.errors import Conflict

if TYPE_CHECKING:
    from sqlalchemy import Label, Table


class RowChanged(Conflict):
    """``--if-unchanged`` names another version than the row has."""

    error_code = "backendai_update_conflict"

    def __init__(self, what: str, *, expected: str, found: str) -> None:
        super().__init__(
            f"{what} was changed since you looked: it is version {found}, not {expected}.",
            hint="Nothing was changed. Show it again, and repeat the change if it still fits.",
            details={"expected": expected, "found": found},
        )


def version_of(table: Table) -> Label[str]:
    """The version of a row as a column ``version``."""
    return cast(literal_column(f'"{table.name}".xmin'), Text).label("version")


def check_version(what: str, *, expected: str | None, found: str) -> None:
    """Raise ``RowChanged`` unless the row, now locked, is what was seen; None is any."""
    if expected is not None and expected != found:
        raise RowChanged(what, expected=expected, found=found)
