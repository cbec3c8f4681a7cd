"""Amounts of whatever a limit is about, for people and for programs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from bai_manager.cli.limits import UNLIMITED
from bai_manager.cli.output.columns import Column
from bai_manager.services.policy.types import Unit
from bai_manager.types.binary_size import BinarySize
from bai_manager.types.duration import humanized

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def amount_text(amount: Decimal, unit: Unit) -> str:
    """``1.5 GiB``, ``2h``, ``3``, ``unlimited``."""
    if amount.is_infinite():
        return UNLIMITED
    if unit is Unit.BYTES:
        sign = "-" if amount < 0 else ""
        return f"{sign}{BinarySize(int(abs(amount)))}"
    if unit is Unit.SECONDS:
        return humanized(timedelta(seconds=int(amount)))
    return format(amount.normalize() if amount else Decimal(0), "f")


def amount_column(
    name: str,
    value: Callable[[T], Decimal | None],
    unit: Callable[[T], Unit],
    *,
    title: str = "",
    wide: bool = False,
) -> Column[T]:
    """Show an amount in its unit; decimal text for programs."""

    def human(row: T) -> str | None:
        amount = value(row)
        return None if amount is None else amount_text(amount, unit(row))

    return Column(name, value, human=human, justify="right", title=title, wide=wide, keep=True)
