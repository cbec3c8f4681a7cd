"""What a session serves, as seen from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bai_manager.types.credentials import Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class AppData:
    """One service of the main kernel; a host port is None where it is chosen at the start."""

    name: str
    protocol: str
    container_ports: list[int]
    host_ports: list[int | None]
    is_inference: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AppPlace:
    """Where a kernel is reached, and by which app proxy."""

    kernel_host: str | None
    proxy_url: str | None
    proxy_token: Secret | None
