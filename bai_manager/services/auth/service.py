"""Who the caller is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.auth.actions import GetIdentityActionResult

if TYPE_CHECKING:
    from bai_manager.repositories.owner import OwnerRepository
    from bai_manager.services.auth.actions import GetIdentityAction


class AuthService:
    """Tells the caller about itself; authentication is the processor's."""

    def __init__(self, *, owners: OwnerRepository) -> None:
        self._owners = owners

    async def get_identity(self, action: GetIdentityAction) -> GetIdentityActionResult:
        """The user and key pair behind the profile."""
        return GetIdentityActionResult(identity=await self._owners.get_identity(action.owner or ""))
