"""What can go wrong when an agent is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import NotFound, TimedOut

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED = 5


class AgentNotFound(NotFound):
    """No agent row has that id."""

    error_code = "agent_read_not-found"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            f"There is no agent {agent_id!r}.",
            hint="List agents with 'bai-manager agent list'.",
            details={"agent": agent_id},
        )


class AgentNotDrained(TimedOut):
    """Sessions still hold something on the agent; it stays closed to new ones."""

    error_code = "agent_update_timeout"

    def __init__(self, agent_id: str, sessions: Sequence[str], timeout: float | None) -> None:
        named = ", ".join(sessions[:_NAMED]) + (", …" if len(sessions) > _NAMED else "")
        super().__init__(
            f"After {timeout or 0:g} s, agent {agent_id!r} still has {len(sessions)} of its"
            f" sessions: {named}.",
            hint="It gets no new ones. Wait again with 'bai-manager agent drain"
            f" {agent_id} --wait', or end them with 'bai-manager session destroy'.",
            details={"agent": agent_id, "sessions": [*sessions]},
        )
