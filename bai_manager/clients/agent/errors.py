"""What can go wrong between us and an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import BackendAIError, NotFound, Unreachable

if TYPE_CHECKING:
    from uuid import UUID


class AgentUnreachable(Unreachable):
    """The agent did not answer in time."""

    error_code = "agent_request_unreachable"

    def __init__(self, agent_id: str, why: str, *, hint: str | None = None) -> None:
        super().__init__(
            f"Agent {agent_id} does not answer: {why}",
            hint=hint or f"Look at it with: bai-manager agent show {agent_id}",
            details={"agent": agent_id},
        )


class AgentError(BackendAIError):
    """The agent answered with a failure."""

    error_code = "agent_access_internal-error"

    def __init__(self, agent_id: str, name: str, message: str) -> None:
        super().__init__(
            f"Agent {agent_id} failed: {message} ({name})",
            details={"agent": agent_id, "name": name},
        )
        self.name = name


class KernelNotOnAgent(NotFound):
    """The agent does not know the kernel."""

    error_code = "kernel_read_not-found"

    def __init__(self, agent_id: str, kernel_id: UUID) -> None:
        super().__init__(
            f"Agent {agent_id} does not know kernel {kernel_id}; it may have ended.",
            details={"agent": agent_id, "kernel": str(kernel_id)},
        )


class ImagePullFailed(BackendAIError):
    """The agent cannot make an image available."""

    error_code = "image_read_unavailable"

    def __init__(self, agent_id: str, canonical: str, why: str) -> None:
        super().__init__(
            f"Agent {agent_id} cannot provide image {canonical}: {why}",
            details={"agent": agent_id, "image": canonical},
        )
