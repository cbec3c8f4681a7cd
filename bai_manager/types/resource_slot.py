"""Amounts of resources by slot name (``reference/value-types.md`` §2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from bai_manager.types.binary_size import BinarySize, parse_size_or_infinity
from bai_manager.types.choice import Choice
from bai_manager.types.errors import (
    InvalidResourceSlot,
    InvalidSize,
    UnknownResourceSlot,
)

if TYPE_CHECKING:
    from collections.abc import Collection, ItemsView, Iterable, Iterator, KeysView
    from typing import Self

    from bai_manager.types.json import JsonObject, JsonValue

Amount: TypeAlias = Decimal | int | float | str

_EXAMPLE: Final = "cpu=2 mem=4g cuda.device=1"
_ZERO: Final = Decimal(0)
_INFINITY: Final = Decimal("Infinity")
_LARGEST: Final = Decimal(10) ** 30
_THOUSANDTH: Final = Decimal("0.001")
_EXACT: Final = Context(prec=64, traps=[])
_NUMBER: Final = re.compile(
    r"[+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,2})?", re.IGNORECASE | re.ASCII
)
_SPECIAL: Final = re.compile(r"(?P<sign>[+-]?)(?P<kind>inf(?:inity|inite)?|nan)", re.IGNORECASE)
_NAME: Final = re.compile(r"[a-z0-9][\w.:-]*", re.IGNORECASE | re.ASCII)
_ACCELERATOR: Final = re.compile(r"[^.]+\.(?:devices?|shares?)(?::.*)?", re.DOTALL)


class SlotUnit(Choice):
    COUNT = "count"
    BYTES = "bytes"
    UNIQUE = "unique"


class DefaultForUnspecified(Choice):
    """What a keypair policy means by not naming a slot; stored by name."""

    LIMITED = "LIMITED"
    UNLIMITED = "UNLIMITED"


INTRINSIC_SLOTS: Final[Mapping[str, SlotUnit]] = {"cpu": SlotUnit.COUNT, "mem": SlotUnit.BYTES}
"""Known on every cluster; the others are what agents reported to etcd."""


class Shortage(NamedTuple):
    """One slot of which more is asked than there is."""

    slot: str
    requested: Decimal
    available: Decimal


class ResourceSlot(Mapping[str, Decimal]):
    """An immutable map from slot name to exact decimal amount.

    A slot that is absent counts as 0 wherever two are compared or added, so
    ``ResourceSlot({"cpu": 1}) == ResourceSlot({"cpu": 1, "mem": 0})``. The order is partial:
    ``a <= b`` says that no slot of ``a`` is larger, ``a < b`` that besides one is smaller, and
    of two amounts neither may hold. ``Infinity`` means unlimited; ``Infinity - Infinity`` is
    NaN, which equals nothing and is neither less nor more.
    """

    __slots__ = ("_amounts",)

    def __init__(self, amounts: Mapping[str, Amount | None] | None = None) -> None:
        """Take amounts as they are; text of a slot that looks like memory may be ``4g``.

        ``None`` drops the slot. Raises ``InvalidResourceSlot``.
        """
        self._amounts = {
            str(name): _read_amount(str(name), amount, guess_unit(str(name)))
            for name, amount in (amounts or {}).items()
            if amount is not None
        }

    @classmethod
    def _of(cls, amounts: dict[str, Decimal]) -> Self:
        slots = cls.__new__(cls)
        slots._amounts = amounts  # noqa: SLF001 - a constructor
        return slots

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Read a JSONB column; NULL is the empty map. Raises ``InvalidResourceSlot``."""
        if value is None:
            return cls()
        if not isinstance(value, dict):
            raise InvalidResourceSlot(
                value, "a map of slot to amount is needed", example='{"cpu": "2"}'
            )
        amounts: dict[str, Amount | None] = {}
        for name, amount in value.items():
            if isinstance(amount, list | dict):
                raise InvalidResourceSlot(
                    f"{name}={amount}", "the amount is no number", example='{"cpu": "2"}'
                )
            amounts[name] = amount
        return cls(amounts)

    @classmethod
    def from_user_input(
        cls, given: Mapping[str, Amount | None], known: Mapping[str, SlotUnit] | None
    ) -> Self:
        """Read what somebody asks for.

        Zeros may name any slot and are dropped; another name outside ``known`` raises
        ``UnknownResourceSlot``. Counts are rounded to 3 places (half even). Every known slot is
        in the result, as 0 when it was not given. Without ``known``, units are guessed and
        nothing is filled. Negative amounts and NaN raise ``InvalidResourceSlot``.
        """
        amounts = dict.fromkeys(known or (), _ZERO)
        for name, amount in given.items():
            if amount is None or _is_zero(amount):
                continue
            if known is not None and name not in known:
                raise _unknown(name, known)
            unit = guess_unit(name) if known is None else known[name]
            amounts[name] = _requested(name, amount, unit)
        return cls._of(amounts)

    @classmethod
    def from_policy(
        cls,
        total: Mapping[str, Decimal],
        default: DefaultForUnspecified,
        known: Collection[str],
    ) -> Self:
        """Limits of a keypair policy: exactly the known slots; others of it are ignored."""
        missing = _INFINITY if default is DefaultForUnspecified.UNLIMITED else _ZERO
        return cls._of({name: total.get(name, missing) for name in known})

    @classmethod
    def zero(cls, known: Iterable[str]) -> Self:
        return cls._of(dict.fromkeys(known, _ZERO))

    @classmethod
    def total(cls, parts: Iterable[Mapping[str, Decimal]]) -> Self:
        """Sum any number of maps in one pass."""
        amounts: dict[str, Decimal] = {}
        for part in parts:
            for name, amount in part.items():
                amounts[name] = _EXACT.add(amounts.get(name, _ZERO), amount)
        return cls._of(amounts)

    @classmethod
    def json_schema(cls) -> JsonObject:
        return {"type": "object", "additionalProperties": {"type": "string"}}

    def to_json(self) -> dict[str, JsonValue]:
        """Amounts as decimal text without exponent, or ``Infinity``."""
        return {name: format(amount, "f") for name, amount in self._amounts.items()}

    def humanized(self, units: Mapping[str, SlotUnit] | None = None) -> dict[str, str]:
        """Memory as ``1.5g``, other amounts as plain numbers, no limit as ``inf``."""
        return {
            name: _humanized(amount, (units or {}).get(name) or guess_unit(name))
            for name, amount in self._amounts.items()
        }

    def shortages(self, available: Mapping[str, Decimal]) -> tuple[Shortage, ...]:
        """Slots of which this asks more than ``available`` has, in name order.

        Also the check of an image's minimum against a request: any slot of the minimum that the
        request does not reach. (``minimum > request`` would let a request pass that is short in
        one slot and larger in another.)
        """
        return tuple(
            Shortage(name, amount, available.get(name, _ZERO))
            for name, amount in sorted(self._amounts.items())
            if not _at_most(amount, available.get(name, _ZERO))
        )

    def eq_contains(self, other: ResourceSlot) -> bool:
        """Say whether common slots are equal and those only in ``other`` are 0."""
        return all(self._amounts.get(name, _ZERO) == amount for name, amount in other.items())

    def eq_contained(self, other: ResourceSlot) -> bool:
        """Say whether common slots are equal and those only here are 0."""
        return other.eq_contains(self)

    def __getitem__(self, name: str) -> Decimal:
        return self._amounts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._amounts)

    def __len__(self) -> int:
        return len(self._amounts)

    def __contains__(self, name: object) -> bool:
        return name in self._amounts

    def keys(self) -> KeysView[str]:
        """As of a dictionary: ``Mapping`` makes slower ones of what is above."""
        return self._amounts.keys()

    def items(self) -> ItemsView[str, Decimal]:
        return self._amounts.items()

    def __add__(self, other: ResourceSlot) -> Self:
        amounts = dict(self._amounts)
        for name, amount in other.items():
            amounts[name] = _EXACT.add(amounts.get(name, _ZERO), amount)
        return self._of(amounts)

    def __sub__(self, other: ResourceSlot) -> Self:
        amounts = dict(self._amounts)
        for name, amount in other.items():
            amounts[name] = _EXACT.subtract(amounts.get(name, _ZERO), amount)
        return self._of(amounts)

    def __neg__(self) -> Self:
        return self._of({name: _EXACT.minus(amount) for name, amount in self._amounts.items()})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ResourceSlot):
            return NotImplemented
        return all(mine == theirs for mine, theirs in self._paired(other))

    def __hash__(self) -> int:
        return hash(frozenset((name, amount) for name, amount in self._amounts.items() if amount))

    def __le__(self, other: ResourceSlot) -> bool:
        return all(_at_most(mine, theirs) for mine, theirs in self._paired(other))

    def __ge__(self, other: ResourceSlot) -> bool:
        return other <= self

    def __lt__(self, other: ResourceSlot) -> bool:
        return self <= other and self != other

    def __gt__(self, other: ResourceSlot) -> bool:
        return other < self

    def __str__(self) -> str:
        """``cpu=2 mem=4g``: what can be given back as resource options."""
        return " ".join(f"{name}={amount}" for name, amount in self.humanized().items())

    def __repr__(self) -> str:
        return f"ResourceSlot({self.to_json()})"

    def _paired(self, other: ResourceSlot) -> Iterator[tuple[Decimal, Decimal]]:
        mine, theirs = self._amounts, other._amounts
        for name, amount in mine.items():
            yield amount, theirs.get(name, _ZERO)
        for name, amount in theirs.items():
            if name not in mine:
                yield _ZERO, amount


def guess_unit(name: str) -> SlotUnit:
    """Say the unit of a slot without a table: bytes where the name contains ``mem``."""
    return SlotUnit.BYTES if "mem" in name else SlotUnit.COUNT


def is_accelerator(name: str) -> bool:
    """Tell a ``device.major[:minor]`` name with major device(s) or share(s)."""
    return _ACCELERATOR.fullmatch(name) is not None


def parse_assignments(texts: Iterable[str]) -> dict[str, str]:
    """Split ``cpu=2`` ``mem=4g`` into slot and amount text.

    The amounts are read later, by ``ResourceSlot.from_user_input``, when the units of the
    cluster's slots are known. Raises ``InvalidResourceSlot``.
    """
    amounts: dict[str, str] = {}
    for text in texts:
        name, equals, amount = (part.strip() for part in text.partition("="))
        if not equals or not amount or not _NAME.fullmatch(name):
            raise InvalidResourceSlot(text, "it is not SLOT=AMOUNT", example=_EXAMPLE)
        if name in amounts:
            raise InvalidResourceSlot(text, f"{name} is given twice", example=_EXAMPLE)
        amounts[name] = amount
    return amounts


def _read_amount(name: str, given: Amount, unit: SlotUnit) -> Decimal:
    if isinstance(given, Decimal):
        return given
    if isinstance(given, float):
        return Decimal(repr(given))
    if isinstance(given, int):
        return Decimal(int(given))
    text = given.strip()
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    if special := _SPECIAL.fullmatch(text):
        return Decimal(special["sign"] + special["kind"][:3])
    if unit is SlotUnit.BYTES:
        return _read_size(name, text)
    raise InvalidResourceSlot(f"{name}={text}", "a number is needed", example=_EXAMPLE)


def _read_size(name: str, text: str) -> Decimal:
    try:
        return Decimal(parse_size_or_infinity(text))
    except InvalidSize as error:
        why = str(error.details["reason"])
        raise InvalidResourceSlot(f"{name}={text}", why, example=_EXAMPLE) from None


def _requested(name: str, given: Amount, unit: SlotUnit) -> Decimal:
    if isinstance(given, str) and unit is SlotUnit.BYTES:
        amount = _read_size(name, given)
    else:
        amount = _read_amount(name, given, unit)
    if amount.is_nan() or amount < 0:
        raise InvalidResourceSlot(f"{name}={amount}", "it must be 0 or more", example=_EXAMPLE)
    if amount.is_infinite():
        return amount
    if amount > _LARGEST:
        raise InvalidResourceSlot(f"{name}={amount}", "it is too large", example=_EXAMPLE)
    if unit is SlotUnit.BYTES:
        return Decimal(int(amount))
    return _plain(amount.quantize(_THOUSANDTH, ROUND_HALF_EVEN, _EXACT))


def _plain(amount: Decimal) -> Decimal:
    """Drop trailing zeros without falling into an exponent."""
    return Decimal(format(amount.normalize(_EXACT), "f"))


def _is_zero(amount: Amount) -> bool:
    if isinstance(amount, str):
        return _NUMBER.fullmatch(amount.strip()) is not None and Decimal(amount.strip()) == 0
    return amount == 0


def _unknown(name: str, known: Iterable[str]) -> UnknownResourceSlot | InvalidResourceSlot:
    if name == "shmem":
        return InvalidResourceSlot(
            name, "shared memory is a resource option, no slot", example="--resource-opt shmem=1g"
        )
    return UnknownResourceSlot(name, "resource slot", known)


def _at_most(amount: Decimal, limit: Decimal) -> bool:
    try:
        return amount <= limit
    except InvalidOperation:  # NaN has no place in the order
        return False


def _humanized(amount: Decimal, unit: SlotUnit) -> str:
    if amount.is_nan():
        return "NaN"
    if amount.is_infinite():
        return "inf" if amount > 0 else "-inf"
    if unit is SlotUnit.BYTES:
        return BinarySize(amount).short()
    return format(_plain(amount), "f")
