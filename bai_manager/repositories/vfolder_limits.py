"""What a new folder has to pass, checked while its owner's row is locked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, or_, select

from bai_manager.models.group import groups
from bai_manager.models.resource_policy import project_resource_policies, user_resource_policies
from bai_manager.models.user import keypairs, users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.vfolder_access import is_reachable_by
from bai_manager.services.vfolder.errors import (
    TooManyVFolders,
    VFolderAlreadyExists,
    VFolderInvalidParameter,
)
from bai_manager.types.status import VFOLDER_HARD_DELETED, ProjectType
from bai_manager.types.vfolder import QuotaScopeID, QuotaScopeType

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderOwner:
    """A user, or where ``group_id`` is set a project; ``creator`` is who asks.

    ``quota_limit`` is in bytes, None for no limit.
    """

    user_id: UUID
    email: str
    access_key: str
    domain_name: str
    container_uid: int | None
    group_id: UUID | None
    is_model_store: bool
    policy: str
    max_count: int
    quota_limit: int | None

    @property
    def quota_scope(self) -> QuotaScopeID:
        if self.group_id is None:
            return QuotaScopeID(QuotaScopeType.USER, self.user_id)
        return QuotaScopeID(QuotaScopeType.PROJECT, self.group_id)


async def lock_owner(
    connection: AsyncConnection, access_key: str, group_id: UUID | None = None
) -> FolderOwner:
    """The owner of a folder to be, locked: two folders of one owner are made one by one.

    Raises ``VFolderInvalidParameter`` for an inactive project.
    """
    user = (
        await connection.execute(
            select(
                users.c.uuid,
                users.c.email,
                users.c.domain_name,
                users.c.container_uid,
                users.c.resource_policy,
            )
            .join(keypairs, keypairs.c.user == users.c.uuid)
            .where(keypairs.c.access_key == access_key)
        )
    ).one()
    domain_name, is_model_store = user.domain_name, False
    if group_id is None:
        policies, policy = user_resource_policies, user.resource_policy
        await connection.execute(
            select(users.c.uuid).where(users.c.uuid == user.uuid).with_for_update(key_share=True)
        )
        noun = "user policy"
    else:
        group = (
            await connection.execute(
                select(
                    groups.c.domain_name,
                    groups.c.resource_policy,
                    groups.c.name,
                    groups.c.is_active,
                    cast(groups.c.type, Text).label("type"),
                )
                .where(groups.c.id == group_id)
                .with_for_update(key_share=True)
            )
        ).one()
        if not group.is_active:
            raise VFolderInvalidParameter(
                f"Project {group.name!r} is inactive.",
                hint=f"'bai-manager group update {group.name} --active' brings it back.",
            )
        policies, policy, domain_name = (
            project_resource_policies,
            group.resource_policy,
            group.domain_name,
        )
        is_model_store = group.type == ProjectType.MODEL_STORE.value
        noun = "project policy"
    limits = (
        await connection.execute(
            select(policies.c.max_vfolder_count, policies.c.max_quota_scope_size).where(
                policies.c.name == policy
            )
        )
    ).one()
    return FolderOwner(
        user_id=user.uuid,
        email=user.email,
        access_key=access_key,
        domain_name=domain_name,
        container_uid=user.container_uid,
        group_id=group_id,
        is_model_store=is_model_store,
        policy=f"{noun.capitalize()} {policy!r}",
        max_count=limits.max_vfolder_count,
        quota_limit=limits.max_quota_scope_size if limits.max_quota_scope_size > 0 else None,
    )


async def check_count(connection: AsyncConnection, owner: FolderOwner) -> None:
    """Raise ``TooManyVFolders`` when the policy's number is reached; 0 or less is no limit."""
    if owner.max_count <= 0:
        return
    owned = (
        vfolders.c.user == owner.user_id
        if owner.group_id is None
        else vfolders.c.group == owner.group_id
    )
    count = await connection.scalar(
        select(func.count()).where(owned, vfolders.c.status.not_in(VFOLDER_HARD_DELETED))
    )
    if (count or 0) >= owner.max_count:
        raise TooManyVFolders(owner.policy, limit=owner.max_count, count=count or 0)


async def check_name_is_free(
    connection: AsyncConnection,
    name: str,
    *,
    user_id: UUID,
    group_id: UUID | None = None,
    besides: UUID | None = None,
    whose: str = "you",
) -> None:
    """Raise ``VFolderAlreadyExists`` for a name of a folder the user reaches, or the project's."""
    within = is_reachable_by(user_id)
    if group_id is not None:
        within = or_(within, vfolders.c.group == group_id)
    taken = await connection.scalar(
        select(vfolders.c.id)
        .where(
            within,
            vfolders.c.name == name,
            vfolders.c.status.not_in(VFOLDER_HARD_DELETED),
            vfolders.c.id.is_distinct_from(besides),
        )
        .limit(1)
    )
    if taken is not None:
        raise VFolderAlreadyExists(name, whose=whose)
