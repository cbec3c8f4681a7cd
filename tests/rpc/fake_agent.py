"""An agent on the wire and nothing behind it: it answers what a test says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import zmq
import zmq.asyncio
from zmq.auth.asyncio import AsyncioAuthenticator

from tests.rpc import upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

FUNCTION, RESULT, FAILURE, ERROR, CANCEL, CANCELLED = range(1, 7)
SILENCE: Final = object()
"""As an answer: there is none."""


@dataclass(frozen=True)
class Failure:
    name: str
    text: str


@dataclass(frozen=True)
class Frames:
    """An answer as it is, whatever it is."""

    frames: list[bytes]


@dataclass
class Call:
    header: dict[str, Any]
    args: list[Any]
    kwargs: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.header["meth"])


@dataclass
class FakeAgent:
    """``answers`` maps a function to its result, or to what makes one of the arguments."""

    addr: str = ""
    answers: dict[str, object] = field(default_factory=dict)
    greeting: list[bytes] = field(default_factory=lambda: [b"PONG", b"", b""])
    calls: list[Call] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    connections: int = 0
    dead: bool = False

    def asked(self, name: str) -> list[Call]:
        return [call for call in self.calls if call.name == name]

    def reply(self, frames: list[bytes]) -> list[bytes] | None:
        """The answer to one message, if there is one."""
        if self.dead:
            return None
        if frames == [b"PING", b"", b""]:
            self.connections += 1
            return self.greeting or None
        assert frames[0] == b"UPPER"
        header, data = upstream.unpacked(frames[1]), upstream.unpacked(frames[2])
        if header["type"] == CANCEL:
            self.cancelled.append(header["meth"])
            return None
        assert header["type"] == FUNCTION
        if header["meth"] not in upstream.FUNCTIONS:
            self.dead = True
            return None
        body = upstream.unpacked(data["body"])
        call = Call(header, body["args"], body["kwargs"])
        self.calls.append(call)
        return self._answer(call)

    def _answer(self, call: Call) -> list[bytes] | None:
        answer = self.answers.get(call.name)
        if callable(answer):
            answer = answer(*call.args)
        if answer is SILENCE:
            return None
        if isinstance(answer, Frames):
            return answer.frames
        if isinstance(answer, Failure):
            meta = upstream.packed([answer.name, answer.text, "Traceback …"])
            return message(call.header, FAILURE, meta=meta)
        return message(call.header, RESULT, body=upstream.packed(answer))


def message(
    header: dict[str, Any], kind: int, *, meta: bytes = b"\x90", body: bytes | None = None
) -> list[bytes]:
    return [
        b"UPPER",
        upstream.packed({**header, "type": kind}),
        upstream.packed({"meta": meta, "body": body}),
    ]


def answered(name: str, body: bytes, **header: object) -> Frames:
    """A result whose body is packed already, under a header that may be wrong."""
    usual = {"meth": name, "okey": "", "seq": 0, "zip": False}
    return Frames(message({**usual, **header}, RESULT, body=body))


@dataclass(frozen=True)
class Curve:
    """The agent's pair, and the only key that it lets in."""

    public: bytes
    secret: bytes
    manager: bytes


class _OneManager:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def callback(self, _domain: str, key: bytes) -> bool:
        return key == self._key


@asynccontextmanager
async def running(curve: Curve | None = None) -> AsyncIterator[FakeAgent]:
    context = zmq.asyncio.Context()
    authenticator = None
    if curve is not None:
        authenticator = AsyncioAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve_callback("*", _OneManager(curve.manager))
    socket = context.socket(zmq.ROUTER)
    if curve is not None:
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = curve.public, curve.secret
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    agent = FakeAgent(addr=f"tcp://127.0.0.1:{port}")
    task = asyncio.create_task(_serve(agent, socket))
    try:
        yield agent
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        if authenticator is not None:
            authenticator.stop()
        context.destroy(linger=0)


async def _serve(agent: FakeAgent, socket: zmq.asyncio.Socket) -> None:
    while True:
        identity, *frames = await socket.recv_multipart()
        if (reply := agent.reply(frames)) is not None:
            await socket.send_multipart([identity, *reply])
