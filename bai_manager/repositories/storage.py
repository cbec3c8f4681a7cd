"""What the database knows of storage hosts and quota scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from bai_manager.models.group import groups
from bai_manager.models.resource_policy import project_resource_policies, user_resource_policies
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.vfolder_access import allowed_hosts
from bai_manager.types.errors import InvalidStorageHost
from bai_manager.types.status import VFOLDER_HARD_DELETED
from bai_manager.types.vfolder import QuotaScopeID, QuotaScopeType, StorageHost

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.repositories.database import Database
    from bai_manager.types.vfolder import HostPermissions


class StorageRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def allowed_hosts(self, user_id: UUID, access_key: str) -> HostPermissions:
        """What somebody may do on storage hosts."""
        async with self._database.transaction() as connection:
            return await allowed_hosts(connection, user_id=user_id, access_key=access_key)

    async def hosts_of(self, scope: QuotaScopeID) -> list[str]:
        """Where the scope has folders, in order; places that are no storage's are left out."""
        async with self._database.transaction() as connection:
            found = await connection.scalars(
                select(vfolders.c.host)
                .where(
                    vfolders.c.quota_scope_id == str(scope),
                    vfolders.c.status.not_in(VFOLDER_HARD_DELETED),
                )
                .distinct()
                .order_by(vfolders.c.host)
            )
            return [host for host in found if _is_kept(host)]

    async def policy_limit(self, scope: QuotaScopeID) -> int | None:
        """What the policy of a user or project gives to a new scope; None is no limit."""
        if scope.type is QuotaScopeType.USER:
            policies = user_resource_policies
            policy = select(users.c.resource_policy).where(users.c.uuid == scope.id)
        else:
            policies = project_resource_policies
            policy = select(groups.c.resource_policy).where(groups.c.id == scope.id)
        async with self._database.transaction() as connection:
            size = await connection.scalar(
                select(policies.c.max_quota_scope_size).where(
                    policies.c.name == policy.scalar_subquery()
                )
            )
        return size if size is not None and size > 0 else None


def _is_kept(host: str) -> bool:
    """Whether it is a host of a storage; a row may say anything."""
    try:
        return not StorageHost.parse(host).is_noop
    except InvalidStorageHost:
        return False
