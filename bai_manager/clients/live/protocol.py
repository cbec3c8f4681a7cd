"""What can tell what kernels use now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from bai_manager.clients.agent.protocol import KernelStat


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelPlace:
    """A kernel and the agent that runs it."""

    kernel_id: UUID
    agent_id: str
    agent_addr: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveReading:
    """Samples of the kernels that have any; ``silent`` says why an agent gave none."""

    stats: Mapping[UUID, KernelStat]
    silent: Mapping[str, str]


class LiveStats(Protocol):
    """The last sample of each kernel, in the units of ``KernelStat``."""

    async def read(self, kernels: Sequence[KernelPlace]) -> LiveReading:
        """Kernels without a sample are left out.

        Raises ``Unreachable`` when nothing that was asked answers.
        """
