"""Pickles, read without unpickling, and the one that must be written.

A pickle is a program, and ``pickle.loads`` runs it. What agents send are a few plain objects
(``reference/agent-rpc.md`` §4), so this module follows the dozen instructions that describe such
objects and knows their classes by name only: nothing is imported or called, and what comes out
is text, a number or one of the values below. Everything else raises ``Unreadable``.
"""

from __future__ import annotations

import pickletools
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from bai_manager.clients.agent.callosum.errors import Unreadable
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LONGEST: Final = 16 * 2**10
"""Bytes of one pickle; the longest honest ones, of hundreds of slots, have some thousand."""

_TYPES: Final = "ai.backend.common.types"
_DOCKER: Final = "ai.backend.common.docker"
_EVENTS: Final = "ai.backend.common.events.event_types.kernel.types"
_DECIMAL: Final = ("decimal", "Decimal")
_SLOTS: Final = (_TYPES, "ResourceSlot")
_SLOT_NAME: Final = (_TYPES, "SlotName")
_SIZE: Final = (_TYPES, "BinarySize")
_IMAGE: Final = (_DOCKER, "ImageRef")
_TAGS: Final = (_DOCKER, "PlatformTagSet")
_ENUMS: Final = frozenset(
    {
        (_EVENTS, "KernelLifecycleEventReason"),
        (_TYPES, "AutoPullBehavior"),
        (_TYPES, "ClusterMode"),
        (_TYPES, "CommitStatus"),
        (_TYPES, "MountPermission"),
        (_TYPES, "MountTypes"),
        (_TYPES, "ServicePortProtocols"),
        (_TYPES, "SessionResult"),
        (_TYPES, "SessionTypes"),
        (_TYPES, "SlotTypes"),
        (_TYPES, "VFolderUsageMode"),
    }
)
_KNOWN: Final = {_DECIMAL, _SLOTS, _SLOT_NAME, _SIZE, _IMAGE, _TAGS} | _ENUMS

_NUMBER: Final = re.compile(
    r"[+-]?(?:\d{1,40}(?:\.\d{1,40})?(?:E[+-]?\d{1,2})?|Infinity)|NaN", re.ASCII
)
_LARGEST_SIZE: Final = 2**90


@dataclass(frozen=True, slots=True)
class WireImage:
    """``ImageRef`` of the wire; ``project`` is None where the registry is not divided."""

    name: str
    project: str | None
    tag: str
    registry: str
    architecture: str
    is_local: bool


def read_decimal(data: bytes) -> Decimal:
    return _decimal(_follow(data))


def read_slots(data: bytes) -> ResourceSlot:
    made = _follow(data)
    amounts = made.state.get("data")
    if made.of != _SLOTS or not isinstance(amounts, dict):
        raise _strange(made)
    return ResourceSlot({slot: _decimal(amount) for slot, amount in amounts.items()})


def read_slot_name(data: bytes) -> str:
    made = _follow(data)
    name = made.state.get("data")
    if made.of != _SLOT_NAME or not isinstance(name, str):
        raise _strange(made)
    return name


def read_size(data: bytes) -> int:
    made = _follow(data)
    match made.args:
        case [int(size)] if made.of == _SIZE and abs(size) <= _LARGEST_SIZE:
            return size
    raise _strange(made)


def read_enum(data: bytes) -> str | int:
    """Return the member's value."""
    made = _follow(data)
    match made.args:
        case [str() | int() as value] if made.of in _ENUMS:
            return value
    raise _strange(made)


def read_image(data: bytes) -> WireImage:
    made = _follow(data)
    match made.state:
        case {
            "name": str(name),
            "project": str() | None as project,
            "tag": str(tag),
            "registry": str(registry),
            "architecture": str(architecture),
            "is_local": bool(is_local),
        } if made.of == _IMAGE:
            return WireImage(name, project, tag, registry, architecture, is_local)
    raise _strange(made)


def write_image(image: WireImage) -> bytes:
    """Protocol 4: the class by name, six arguments, a call."""
    project = b"N" if image.project is None else _text(image.project)
    return b"".join(
        [
            b"\x80\x04",
            *(_text(name) for name in _IMAGE),
            b"\x93(",
            _text(image.name),
            project,
            *(_text(part) for part in (image.tag, image.registry, image.architecture)),
            b"\x88" if image.is_local else b"\x89",
            b"tR.",
        ]
    )


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def _decimal(made: _Part) -> Decimal:
    if isinstance(made, _Made) and made.of == _DECIMAL:
        match made.args:
            case [str(number)] if _NUMBER.fullmatch(number):
                return Decimal(number)
    raise _strange(made)


def _strange(part: _Part) -> Unreadable:
    of = ".".join(part.of) if isinstance(part, _Made) else type(part).__name__
    return Unreadable(f"a pickled {of} where something else belongs, or one of another form")


@dataclass(frozen=True, slots=True)
class _Class:
    """Not the class, only what it is called: module and name."""

    path: tuple[str, str]


class _Made:
    """What a pickle describes as made of a class, from arguments and a state."""

    __slots__ = ("args", "of", "state")

    def __init__(self, of: _Class, args: Sequence[_Part]) -> None:
        self.of = of.path
        self.args = args
        self.state: dict[str, _Part] = {}


_Part: TypeAlias = "str | int | bool | tuple[_Part, ...] | dict[str, _Part] | _Class | _Made | None"


def _follow(data: bytes) -> _Made:
    if len(data) > LONGEST:
        raise Unreadable(f"a pickle of {len(data)} bytes")
    machine = _Machine()
    try:
        for instruction, argument, position in pickletools.genops(data):
            if instruction.name == "STOP" and position == len(data) - 1:
                return machine.result()
            machine.step(instruction.name, argument)
    except ValueError as error:
        raise Unreadable(f"a broken pickle: {error}") from None
    raise Unreadable("a pickle without an end")


class _Machine:
    """Follows the instructions of a pickle on a stack of plain parts."""

    def __init__(self) -> None:
        self._stack: list[_Part] = []
        self._marks: list[int] = []
        self._memo: list[_Part] = []

    def step(self, name: str, argument: object) -> None:
        if name in self._LITERALS and isinstance(argument, str | int):
            self._stack.append(argument)
        elif name in self._CONSTANTS:
            self._stack.append(self._CONSTANTS[name])
        elif name in self._TUPLES:
            self._stack.append(tuple(self._take(self._TUPLES[name])))
        elif name in self._RECALLS and isinstance(argument, int):
            self._stack.append(self._remembered(argument))
        elif name in self._ACTS:
            self._ACTS[name](self)
        elif name not in self._FRAMING:
            raise Unreadable(f"a pickle with the instruction {name}")

    def result(self) -> _Made:
        match self._stack:
            case [_Made() as made]:
                return made
        raise Unreadable("a pickle that describes no object")

    def _take(self, count: int) -> list[_Part]:
        """Pop that many parts, never below the last mark."""
        bottom = self._marks[-1] if self._marks else 0
        start = len(self._stack) - count
        if start < bottom:
            raise Unreadable("a pickle that takes more than it has")
        parts = self._stack[start:]
        del self._stack[start:]
        return parts

    def _remembered(self, index: int) -> _Part:
        if index >= len(self._memo):
            raise Unreadable("a pickle that recalls what it never had")
        return self._memo[index]

    def _since_mark(self) -> list[_Part]:
        if not self._marks:
            raise Unreadable("a pickle without a beginning")
        parts = self._take(len(self._stack) - self._marks[-1])
        self._marks.pop()
        return parts

    def _remember(self) -> None:
        (part,) = self._take(1)
        self._stack.append(part)
        self._memo.append(part)

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _tuple(self) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _dict(self) -> None:
        self._stack.append({})

    def _name(self) -> None:
        match self._take(2):
            case [str(module), str(name)] if (module, name) in _KNOWN:
                self._stack.append(_Class((module, name)))
            case [str(module), str(name)]:
                raise Unreadable(f"a pickled {module}.{name}, which is never loaded"[:200])
            case _:
                raise Unreadable("a pickle of a class without a name")

    def _make(self) -> None:
        match self._take(2):
            case [_Class() as of, tuple(args)]:
                self._stack.append(_Made(of, args))
            case _:
                raise Unreadable("a pickle that calls something else than a class")

    def _fill(self) -> None:
        """Give an object its state: a dict, or a pair of dicts with the slots second."""
        match self._take(2):
            case [_Made() as made, dict(state)]:
                made.state |= state
            case [_Made() as made, (None | dict() as state, dict(slots))]:
                made.state |= {**(state or {}), **slots}
            case _:
                raise Unreadable("a pickle that fills something else than an object")
        self._stack.append(made)

    def _set_item(self) -> None:
        self._set(self._take(2))

    def _set_items(self) -> None:
        self._set(self._since_mark())

    def _set(self, parts: list[_Part]) -> None:
        (target,) = self._take(1)
        if not isinstance(target, dict):
            raise Unreadable("a pickle that adds to something else than a dict")
        for key, value in zip(parts[::2], parts[1::2], strict=True):
            if not isinstance(key, str):
                raise Unreadable("a pickled dict with a key that is no text")
            target[key] = value
        self._stack.append(target)

    _LITERALS: ClassVar = frozenset(
        {"SHORT_BINUNICODE", "BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"}
    )
    _CONSTANTS: ClassVar[Mapping[str, bool | None]] = {
        "NONE": None,
        "NEWTRUE": True,
        "NEWFALSE": False,
    }
    _TUPLES: ClassVar[Mapping[str, int]] = {
        "EMPTY_TUPLE": 0,
        "TUPLE1": 1,
        "TUPLE2": 2,
        "TUPLE3": 3,
    }
    _RECALLS: ClassVar = frozenset({"BINGET", "LONG_BINGET"})
    _FRAMING: ClassVar = frozenset({"PROTO", "FRAME"})
    _ACTS: ClassVar[Mapping[str, Callable[[_Machine], None]]] = {
        "MEMOIZE": _remember,
        "MARK": _mark,
        "TUPLE": _tuple,
        "EMPTY_DICT": _dict,
        "STACK_GLOBAL": _name,
        "NEWOBJ": _make,
        "REDUCE": _make,
        "BUILD": _fill,
        "SETITEM": _set_item,
        "SETITEMS": _set_items,
    }
