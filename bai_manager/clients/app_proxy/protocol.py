"""What a way to a program needs to know, and who makes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.types.credentials import Secret
    from bai_manager.types.json import JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class ProxyAddress:
    """The app proxy of a resource group; ``token`` is its API secret."""

    url: str
    token: Secret | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningApp:
    """A program that an agent has started.

    ``host`` and ``port`` are the agent's, None where it maps none beforehand; ``told`` is what the
    agent answered. ``arguments`` and ``environ`` are those it was started with.
    """

    name: str
    protocol: str
    host: str
    port: int | None
    told: JsonObject
    session_id: UUID
    user_id: UUID
    group_id: UUID
    access_key: str
    domain_name: str
    arguments: JsonObject
    environ: JsonObject
    open_to_public: bool = False


class AppGateway(Protocol):
    """Makes addresses of programs. ``proxy`` is that of the session's resource group."""

    async def check(self, proxy: ProxyAddress | None) -> None:
        """Raise what says why there would be no way, before anything is started."""

    async def open(self, app: RunningApp, proxy: ProxyAddress | None) -> str | None:
        """The address for people; None in a rehearsal, where nothing runs."""
