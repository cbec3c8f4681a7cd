"""Users: who they are, what they may, and how they leave."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from bai_manager.services.purging import destroy_sessions, fingerprint
from bai_manager.services.user.actions import (
    CreateUserActionResult,
    DeleteUserActionResult,
    GetUserActionResult,
    GetUserStatsActionResult,
    ListUsersActionResult,
    PurgeUserActionResult,
    ResetUserPasswordActionResult,
    SetUserPasswordActionResult,
    UpdateUserActionResult,
)
from bai_manager.services.user.errors import (
    UserConflict,
    UserNotFound,
    UserPurgeChanged,
    UserPurgeFailure,
)
from bai_manager.services.user.stats import RECENT, usage_bins
from bai_manager.services.user.types import (
    NewUserSecrets,
    check_user_changes,
    check_user_spec,
)
from bai_manager.types.credentials import Secret, new_access_key, new_secret_key
from bai_manager.types.period import Period, parse_month, parse_zone

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.usage import UsageRepository
    from bai_manager.repositories.user import UserRepository
    from bai_manager.repositories.user_purge import UserPurgeRepository
    from bai_manager.services.purging import SessionDestroyer
    from bai_manager.services.user.actions import (
        CreateUserAction,
        DeleteUserAction,
        GetUserAction,
        GetUserStatsAction,
        ListUsersAction,
        PreviewUserPurgeAction,
        PurgeUserAction,
        ResetUserPasswordAction,
        SetUserPasswordAction,
        UpdateUserAction,
    )
    from bai_manager.types.clock import Clock
    from bai_manager.types.credentials import Token
    from bai_manager.types.ssh_keys import SSHKeypair

_PASSWORD_BYTES: Final = 15
"""Random ones: 20 characters."""


class UserService:
    """Manages users.

    ``hash_password`` takes its time, so it runs in a thread; ``token`` is where random bytes
    come from; ``sessions`` ends what a purge has to end first; ``memory`` is what a manager
    counts of key pairs.
    """

    def __init__(
        self,
        *,
        users: UserRepository,
        purges: UserPurgeRepository,
        usage: UsageRepository,
        sessions: SessionDestroyer,
        hash_password: Callable[[Secret], str],
        new_ssh_keypair: Callable[[], SSHKeypair],
        token: Token,
        clock: Clock,
        memory: ManagerMemory,
    ) -> None:
        self._users = users
        self._purges = purges
        self._usage = usage
        self._sessions = sessions
        self._hash_password = hash_password
        self._new_ssh_keypair = new_ssh_keypair
        self._token = token
        self._clock = clock
        self._memory = memory

    async def list_users(self, action: ListUsersAction) -> ListUsersActionResult:
        """Users that may be seen."""
        return ListUsersActionResult(
            users=await self._users.list_users(action.query, visible=action.visible)
        )

    async def get_user(self, action: GetUserAction) -> GetUserActionResult:
        """One user and what it has."""
        user, holdings = await self._users.get_user(action.user)
        return GetUserActionResult(user=user, holdings=holdings)

    async def create_user(self, action: CreateUserAction) -> CreateUserActionResult:
        """A user who can log in, sign requests and see the projects named."""
        check_user_spec(action.spec)
        existing = await self._existing(action)
        if existing is not None:
            return existing
        secrets = await self._new_secrets(action.password)
        try:
            user = await self._users.create_user(action.spec, secrets)
        except UserConflict:
            existing = await self._existing(action)
            if existing is None:
                raise
            return existing
        return CreateUserActionResult(user=user, secret_key=secrets.secret_key, created=True)

    async def update_user(self, action: UpdateUserAction) -> UpdateUserActionResult:
        """Change what is given and leave the rest, the status above all."""
        check_user_changes(action.changes)
        user, changed, keypairs = await self._users.update_user(
            action.user, action.changes, if_unchanged=action.if_unchanged
        )
        if changed:
            await self._memory.forget_room()
        return UpdateUserActionResult(user=user, changed=changed, keypairs=keypairs)

    async def delete_user(self, action: DeleteUserAction) -> DeleteUserActionResult:
        """Deactivate: nothing is lost."""
        try:
            user, keypairs = await self._users.delete_user(action.user)
        except UserNotFound:
            if not action.ignore_not_found:
                raise
            return DeleteUserActionResult(user=None, keypairs=[])
        await self._memory.forget_room()
        return DeleteUserActionResult(user=user, keypairs=keypairs)

    async def preview_purge(self, action: PreviewUserPurgeAction) -> PurgeUserActionResult:
        """What a purge would do."""
        plan = await self._purges.preview(action.user, action.choices, requester=action.requester)
        return PurgeUserActionResult(plan=plan)

    async def purge_user(self, action: PurgeUserAction) -> PurgeUserActionResult:
        """End the user's sessions where that was chosen, then remove the user, or refuse."""
        plan = await self._purges.preview(action.user, action.choices, requester=action.requester)
        if plan.blockers:
            raise UserPurgeFailure(plan.email, plan.blockers)
        if action.expected not in {None, fingerprint(plan)}:
            raise UserPurgeChanged(plan.email)
        await destroy_sessions(self._sessions, plan.destroyed_sessions)
        await self._purges.purge(
            plan, action.choices, requester=action.requester, now=self._clock()
        )
        await self._memory.forget_keypairs(plan.keypairs)
        return PurgeUserActionResult(plan=plan)

    async def set_password(self, action: SetUserPasswordAction) -> SetUserPasswordActionResult:
        """The password that was chosen."""
        user = await self._users.set_password(
            action.user,
            await asyncio.to_thread(self._hash_password, action.password),
            need_change=action.need_password_change,
        )
        return SetUserPasswordActionResult(user=user)

    async def reset_password(
        self, action: ResetUserPasswordAction
    ) -> ResetUserPasswordActionResult:
        """A random password, told once."""
        password = Secret(urlsafe_b64encode(self._token(_PASSWORD_BYTES)).decode("ascii"))
        user = await self._users.set_password(
            action.user,
            await asyncio.to_thread(self._hash_password, password),
            need_change=action.need_password_change,
        )
        return ResetUserPasswordActionResult(user=user, password=password)

    async def get_stats(self, action: GetUserStatsAction) -> GetUserStatsActionResult:
        """What was allocated and used, quarter of an hour by quarter of an hour."""
        now = self._clock()
        period = _period(action, now)
        kernels = await self._usage.kernels_of_users(
            period, user=action.user, visible=action.visible
        )
        return GetUserStatsActionResult(bins=usage_bins(kernels, period, now))

    async def _existing(self, action: CreateUserAction) -> CreateUserActionResult | None:
        if not action.if_not_exists:
            return None
        user = await self._users.find_user(action.spec.email)
        if user is None:
            return None
        return CreateUserActionResult(user=user, secret_key=None, created=False)

    async def _new_secrets(self, password: Secret | None) -> NewUserSecrets:
        hashed = None if password is None else asyncio.to_thread(self._hash_password, password)
        return NewUserSecrets(
            password_hash=None if hashed is None else await hashed,
            access_key=new_access_key(self._token),
            secret_key=new_secret_key(self._token),
            ssh_keypair=await asyncio.to_thread(self._new_ssh_keypair),
        )


def _period(action: GetUserStatsAction, now: datetime) -> Period:
    if action.month is None:
        return Period(now - RECENT, now)
    return parse_month(action.month, parse_zone(action.timezone))
