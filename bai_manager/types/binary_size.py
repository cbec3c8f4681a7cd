"""Sizes in bytes, as people write and read them (``reference/value-types.md`` §3)."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidSize

if TYPE_CHECKING:
    from typing import Self

    from bai_manager.types.json import JsonObject

_UNITS: Final = "kmgtpezy"
_SIZE = re.compile(
    r"(?P<number>\d[\d_]{0,39}(?:\.\d{1,40})?)"
    r"(?:\s*(?P<unit>[kmgtpezy])(?:i?b(?:ytes?)?)?|\s+b(?:ytes?)?)?",
    re.ASCII | re.IGNORECASE,
)
_INFINITY = re.compile(r"inf(?:inity|inite)?", re.IGNORECASE)
_EXAMPLE = "10GiB, 1.5g, 512m or 1048576"
_NEXT_UNIT: Final = 1024 * 100
_EXACT = Context(prec=128)


class BinarySize(int):
    """A number of bytes; ``str`` gives ``1.5 GiB``, JSON the plain integer."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``1024``, ``1_000``, ``2k``, ``2KiB``, ``1.5 GiB``, ``100 bytes``.

        Suffixes are powers of 1024 in any case; a fraction needs one and the result is cut to
        whole bytes. Raises ``InvalidSize``.
        """
        matched = _SIZE.fullmatch(text.strip())
        if matched is None:
            raise InvalidSize(text, _reason(text), example=_EXAMPLE)
        number = Decimal(matched["number"].replace("_", ""))
        unit = matched["unit"]
        if unit is None and "." in matched["number"]:
            raise InvalidSize(text, "a fraction of bytes needs a unit", example=_EXAMPLE)
        return cls(_EXACT.multiply(number, Decimal(_scale(unit))))

    @classmethod
    def json_schema(cls) -> JsonObject:
        return {"type": "integer"}

    def __str__(self) -> str:
        number, unit = self._scaled()
        if unit:
            return f"{number} {unit.upper()}iB"
        return "1 byte" if self == 1 else f"{number} bytes"

    def short(self) -> str:
        """``1023``, ``1k``, ``1.5g``: what ``parse`` reads back, to two decimals."""
        number, unit = self._scaled()
        return f"{number}{unit}"

    def in_unit(self, unit: str) -> str:
        """Write the size in one unit (a letter of ``kmgtpezy``), whatever its magnitude."""
        letter = unit.lower()
        return f"{_two_decimals(self, _scale(letter))}{letter}"

    def to_json(self) -> int:
        return int(self)

    def _scaled(self) -> tuple[str, str]:
        powers = range(len(_UNITS))
        fitting = (power for power in powers if _hundredths(self, 1024**power) < _NEXT_UNIT)
        power = next(fitting, len(_UNITS))
        return _two_decimals(self, 1024**power), ("", *_UNITS)[power]


def parse_size_or_infinity(text: str) -> BinarySize | Decimal:
    """Read a size, or ``inf``, ``infinite``, ``infinity`` as the decimal Infinity."""
    if _INFINITY.fullmatch(text.strip()):
        return Decimal("Infinity")
    return BinarySize.parse(text)


def _scale(unit: str | None) -> int:
    return 1 if unit is None else 1024 ** (_UNITS.index(unit.lower()) + 1)


def _hundredths(size: int, scale: int) -> int:
    return (abs(size) * 200 + scale) // (2 * scale)


def _two_decimals(size: int, scale: int) -> str:
    whole, cents = divmod(_hundredths(size, scale), 100)
    sign = "-" if size < 0 else ""
    return f"{sign}{whole}.{cents:02d}".rstrip("0").rstrip(".")


def _reason(text: str) -> str:
    stripped = text.strip()
    if not stripped:
        return "it is empty"
    if stripped.startswith("-"):
        return "a size is never negative"
    if _INFINITY.fullmatch(stripped):
        return "a finite size is needed here"
    return "write a number and optionally a unit out of k, m, g, t, p, e, z, y"
