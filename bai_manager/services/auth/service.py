"""Who the caller is, and the caller's own password."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bai_manager.services.auth.actions import GetIdentityActionResult, UpdatePasswordActionResult
from bai_manager.services.auth.errors import (
    NewPasswordMismatch,
    OldPasswordMismatch,
    PasswordChanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bai_manager.repositories.owner import OwnerRepository
    from bai_manager.repositories.password import PasswordRepository
    from bai_manager.services.auth.actions import GetIdentityAction, UpdatePasswordAction
    from bai_manager.types.credentials import Secret


class AuthService:
    """Tells the caller about itself; authentication is the processor's.

    ``hash_password`` and ``verify_password`` take their time, so they run in threads.
    """

    def __init__(
        self,
        *,
        owners: OwnerRepository,
        passwords: PasswordRepository,
        hash_password: Callable[[Secret], str],
        verify_password: Callable[[Secret, str | None], bool],
    ) -> None:
        self._owners = owners
        self._passwords = passwords
        self._hash_password = hash_password
        self._verify_password = verify_password

    async def get_identity(self, action: GetIdentityAction) -> GetIdentityActionResult:
        """The user and key pair behind the profile."""
        return GetIdentityActionResult(identity=await self._owners.get_identity(action.owner or ""))

    async def update_password(self, action: UpdatePasswordAction) -> UpdatePasswordActionResult:
        """Another password for whoever knows the old one, in whatever format that is stored."""
        if action.new_password != action.new_password_confirm:
            raise NewPasswordMismatch
        access_key = action.owner or ""
        user_id, stored = await self._passwords.password_of(access_key)
        matches = await asyncio.to_thread(self._verify_password, action.old_password, stored)
        if stored is None or not matches:
            raise OldPasswordMismatch
        new_hash = await asyncio.to_thread(self._hash_password, action.new_password)
        if not await self._passwords.replace_password(user_id, old_hash=stored, new_hash=new_hash):
            raise PasswordChanged
        return UpdatePasswordActionResult(user_id=user_id, access_key=access_key)
