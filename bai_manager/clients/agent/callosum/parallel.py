"""The same question to many, never to too many at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from bai_manager.errors import BackendAIError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from bai_manager.clients.agent.protocol import AgentClient

T = TypeVar("T")
R = TypeVar("R")


async def in_parallel(
    items: Iterable[T], act: Callable[[T], Awaitable[R]], *, at_once: int
) -> list[R]:
    """Return the results in order; the first error ends the rest and is raised."""
    room = asyncio.Semaphore(at_once)

    async def act_on(item: T) -> R:
        async with room:
            return await act(item)

    tasks = [asyncio.ensure_future(act_on(item)) for item in items]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ask_all(
    agents: Iterable[AgentClient],
    act: Callable[[AgentClient], Awaitable[R]],
    *,
    at_once: int = 32,
) -> dict[str, R | BackendAIError]:
    """Agent id → what it answered, or why it did not: one that fails holds up no other."""

    async def outcome(agent: AgentClient) -> tuple[str, R | BackendAIError]:
        try:
            return agent.agent_id, await act(agent)
        except BackendAIError as error:
            return agent.agent_id, error

    return dict(await in_parallel(agents, outcome, at_once=at_once))
