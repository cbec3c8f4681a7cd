"""What a container registry looks like from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.types.status import ContainerRegistryType


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerRegistryData:
    """One ``container_registries`` row, its password left out.

    A registry that is not global is for the projects named (``DOMAIN/NAME``). ``image_count`` is
    of images that can be used.
    """

    id: UUID
    registry_name: str
    project: str | None
    url: str
    type: ContainerRegistryType
    username: str | None
    has_password: bool
    ssl_verify: bool
    is_global: bool
    allowed_groups: list[str]
    image_count: int
