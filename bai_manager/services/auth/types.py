"""What the caller learns about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.types.status import UserRole


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityData:
    """A user through one key pair; ``projects`` are the names of active ones."""

    user_id: UUID
    email: str
    username: str
    role: UserRole
    domain_name: str
    access_key: str
    resource_policy: str
    projects: list[str]
