"""Sessions and kernels as the runner acts on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.types.status import AgentStatus, KernelStatus, SessionStatus, SessionType

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.clients.agent.protocol import ClusterInfo, ImageSpec, KernelCreationConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelRow:
    """One kernel with the state of its session and agent."""

    id: UUID
    session_id: UUID
    session_type: SessionType
    status: KernelStatus
    status_info: str | None
    session_status: SessionStatus
    agent: str | None
    agent_addr: str | None
    agent_status: str | None
    is_main: bool
    startup_command: str | None
    batch_timeout: int | None

    @property
    def agent_is_gone(self) -> bool:
        """Nobody is left who could tell how it ended."""
        return self.agent is None or self.agent_status in {
            None,
            AgentStatus.LOST,
            AgentStatus.TERMINATED,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRow:
    id: UUID
    session_type: SessionType
    kernels: list[KernelRow]


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelStart:
    """One kernel to be started and where."""

    agent_id: str
    agent_addr: str
    status: KernelStatus
    config: KernelCreationConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionStart:
    """One session to be started: its kernels by agent, and what they know of each other."""

    session_id: UUID
    cluster: ClusterInfo
    image: ImageSpec
    kernels: list[KernelStart]
