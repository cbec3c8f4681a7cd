"""What can go wrong when an agent is named."""

from __future__ import annotations

from bai_manager.errors import NotFound


class AgentNotFound(NotFound):
    """No agent row has that id."""

    error_code = "agent_read_not-found"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            f"There is no agent {agent_id!r}.",
            hint="List agents with 'bai-manager agent list'.",
            details={"agent": agent_id},
        )
