"""Is the actor who they say, and still active?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bai_manager.actions.errors import AuthorizationFailed, InsufficientPrivilege

if TYPE_CHECKING:
    from bai_manager.actions.actor import Actor, Credentials, Identity, IdentityStore

_HINT = "Check the profile with 'bai-manager config show --origin'."
_ACTIVE = "active"


class AuthenticationValidator:
    """Verifies a key pair against the database, in constant time for the secret."""

    def __init__(self, identities: IdentityStore) -> None:
        self._identities = identities

    async def authenticate(self, credentials: Credentials) -> Actor:
        """The actor behind the credentials; ``AuthorizationFailed`` says why there is none."""
        identity = await self._identities.identity_of(credentials.access_key)
        if identity is None or identity.secret_key != credentials.secret_key:
            raise AuthorizationFailed(
                f"Key pair {credentials.access_key} is unknown or its secret key is wrong.",
                hint=_HINT,
            )
        _require_active(identity)
        if credentials.act_as is None:
            return identity.actor
        return await self._act_as(identity.actor, credentials.act_as)

    async def _act_as(self, actor: Actor, access_key: str) -> Actor:
        if not actor.is_superadmin:
            raise InsufficientPrivilege(
                f"{actor.email} may not act as another key pair: that takes a superadmin."
            )
        identity = await self._identities.identity_of(access_key)
        if identity is None:
            raise AuthorizationFailed(
                f"There is no key pair {access_key} to act as.",
                hint="List key pairs with 'bai-manager user keypair list'.",
            )
        _require_active(identity)
        return replace(identity.actor, authenticated_by=actor.access_key)


def _require_active(identity: Identity) -> None:
    actor = identity.actor
    if not identity.keypair_active:
        raise AuthorizationFailed(
            f"Key pair {actor.access_key} of {actor.email} is inactive.", hint=_HINT
        )
    if identity.user_status != _ACTIVE:
        raise AuthorizationFailed(
            f"User {actor.email} is {identity.user_status}, not active.", hint=_HINT
        )
