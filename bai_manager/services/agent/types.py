"""What an agent looks like from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.resource_slot import ResourceSlot
    from bai_manager.types.status import AgentStatus, SessionStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentData:
    """One agent row; ``kernel_count`` counts the kernels that hold resources on it."""

    id: str
    status: AgentStatus
    status_changed: datetime | None
    region: str
    scaling_group: str
    schedulable: bool
    available_slots: ResourceSlot
    occupied_slots: ResourceSlot
    addr: str
    version: str
    architecture: str
    first_contact: datetime | None
    lost_at: datetime | None
    kernel_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSession:
    """A session that holds something on an agent, with how many of its kernels do."""

    id: UUID
    name: str
    status: SessionStatus
    access_key: str
    user_email: str | None
    kernel_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OccupancyChange:
    """What an agent's row said it holds, and what its kernels hold."""

    agent: str
    recorded: ResourceSlot
    counted: ResourceSlot
    changed: bool
