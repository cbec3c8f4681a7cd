"""Asks one agent, and says in the words of all agents what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bai_manager.clients.agent.callosum.errors import (
    AgentVersionNotSpoken,
    NoAnswer,
    RemoteFailure,
    Unreadable,
)
from bai_manager.clients.agent.callosum.functions import SPOKEN_VERSION, Function
from bai_manager.clients.agent.callosum.keys import load_keys
from bai_manager.clients.agent.callosum.records import Registration
from bai_manager.clients.agent.callosum.shapes import truth
from bai_manager.clients.agent.errors import AgentError, AgentUnreachable, KernelNotOnAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from typing import TypeAlias, TypeVar
    from uuid import UUID

    from bai_manager.clients.agent.callosum.functions import Limits
    from bai_manager.clients.agent.callosum.keys import Keys
    from bai_manager.clients.agent.callosum.packing import Packable, WireValue

    T = TypeVar("T")

    FoundRegistration: TypeAlias = Registration | Callable[[], Awaitable[Registration]]

LARGEST_ANSWER: Final = 32 * 2**20
"""Bytes. Logs are the largest: agents keep some 10 MiB of a container's."""


class Caller:
    """Every method raises ``AgentUnreachable`` and ``AgentError``; ``read`` takes the result."""

    def __init__(
        self,
        agent_id: str,
        addr: str,
        *,
        registration: FoundRegistration,
        manager_keypair: Path | None,
        limits: Limits,
        largest: int = LARGEST_ANSWER,
    ) -> None:
        self._agent_id = agent_id
        self._addr = addr
        self._registration = registration
        self._manager_keypair = manager_keypair
        self._limits = limits
        self._largest = largest
        self._keys: Keys | None = None
        self._is_registered = False

    async def ask(
        self,
        function: Function,
        read: Callable[[WireValue], T],
        *args: Packable,
        limit: float | None = None,
        **kwargs: Packable,
    ) -> T:
        from bai_manager.clients.agent.callosum.connection import (  # noqa: PLC0415 - see functions
            Connection,
        )

        if function is not Function.HEALTH:
            kwargs["agent_id"] = self._agent_id
        limit = limit or self._limits.of(function)
        try:
            await self._register()
            async with Connection.open(
                self._addr, self._keys, limit=self._limits.greeting, largest=self._largest
            ) as agent:
                return read(await agent.ask(function, args, kwargs, limit))
        except NoAnswer as silence:
            raise AgentUnreachable(self._agent_id, str(silence), hint=silence.hint) from None
        except Unreadable as garbage:
            why = f"what it says cannot be read: {garbage}"
            raise AgentUnreachable(self._agent_id, why) from None
        except RemoteFailure as failure:
            raise AgentError(self._agent_id, failure.name, failure.text) from None

    async def ask_kernel(
        self,
        kernel_id: UUID,
        function: Function,
        read: Callable[[WireValue], T],
        *args: Packable,
    ) -> T:
        """The kernel's id is the first argument; raises ``KernelNotOnAgent`` besides."""
        return await self.of_kernel(kernel_id, self.ask(function, read, str(kernel_id), *args))

    async def of_kernel(self, kernel_id: UUID, asked: Awaitable[T]) -> T:
        """Tell a failure from an unknown kernel, of which agents say different things."""
        try:
            return await asked
        except AgentError:
            await self.require_known(kernel_id)
            raise

    async def require_known(self, kernel_id: UUID) -> None:
        """Raise ``KernelNotOnAgent`` unless the kernel is being created or was."""
        if not await self.ask(Function.CHECK_CREATING, truth, str(kernel_id)):
            raise KernelNotOnAgent(self._agent_id, kernel_id)

    async def _register(self) -> None:
        """Find out once which keys and which version it has."""
        if self._is_registered:
            return
        found = self._registration
        if not isinstance(found, Registration):
            found = await found()
        version = found.version
        if version is not None and not f"{version}.".startswith(f"{SPOKEN_VERSION}."):
            raise AgentVersionNotSpoken(self._agent_id, version, SPOKEN_VERSION)
        if found.public_key is not None:
            self._keys = load_keys(found.public_key, self._manager_keypair)
        self._is_registered = True
