"""One client per agent, chosen by the scheme of its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bai_manager.clients.agent.errors import AgentUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bai_manager.clients.agent.protocol import AgentClient


class Agents(Protocol):
    """Finds the client of an agent by its id and address."""

    def client(self, agent_id: str, addr: str) -> AgentClient:
        """Raises ``AgentUnreachable`` for an address that this profile cannot speak to."""

    def resident(self) -> Sequence[AgentClient]:
        """The agents whose kernels only this process can watch over: those of this machine."""


class AgentPool:
    """Builds a client on first use and keeps it; ``factories`` maps scheme to constructor."""

    def __init__(
        self,
        factories: Mapping[str, Callable[[str, str], AgentClient]],
        resident: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._factories = factories
        self._resident = resident
        self._clients: dict[tuple[str, str], AgentClient] = {}

    def client(self, agent_id: str, addr: str) -> AgentClient:
        key = agent_id, addr
        if key not in self._clients:
            self._clients[key] = self._build(agent_id, addr)
        return self._clients[key]

    def resident(self) -> list[AgentClient]:
        return [self.client(agent_id, addr) for agent_id, addr in self._resident]

    def _build(self, agent_id: str, addr: str) -> AgentClient:
        scheme = addr.partition("://")[0]
        factory = self._factories.get(scheme)
        if factory is None:
            raise AgentUnreachable(
                agent_id,
                f"its address {addr!r} is none this profile can reach",
                hint="A profile reaches local:// agents of its own machine, or those of a cluster.",
            )
        return factory(agent_id, addr)

    async def aclose(self) -> None:
        """Let go of every client."""
        for client in self._clients.values():
            await client.aclose()
