"""A connection to one agent, for one request (``reference/agent-rpc.md`` §2)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from bai_manager.clients.agent.callosum import envelope
from bai_manager.clients.agent.callosum.errors import NoAnswer, Unreadable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from typing import Self

    from bai_manager.clients.agent.callosum.functions import Function
    from bai_manager.clients.agent.callosum.keys import Keys
    from bai_manager.clients.agent.callosum.packing import Packable, WireValue

_OPTIONS: Final = {
    zmq.LINGER: 100,
    zmq.RECONNECT_IVL: -1,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 60,
    zmq.TCP_KEEPALIVE_INTVL: 20,
    zmq.TCP_KEEPALIVE_CNT: 3,
}
_REFUSALS: Final = (zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
_PROGRESS: Final = (zmq.EVENT_CONNECTED, zmq.EVENT_HANDSHAKE_SUCCEEDED)
_COMPARE_KEYS: Final = (
    "Compare agents.public_key and the profile's agent.rpc_manager_keypair with"
    " rpc-auth-agent-keypair and rpc-auth-manager-public-key in the agent's agent.toml."
)


class Connection:
    """Every method raises ``NoAnswer``, which says as much of the cause as ZeroMQ tells."""

    def __init__(
        self, socket: zmq.asyncio.Socket, addr: str, *, secured: bool, largest: int
    ) -> None:
        self._socket = socket
        self._addr = addr
        self._secured = secured
        self._largest = largest
        self._reached: int | None = None
        self._greeted = False
        self._monitor = socket.get_monitor_socket()
        self._poller = zmq.asyncio.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, addr: str, keys: Keys | None, *, limit: float, largest: int
    ) -> AsyncIterator[Self]:
        """Connect, and wait until the agent says that it is there."""
        socket = zmq.asyncio.Context.instance().socket(zmq.DEALER)
        for option, value in _OPTIONS.items():
            socket.setsockopt(option, value)
        socket.setsockopt(zmq.MAXMSGSIZE, largest)
        socket.setsockopt(zmq.IPV6, "[" in addr)
        if keys is not None:
            socket.curve_serverkey = keys.agent
            socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
        connection = cls(socket, addr, secured=keys is not None, largest=largest)
        try:
            await connection._greet(limit)
            yield connection
        finally:
            connection.close()

    async def ask(
        self,
        function: Function,
        args: Sequence[Packable],
        kwargs: Mapping[str, Packable],
        limit: float,
    ) -> WireValue:
        """Call one function; if nobody waits for the answer any more, the agent is told.

        Raises ``RemoteFailure`` and ``Unreadable`` besides.
        """
        await self._send(envelope.request(function, args, kwargs))
        try:
            frames = await self._receive(limit)
        except (NoAnswer, asyncio.CancelledError):
            await self._send(envelope.cancellation(function))
            raise
        return envelope.read_answer(frames, function)

    def close(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close()

    async def _greet(self, limit: float) -> None:
        try:
            self._socket.connect(self._addr)
        except zmq.ZMQError as error:
            raise NoAnswer(f"{self._addr!r} is no address of an agent") from error
        await self._send(envelope.GREETING)
        frames = await self._receive(limit)
        if frames[0] != envelope.GREETED:
            raise Unreadable("a greeting of another kind")
        self._greeted = True

    async def _send(self, frames: list[bytes]) -> None:
        """Hand over to ZeroMQ; when it has no connection any more, ``_receive`` learns why."""
        with suppress(zmq.Again):
            await self._socket.send_multipart(frames, flags=zmq.NOBLOCK)

    async def _receive(self, limit: float) -> list[bytes]:
        try:
            async with asyncio.timeout(limit):
                while True:
                    ready = [socket for socket, _ in await self._poller.poll()]
                    if self._socket in ready:
                        return await self._socket.recv_multipart()
                    event = parse_monitor_message(await self._monitor.recv_multipart())
                    if (broken := self._note(event["event"])) is not None:
                        return await self._last_words(broken)
        except TimeoutError:
            raise self._silence(limit) from None

    async def _last_words(self, broken: NoAnswer) -> list[bytes]:
        """Read an answer that came right before the connection was closed, if one did."""
        try:
            return await self._socket.recv_multipart(flags=zmq.NOBLOCK)
        except zmq.Again:
            raise broken from None

    def _note(self, event: int) -> NoAnswer | None:
        """Remember how far it got; say what is wrong when it gets no further."""
        if event in _PROGRESS:
            self._reached = event
        elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return NoAnswer("it refuses the manager's key", hint=_COMPARE_KEYS)
        elif event in _REFUSALS and self._secured:
            why = "its key is not the one in the database, or it uses none"
            return NoAnswer(why, hint=_COMPARE_KEYS)
        elif event in _REFUSALS:
            why = f"it asks for keys and the database has none of it, or {self._addr} is no agent"
            return NoAnswer(why, hint=_COMPARE_KEYS)
        elif event == zmq.EVENT_CLOSED:
            return NoAnswer(f"nobody accepts connections at {self._addr}")
        elif event == zmq.EVENT_DISCONNECTED:
            return NoAnswer(f"it closed the connection, or sent more than {self._largest} bytes")
        return None

    def _silence(self, limit: float) -> NoAnswer:
        if self._greeted:
            return NoAnswer(f"no answer within {limit:g} s")
        if self._reached is None:
            return NoAnswer(f"no connection to {self._addr} within {limit:g} s")
        if self._reached == zmq.EVENT_CONNECTED:
            return NoAnswer(f"{self._addr} accepts connections but does not speak as an agent")
        return NoAnswer(
            f"it accepts connections but says nothing within {limit:g} s",
            hint="When its receive loop is dead, only a restart of the agent helps.",
        )
