"""Key pairs: what users sign requests with, and what their sessions start with."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bai_manager.services.keypair.actions import (
    BootstrapScriptActionResult,
    CreateKeypairActionResult,
    DeleteKeypairActionResult,
    GenerateSSHKeypairActionResult,
    GetKeypairActionResult,
    KeypairDotfilesActionResult,
    ListKeypairsActionResult,
    RotateKeypairActionResult,
    SSHPublicKeyActionResult,
    UpdateKeypairActionResult,
)
from bai_manager.services.keypair.errors import KeyPairNotFound
from bai_manager.services.keypair.types import check_bootstrap_script, check_rate_limit
from bai_manager.types.credentials import new_access_key, new_secret_key
from bai_manager.types.dotfiles import (
    find_dotfile,
    selected_dotfiles,
    with_changed,
    with_new,
    without,
)
from bai_manager.types.ssh_keys import checked_ssh_keypair
from bai_manager.types.tristate import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.keypair import KeypairRepository
    from bai_manager.services.keypair.actions import (
        CreateKeypairAction,
        CreateKeypairDotfileAction,
        DeleteKeypairAction,
        DeleteKeypairDotfileAction,
        GenerateSSHKeypairAction,
        GetBootstrapScriptAction,
        GetKeypairAction,
        GetSSHKeypairAction,
        ListKeypairDotfilesAction,
        ListKeypairsAction,
        RotateKeypairAction,
        SetBootstrapScriptAction,
        UpdateKeypairAction,
        UpdateKeypairDotfileAction,
        UploadSSHKeypairAction,
    )
    from bai_manager.types.credentials import Token
    from bai_manager.types.dotfiles import Dotfile
    from bai_manager.types.ssh_keys import SSHKeypair


class KeypairService:
    """Manages key pairs.

    ``token`` is where random bytes come from; ``memory`` is what a manager counts of them.
    """

    def __init__(
        self,
        *,
        keypairs: KeypairRepository,
        new_ssh_keypair: Callable[[], SSHKeypair],
        token: Token,
        memory: ManagerMemory,
    ) -> None:
        self._keypairs = keypairs
        self._new_ssh_keypair = new_ssh_keypair
        self._token = token
        self._memory = memory

    async def list_keypairs(self, action: ListKeypairsAction) -> ListKeypairsActionResult:
        """Key pairs of one user, or of all that may be seen."""
        return ListKeypairsActionResult(
            keypairs=await self._keypairs.list_keypairs(
                action.query, user=action.user, visible=action.visible
            )
        )

    async def get_keypair(self, action: GetKeypairAction) -> GetKeypairActionResult:
        """One key pair without its secrets."""
        keypair, live_sessions = await self._keypairs.get_keypair(action.owner or "")
        return GetKeypairActionResult(keypair=keypair, live_sessions=live_sessions)

    async def create_keypair(self, action: CreateKeypairAction) -> CreateKeypairActionResult:
        """Another key pair of a user, with an SSH key of its own."""
        check_rate_limit(action.spec.rate_limit)
        secret_key = new_secret_key(self._token)
        keypair = await self._keypairs.create_keypair(
            action.user,
            action.spec,
            access_key=new_access_key(self._token),
            secret_key=secret_key,
            ssh_keypair=await asyncio.to_thread(self._new_ssh_keypair),
        )
        return CreateKeypairActionResult(keypair=keypair, secret_key=secret_key)

    async def update_keypair(self, action: UpdateKeypairAction) -> UpdateKeypairActionResult:
        """Change what is given and leave the rest."""
        if action.changes.rate_limit is not UNSET:
            check_rate_limit(action.changes.rate_limit)
        keypair, changed = await self._keypairs.update_keypair(
            action.access_key, action.changes, if_unchanged=action.if_unchanged
        )
        if changed:
            await self._memory.forget_room()
        return UpdateKeypairActionResult(keypair=keypair, changed=changed)

    async def rotate_keypair(self, action: RotateKeypairAction) -> RotateKeypairActionResult:
        """Another secret key, told once."""
        secret_key = new_secret_key(self._token)
        keypair = await self._keypairs.replace_secret(action.access_key, secret_key)
        return RotateKeypairActionResult(keypair=keypair, secret_key=secret_key)

    async def delete_keypair(self, action: DeleteKeypairAction) -> DeleteKeypairActionResult:
        """Delete a key pair that nobody logs in with."""
        try:
            keypair = await self._keypairs.delete_keypair(action.access_key)
        except KeyPairNotFound:
            if not action.ignore_not_found:
                raise
            return DeleteKeypairActionResult(keypair=None)
        await self._memory.forget_keypairs([keypair.access_key])
        return DeleteKeypairActionResult(keypair=keypair)

    async def get_ssh_keypair(self, action: GetSSHKeypairAction) -> SSHPublicKeyActionResult:
        """The public half."""
        access_key = action.owner or ""
        return SSHPublicKeyActionResult(
            access_key=access_key, public_key=await self._keypairs.ssh_public_key(access_key)
        )

    async def generate_ssh_keypair(
        self, action: GenerateSSHKeypairAction
    ) -> GenerateSSHKeypairActionResult:
        """Another SSH key; the private half is told once."""
        access_key = action.owner or ""
        made = await asyncio.to_thread(self._new_ssh_keypair)
        await self._keypairs.replace_ssh_keypair(access_key, made)
        return GenerateSSHKeypairActionResult(
            access_key=access_key, public_key=made.public_key, private_key=made.private_key
        )

    async def upload_ssh_keypair(self, action: UploadSSHKeypairAction) -> SSHPublicKeyActionResult:
        """An SSH key whose halves belong together."""
        access_key = action.owner or ""
        given = checked_ssh_keypair(action.public_key, action.private_key)
        await self._keypairs.replace_ssh_keypair(access_key, given)
        return SSHPublicKeyActionResult(access_key=access_key, public_key=given.public_key)

    async def list_dotfiles(self, action: ListKeypairDotfilesAction) -> KeypairDotfilesActionResult:
        """Dotfiles of a key pair."""
        access_key = action.owner or ""
        return KeypairDotfilesActionResult(
            access_key=access_key,
            dotfiles=selected_dotfiles(await self._keypairs.dotfiles(access_key), action.query),
        )

    async def create_dotfile(
        self, action: CreateKeypairDotfileAction
    ) -> KeypairDotfilesActionResult:
        """One more; its path may not be the name of a folder that would be mounted there."""
        return await self._changed_dotfiles(
            action.owner or "",
            lambda dotfiles: with_new(dotfiles, action.dotfile),
            new_path=action.dotfile.path,
        )

    async def update_dotfile(
        self, action: UpdateKeypairDotfileAction
    ) -> KeypairDotfilesActionResult:
        """Other content for one that is there."""

        def change(dotfiles: Sequence[Dotfile]) -> tuple[Dotfile, ...]:
            old = find_dotfile(dotfiles, action.path)
            permission = action.permission or old.permission
            return with_changed(dotfiles, replace(old, data=action.data, permission=permission))

        return await self._changed_dotfiles(action.owner or "", change)

    async def delete_dotfile(
        self, action: DeleteKeypairDotfileAction
    ) -> KeypairDotfilesActionResult:
        """One less."""
        return await self._changed_dotfiles(
            action.owner or "", lambda dotfiles: without(dotfiles, action.path)
        )

    async def get_bootstrap_script(
        self, action: GetBootstrapScriptAction
    ) -> BootstrapScriptActionResult:
        """What the key pair's sessions run first."""
        access_key = action.owner or ""
        return BootstrapScriptActionResult(
            access_key=access_key, script=await self._keypairs.bootstrap_script(access_key)
        )

    async def set_bootstrap_script(
        self, action: SetBootstrapScriptAction
    ) -> BootstrapScriptActionResult:
        """Another script, or none."""
        check_bootstrap_script(action.script)
        access_key = action.owner or ""
        await self._keypairs.replace_bootstrap_script(access_key, action.script)
        return BootstrapScriptActionResult(access_key=access_key, script=action.script)

    async def _changed_dotfiles(
        self,
        access_key: str,
        change: Callable[[Sequence[Dotfile]], tuple[Dotfile, ...]],
        *,
        new_path: str | None = None,
    ) -> KeypairDotfilesActionResult:
        dotfiles = await self._keypairs.change_dotfiles(access_key, change, new_path=new_path)
        return KeypairDotfilesActionResult(access_key=access_key, dotfiles=dotfiles)
