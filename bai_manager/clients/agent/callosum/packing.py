"""The msgpack profile of Backend.AI with its extension types (``reference/agent-rpc.md`` §4).

The same profile packs the arguments of events.
"""

from __future__ import annotations

import os
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias, cast
from uuid import UUID

from bai_manager.clients.agent.callosum import pickles
from bai_manager.clients.agent.callosum.errors import Unreadable
from bai_manager.clients.agent.callosum.pickles import WireImage
from bai_manager.clients.agent.callosum.timestamps import read_timestamp
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import msgpack

    from bai_manager.types.json import JsonValue

WireScalar: TypeAlias = (
    "str | int | float | bool | bytes | UUID | datetime | Decimal | ResourceSlot | WireImage | None"
)
WireValue: TypeAlias = "WireScalar | tuple[WireValue, ...] | dict[WireScalar, WireValue]"
"""What was packed: enum members are their values, sizes ints, slot names and paths text."""

Packable: TypeAlias = (
    "str | int | float | bool | bytes | UUID | WireImage | Sequence[Packable]"
    " | Mapping[str, Packable] | Mapping[UUID, Packable] | None"
)

_UUID, _IMAGE = 1, 7
_PICKLE_BUDGET: Final = 2 * 2**20
"""Bytes of pickles in one message: some hundred kernels' worth, read in a second or two."""

_DEEPEST: Final = 64


def pack(value: Packable) -> bytes:
    import msgpack  # noqa: PLC0415 - of an extra, as below

    return cast("bytes", msgpack.packb(value, default=_extend, strict_types=True))


def unpack(data: bytes) -> WireValue:
    """Raises ``Unreadable``."""
    import msgpack  # noqa: PLC0415

    try:
        return cast(
            "WireValue",
            msgpack.unpackb(data, use_list=False, strict_map_key=False, ext_hook=_Extensions()),
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise Unreadable(f"no msgpack: {type(error).__name__} {error}"[:200]) from None


def to_json(value: WireValue, depth: int = 0) -> JsonValue:
    """Numbers that JSON has not become text. Raises ``Unreadable`` for bytes and images."""
    if depth > _DEEPEST:
        raise Unreadable("parts too deep in one another")
    match value:
        case tuple():
            return [to_json(part, depth + 1) for part in value]
        case dict():
            return {_key(name): to_json(part, depth + 1) for name, part in value.items()}
        case ResourceSlot():
            return value.to_json()
        case Decimal():
            return format(value, "f")
        case UUID() | datetime():
            return str(value)
        case bytes() | WireImage():
            raise Unreadable(f"{type(value).__name__} where JSON belongs")
    return value


def _key(name: WireScalar) -> str:
    match name:
        case str() | int() | UUID():
            return str(name)
    raise Unreadable(f"{type(name).__name__} as a name")


def _extend(value: object) -> msgpack.ExtType:
    import msgpack  # noqa: PLC0415

    match value:
        case UUID():
            return msgpack.ExtType(_UUID, value.bytes)
        case WireImage():
            return msgpack.ExtType(_IMAGE, pickles.write_image(value))
    raise TypeError(f"{type(value).__name__} is nothing that agents are sent")


class _Extensions:
    """Reads the extension types of one message."""

    def __init__(self) -> None:
        self._budget = _PICKLE_BUDGET

    def __call__(self, code: int, data: bytes) -> WireScalar:
        if code in _PICKLES:
            self._budget -= len(data)
            if self._budget < 0:
                raise Unreadable("more pickles than any answer has")
            return _PICKLES[code](data)
        if code in _PLAIN:
            return _PLAIN[code](data)
        raise Unreadable(f"a value of the unknown extension type {code}")


_PICKLES: Final[Mapping[int, Callable[[bytes], WireScalar]]] = {
    3: pickles.read_decimal,
    6: pickles.read_enum,
    _IMAGE: pickles.read_image,
    8: pickles.read_slots,
    9: pickles.read_slot_name,
    16: pickles.read_size,
}
_PLAIN: Final[Mapping[int, Callable[[bytes], WireScalar]]] = {
    _UUID: lambda data: UUID(bytes=data),
    2: read_timestamp,
    4: os.fsdecode,
    5: os.fsdecode,
    17: os.fsdecode,
}
