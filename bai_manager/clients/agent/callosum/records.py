"""What an agent does not tell and others know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from bai_manager.clients.agent.protocol import ImageSpec, KernelCreationInfo, KernelStat


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What the row of an agent says: its CURVE key in Z85, None for plain TCP; its version."""

    public_key: str | None
    version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelRecord:
    """What the database knows of a kernel that runs, or should, on an agent."""

    kernel_id: UUID
    session_id: UUID
    image: ImageSpec
    creation_info: KernelCreationInfo


class KernelRecords(Protocol):
    """Finds the records of an agent's kernels: an agent does not list them."""

    async def __call__(self, agent_id: str, /) -> Sequence[KernelRecord]: ...


class LiveUsage(Protocol):
    """Reads live usage where agents leave it; kernels without a sample are left out."""

    async def __call__(self, kernel_ids: Sequence[UUID], /) -> Mapping[UUID, KernelStat]: ...
