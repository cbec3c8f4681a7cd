"""What turning a session into an image stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.types.credentials import Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class PushTarget:
    """Where a project keeps its images: a row of ``container_registries``."""

    name: str
    project: str
    url: str
    username: str | None
    password: Secret | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Customizing:
    """What a user may keep, and keeps already.

    ``existing_id`` is that of the user's usable image of the name, which is then replaced;
    ``registry`` is the project's, ``registry_named`` whether the project names one at all.
    """

    limit: int | None
    current: int
    existing_id: UUID | None
    registry_named: bool
    registry: PushTarget | None
