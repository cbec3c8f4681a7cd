"""How amounts of metrics look to a person."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from bai_manager.cli.output.human import NOTHING
from bai_manager.services.metric.types import MetricUnit
from bai_manager.types.binary_size import BinarySize

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIZES: Final = frozenset({MetricUnit.BYTES, MetricUnit.BYTES_PER_SECOND})
_PERCENTS: Final = frozenset(
    {MetricUnit.PERCENT, MetricUnit.CORE_PERCENT, MetricUnit.LIMIT_PERCENT}
)
_NICE: Final = (1, 2, 5)


def amount_text(value: float | None, unit: MetricUnit) -> str:
    """``12.5%``, ``1.5 GiB``, ``3 KiB/s``; three significant digits where there is no more."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if unit in _SIZES:
        rate = "/s" if unit is MetricUnit.BYTES_PER_SECOND else ""
        return f"{BinarySize(round(value))}{rate}"
    if unit in _PERCENTS:
        return f"{_digits(value)}%"
    return f"{_digits(value)} {unit.value}".rstrip()


def _digits(value: float) -> str:
    """At most two decimals, none of them a trailing zero, never an exponent."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 10**15 else f"{value:.3g}"


def ticks(low: float, high: float, unit: MetricUnit, most: int) -> list[float]:
    """At most ``most`` round amounts, from one at or below ``low`` to one at or above ``high``."""
    for step in _steps((high - low) / most or 1.0, unit):
        first, last = math.floor(low / step), math.ceil(high / step)
        if last - first < most:
            return [number * step for number in range(first, max(last, first + 1) + 1)]
    return [low, high]


def _steps(smallest: float, unit: MetricUnit) -> Iterator[float]:
    """Round steps that grow: powers of two for bytes, 1, 2 and 5 times powers of ten otherwise."""
    if unit in _SIZES:
        power = max(0, math.floor(math.log2(smallest)))
        yield from (2.0 ** (power + more) for more in range(64))
        return
    exponent = math.floor(math.log10(smallest))
    for more in range(32):
        yield from (factor * 10.0 ** (exponent + more) for factor in _NICE)
