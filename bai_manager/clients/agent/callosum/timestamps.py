"""Points in time as ``temporenc`` packs them: a date and a time, with fraction and zone if any."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from bai_manager.clients.agent.callosum.errors import Unreadable

_ZONE: Final = 7
_PRECISION: Final = 2
_FRACTIONS: Final = {0: (10, 10**3), 1: (20, 10**6), 2: (30, 10**9), 3: (0, 1)}
"""Precision tag → bits of the fraction, and its parts of a second."""

_LAYOUTS: Final = (
    (2, 0b00, False, False),
    (2, 0b01, True, False),
    (3, 0b110, False, True),
    (3, 0b111, True, True),
)
"""Bits of the type tag, the tag, whether there is a fraction, whether there is a zone."""


def read_timestamp(data: bytes) -> datetime:
    """Return UTC: what is packed without a zone is taken as such. Raises ``Unreadable``."""
    bits = _Bits(data)
    layout = next((layout for layout in _LAYOUTS if bits.peek(layout[0]) == layout[1]), None)
    if layout is None:
        raise Unreadable("a date or a time alone")
    width, _, has_fraction, has_zone = layout
    bits.take(width)
    fraction, scale = _FRACTIONS[bits.take(_PRECISION) if has_fraction else 3]
    year, month, day = bits.take(12), bits.take(4) + 1, bits.take(5) + 1
    hour, minute, second = bits.take(5), bits.take(6), bits.take(6)
    microsecond = bits.take(fraction) * 10**6 // scale
    bits.end(_ZONE if has_zone else 0)
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC)
    except ValueError as error:
        raise Unreadable(f"no point in time: {error}") from None


class _Bits:
    """Bits from the left; what pads the last byte is of no meaning."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def peek(self, count: int) -> int:
        if count > self._left:
            raise Unreadable("a point in time that is cut off")
        return self._value >> (self._left - count) & ((1 << count) - 1)

    def take(self, count: int) -> int:
        value = self.peek(count)
        self._left -= count
        return value

    def end(self, rest: int) -> None:
        if not 0 <= self._left - rest < 8:  # noqa: PLR2004 - bits of a byte
            raise Unreadable("a point in time of another length")
