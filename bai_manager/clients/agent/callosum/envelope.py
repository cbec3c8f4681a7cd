"""One request and its answer as frames (``reference/agent-rpc.md`` §3)."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from bai_manager.clients.agent.callosum.errors import RemoteFailure, Unreadable
from bai_manager.clients.agent.callosum.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bai_manager.clients.agent.callosum.functions import Function
    from bai_manager.clients.agent.callosum.packing import Packable, WireValue

GREETING: Final = [b"PING", b"", b""]
GREETED: Final = b"PONG"
_MESSAGE: Final = b"UPPER"
_SEQUENCE: Final = 0
"""A connection carries one request, so it is always the first."""

_LONGEST_TEXT: Final = 2000


class _Type(IntEnum):
    FUNCTION = 1
    RESULT = 2
    FAILURE = 3
    ERROR = 4
    CANCEL = 5
    CANCELLED = 6


def request(
    function: Function, args: Sequence[Packable], kwargs: Mapping[str, Packable]
) -> list[bytes]:
    return _frames(_Type.FUNCTION, function, pack({"args": [*args], "kwargs": kwargs}))


def cancellation(function: Function) -> list[bytes]:
    """Tell that nobody waits for the answer any more."""
    return _frames(_Type.CANCEL, function, None)


def read_answer(frames: Sequence[bytes], function: Function) -> WireValue:
    """Return the result; raises ``RemoteFailure`` and ``Unreadable``."""
    match frames:
        case [frame, header, data] if frame == _MESSAGE:
            kind, (meta, body) = _kind(header, function), _parts(data)
        case _:
            raise Unreadable(f"a message of {len(frames)} frames that is none of an agent")
    match kind, body:
        case _Type.RESULT, bytes():
            return unpack(body)
        case _Type.FAILURE | _Type.ERROR, _:
            raise _failure(meta)
        case _Type.CANCELLED, _:
            raise RemoteFailure("CancelledError", "the call was given up at the agent")
    raise Unreadable(f"a message of type {kind}")


def _frames(kind: _Type, function: Function, body: bytes | None) -> list[bytes]:
    header = {"type": kind.value, "meth": function.value, "okey": "", "seq": _SEQUENCE}
    return [_MESSAGE, pack({**header, "zip": False}), pack({"meta": b"", "body": body})]


def _kind(header: bytes, function: Function) -> int:
    match unpack(header):
        case {"type": int(kind), "meth": function.value, "okey": "", "seq": 0, "zip": False}:
            return kind
        case {"meth": str(), "seq": int()}:
            raise Unreadable("an answer to something that was not asked")
    raise Unreadable("a message without the header of one")


def _parts(data: bytes) -> tuple[bytes, bytes | None]:
    match unpack(data):
        case {"meta": bytes(meta), "body": bytes() | None as body}:
            return meta, body
    raise Unreadable("a message without contents")


def _failure(meta: bytes) -> RemoteFailure:
    match unpack(meta):
        case [str(name), str(text), str()]:
            return RemoteFailure(name, text[:_LONGEST_TEXT])
    raise Unreadable("a failure that does not say which")
