"""Who acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bai_manager.types.status import UserRole

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.types.credentials import Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """A verified identity: one active user acting through one active key pair.

    ``authenticated_by`` differs from ``access_key`` when a superadmin acts as somebody else
    (``--as``); the audit row names both.
    """

    user_id: UUID
    email: str
    username: str
    role: UserRole
    domain_name: str
    access_key: str
    authenticated_by: str

    @property
    def is_superadmin(self) -> bool:
        return self.role is UserRole.SUPERADMIN


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What the profile or environment offers as proof."""

    access_key: str
    secret_key: Secret
    act_as: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A key pair and its user as stored, active or not."""

    actor: Actor
    secret_key: Secret
    keypair_active: bool
    user_status: str


class IdentityStore(Protocol):
    async def identity_of(self, access_key: str) -> Identity | None: ...
