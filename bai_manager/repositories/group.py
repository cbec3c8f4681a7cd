"""``groups``: projects, their members and dotfiles (``reference/services.md`` §8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from bai_manager.models.endpoint import endpoints
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.session import sessions
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.people import resolve_group, resolve_user
from bai_manager.repositories.query import Field, apply_query, names_in
from bai_manager.repositories.rbac import create_project_role
from bai_manager.repositories.versions import check_version, version_of
from bai_manager.services.group.errors import (
    GroupAlreadyExists,
    GroupCreationBadRequest,
    GroupHasStrangers,
    GroupMemberOfOtherDomain,
    GroupMembershipNotFound,
    GroupNotFound,
)
from bai_manager.services.group.types import (
    GroupData,
    GroupHoldings,
    MemberData,
    ProjectRegistry,
    changed_spec,
    spec_of,
)
from bai_manager.services.user.errors import UserNotFound
from bai_manager.types.dotfiles import NO_DOTFILES, pack, unpack
from bai_manager.types.query import ID, INTEGER, NAMES, SLOTS, TEXT, TIME, TRUTH, FieldKind
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import (
    SESSION_DEAD,
    VFOLDER_DEAD,
    EndpointLifecycle,
    ProjectType,
    UserRole,
    UserStatus,
)
from bai_manager.types.vfolder import host_permissions_from_json, host_permissions_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.services.group.types import GroupChanges, GroupSpec
    from bai_manager.types.dotfiles import Dotfile
    from bai_manager.types.query import Query

_MEMBERS = (
    select(func.count())
    .where(association_groups_users.c.group_id == groups.c.id)
    .correlate(groups)
    .scalar_subquery()
)
_TYPE: ColumnElement[Any] = cast(groups.c.type, Text)
_COLUMNS = (
    groups.c.id,
    groups.c.name,
    groups.c.domain_name,
    _TYPE.label("type"),
    groups.c.description,
    groups.c.is_active,
    groups.c.total_resource_slots,
    groups.c.allowed_vfolder_hosts,
    groups.c.resource_policy,
    groups.c.container_registry,
    groups.c.integration_id,
    _MEMBERS.label("member_count"),
    groups.c.created_at,
    groups.c.modified_at,
    version_of(groups),
)
_ROLE: ColumnElement[Any] = cast(users.c.role, Text)
_STATUS: ColumnElement[Any] = cast(users.c.status, Text)
_MEMBER_COLUMNS = (
    users.c.uuid,
    users.c.email,
    users.c.username,
    users.c.full_name,
    _STATUS.label("status"),
    _ROLE.label("role"),
)

GROUP_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, groups.c.id),
    "name": Field(TEXT, groups.c.name),
    "domain_name": Field(TEXT, groups.c.domain_name),
    "type": Field(FieldKind.choice(ProjectType), _TYPE),
    "description": Field(TEXT, groups.c.description),
    "is_active": Field(TRUTH, groups.c.is_active),
    "total_resource_slots": Field(SLOTS, groups.c.total_resource_slots),
    "allowed_vfolder_hosts": Field(NAMES, names_in(groups.c.allowed_vfolder_hosts)),
    "resource_policy": Field(TEXT, groups.c.resource_policy),
    "integration_id": Field(TEXT, groups.c.integration_id),
    "member_count": Field(INTEGER, _MEMBERS),
    "created_at": Field(TIME, groups.c.created_at),
    "modified_at": Field(TIME, groups.c.modified_at),
}
MEMBER_FIELDS: Mapping[str, Field] = {
    "user_id": Field(ID, users.c.uuid),
    "email": Field(TEXT, users.c.email),
    "username": Field(TEXT, users.c.username),
    "full_name": Field(TEXT, users.c.full_name),
    "status": Field(FieldKind.choice(UserStatus), _STATUS),
    "role": Field(FieldKind.choice(UserRole), _ROLE),
}


class GroupRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_groups(self, query: Query, *, visible: Visibility | None) -> list[GroupData]:
        """Projects by domain and name; a user sees those of which it is a member."""
        statement: AnySelect = select(*_COLUMNS)
        if visible is not None and visible.domain_name is not None:
            statement = statement.where(groups.c.domain_name == visible.domain_name)
        if visible is not None and visible.user_id is not None:
            statement = statement.where(_is_member(visible.user_id))
        statement = apply_query(
            statement,
            query,
            GROUP_FIELDS,
            default_order=(groups.c.domain_name, groups.c.name, groups.c.id),
        )
        async with self._database.transaction() as connection:
            return [_group(row) for row in await connection.execute(statement)]

    async def get_group(self, group_id: UUID) -> tuple[GroupData, GroupHoldings]:
        """One project and what it has. Raises ``GroupNotFound``."""
        async with self._database.transaction() as connection:
            return await get_group_row(connection, group_id), await _holdings(connection, group_id)

    async def resolve(self, group: str) -> UUID:
        """The id of a project of any domain. Raises ``GroupNotFound``."""
        async with self._database.transaction() as connection:
            return await resolve_group(connection, group)

    async def create_group(self, spec: GroupSpec, *, if_not_exists: bool) -> tuple[GroupData, bool]:
        """Insert a project with its role, and say whether it is new.

        Raises ``GroupAlreadyExists`` and ``GroupCreationBadRequest``.
        """
        try:
            async with self._database.transaction() as connection:
                group_id = await connection.scalar(
                    upsert(groups)
                    .values(
                        **_row_of(spec),
                        type=spec.type.value,
                        dotfiles=NO_DOTFILES,
                    )
                    .on_conflict_do_nothing(constraint="uq_groups_name_domain_name")
                    .returning(groups.c.id)
                )
                if group_id is not None:
                    await create_project_role(connection, group_id)
                    return await get_group_row(connection, group_id), True
                if not if_not_exists:
                    raise GroupAlreadyExists(spec.name, spec.domain_name)
                existing = await resolve_group(connection, spec.name, domain=spec.domain_name)
                return await get_group_row(connection, existing), False
        except IntegrityError as error:
            raise _named(error, spec) from error

    async def update_group(
        self, group_id: UUID, changes: GroupChanges, *, if_unchanged: str | None
    ) -> tuple[GroupData, tuple[str, ...]]:
        """Change a project under its lock; also says which fields have another value now.

        Raises ``GroupNotFound``, ``RowChanged``, ``GroupAlreadyExists``,
        ``GroupCreationBadRequest`` and ``GroupHasStrangers``.
        """
        try:
            async with self._database.transaction() as connection:
                found = await lock_group(connection, group_id)
                check_version(f"Project {found.name!r}", expected=if_unchanged, found=found.version)
                spec = changed_spec(spec_of(found), changes)
                before, after = _row_of(spec_of(found)), _row_of(spec)
                values = {name: value for name, value in after.items() if value != before[name]}
                if "domain_name" in values:
                    await _check_empty(connection, found)
                if values:
                    await _set(connection, group_id, values)
                return await get_group_row(connection, group_id), tuple(values)
        except IntegrityError as error:
            raise _named(error, spec) from error

    async def deactivate_group(self, group_id: UUID) -> GroupData:
        """Soft deletion; the project also lets go of its id in another system."""
        async with self._database.transaction() as connection:
            await lock_group(connection, group_id)
            await _set(connection, group_id, {"is_active": False, "integration_id": None})
            return await get_group_row(connection, group_id)

    async def list_members(self, group_id: UUID, query: Query) -> list[MemberData]:
        """Members by e-mail. Raises ``GroupNotFound``."""
        statement = apply_query(
            select(*_MEMBER_COLUMNS).where(_belongs_to(group_id)),
            query,
            MEMBER_FIELDS,
            default_order=(users.c.email,),
        )
        async with self._database.transaction() as connection:
            await get_group_row(connection, group_id)
            return [_member(row) for row in await connection.execute(statement)]

    async def add_member(self, group_id: UUID, user: str) -> tuple[MemberData, bool]:
        """Add a user of the project's domain, and say whether it is new there.

        Raises ``GroupMemberOfOtherDomain`` for anybody else, known or not.
        """
        async with self._database.transaction() as connection:
            group = await get_group_row(connection, group_id)
            user_id = await _in_domain(connection, user, group.domain_name)
            added = await connection.scalar(
                upsert(association_groups_users)
                .values(user_id=user_id, group_id=group_id)
                .on_conflict_do_nothing(constraint="uq_association_user_id_group_id")
                .returning(association_groups_users.c.id)
            )
            return await _one_member(connection, user_id), added is not None

    async def remove_member(self, group_id: UUID, user: str) -> MemberData:
        """Remove a member. Raises ``GroupMembershipNotFound`` for anybody else, known or not."""
        async with self._database.transaction() as connection:
            group = await get_group_row(connection, group_id)
            try:
                user_id = await resolve_user(connection, user)
            except UserNotFound:
                raise GroupMembershipNotFound(user, group.name) from None
            member = await _one_member(connection, user_id)
            removed = await connection.execute(
                delete(association_groups_users).where(
                    association_groups_users.c.user_id == member.user_id,
                    association_groups_users.c.group_id == group_id,
                )
            )
            if removed.rowcount == 0:
                raise GroupMembershipNotFound(user, group.name)
            return member

    async def dotfiles(self, group_id: UUID) -> tuple[Dotfile, ...]:
        """Raises ``GroupNotFound`` and ``UnreadableDotfiles``."""
        async with self._database.transaction() as connection:
            await get_group_row(connection, group_id)
            return await _dotfiles(connection, group_id)

    async def change_dotfiles(
        self, group_id: UUID, change: Callable[[Sequence[Dotfile]], tuple[Dotfile, ...]]
    ) -> tuple[Dotfile, ...]:
        """Store what ``change`` makes of the dotfiles, while nobody else changes them."""
        async with self._database.transaction() as connection:
            await lock_group(connection, group_id)
            dotfiles = change(await _dotfiles(connection, group_id))
            await _set(connection, group_id, {"dotfiles": pack(dotfiles)})
            return dotfiles


async def lock_group(
    connection: AsyncConnection, group_id: UUID, *, for_deletion: bool = False
) -> GroupData:
    """The project as it is while nobody else changes it. Raises ``GroupNotFound``."""
    await connection.execute(
        select(groups.c.id)
        .where(groups.c.id == group_id)
        .with_for_update(key_share=not for_deletion)
    )
    return await get_group_row(connection, group_id)


async def get_group_row(connection: AsyncConnection, group_id: UUID) -> GroupData:
    """Raises ``GroupNotFound``."""
    row = (await connection.execute(select(*_COLUMNS).where(groups.c.id == group_id))).one_or_none()
    if row is None:
        raise GroupNotFound(str(group_id))
    return _group(row)


async def _set(connection: AsyncConnection, group_id: UUID, values: Mapping[str, object]) -> None:
    await connection.execute(
        update(groups).where(groups.c.id == group_id).values(**values, modified_at=func.now())
    )


async def _holdings(connection: AsyncConnection, group_id: UUID) -> GroupHoldings:
    counts = (
        select(func.count()).where(
            sessions.c.group_id == group_id, sessions.c.status.not_in(SESSION_DEAD)
        ),
        select(func.count()).where(
            vfolders.c.group == group_id, vfolders.c.status.not_in(VFOLDER_DEAD)
        ),
        select(func.count()).where(
            endpoints.c.project == group_id,
            endpoints.c.lifecycle_stage != EndpointLifecycle.DESTROYED.value,
        ),
    )
    row = (await connection.execute(select(*(count.scalar_subquery() for count in counts)))).one()
    live_sessions, folders, services = row
    return GroupHoldings(live_sessions=live_sessions, vfolders=folders, endpoints=services)


async def _check_empty(connection: AsyncConnection, group: GroupData) -> None:
    """Raise ``GroupHasStrangers`` while people or sessions tie the project to its domain."""
    holdings = await _holdings(connection, group.id)
    if group.member_count or holdings.live_sessions:
        raise GroupHasStrangers(
            group.name, members=group.member_count, sessions=holdings.live_sessions
        )


async def _in_domain(connection: AsyncConnection, user: str, domain_name: str) -> UUID:
    try:
        user_id = await resolve_user(connection, user)
    except UserNotFound:
        raise GroupMemberOfOtherDomain(user, domain_name) from None
    theirs = await connection.scalar(select(users.c.domain_name).where(users.c.uuid == user_id))
    if theirs != domain_name:
        raise GroupMemberOfOtherDomain(user, domain_name)
    return user_id


async def _one_member(connection: AsyncConnection, user_id: UUID) -> MemberData:
    row = (await connection.execute(select(*_MEMBER_COLUMNS).where(users.c.uuid == user_id))).one()
    return _member(row)


async def _dotfiles(connection: AsyncConnection, group_id: UUID) -> tuple[Dotfile, ...]:
    packed = await connection.scalar(select(groups.c.dotfiles).where(groups.c.id == group_id))
    return unpack(packed)


def _is_member(user_id: UUID) -> ColumnElement[bool]:
    return exists().where(
        association_groups_users.c.group_id == groups.c.id,
        association_groups_users.c.user_id == user_id,
    )


def _belongs_to(group_id: UUID) -> ColumnElement[bool]:
    return exists().where(
        association_groups_users.c.group_id == group_id,
        association_groups_users.c.user_id == users.c.uuid,
    )


def _row_of(spec: GroupSpec) -> dict[str, object]:
    """The columns that an update may set too; the type and the dotfiles are not among them."""
    registry = spec.container_registry
    return {
        "name": spec.name,
        "domain_name": spec.domain_name,
        "description": spec.description,
        "is_active": spec.is_active,
        "total_resource_slots": spec.total_resource_slots.to_json(),
        "allowed_vfolder_hosts": host_permissions_to_json(spec.allowed_vfolder_hosts),
        "integration_id": spec.integration_id,
        "resource_policy": spec.resource_policy,
        "container_registry": None
        if registry is None
        else {"registry": registry.registry, "project": registry.project},
    }


def _named(error: IntegrityError, spec: GroupSpec) -> Exception:
    """What a violated constraint means to a person."""
    text = str(error.orig)
    if "uq_groups_name_domain_name" in text:
        return GroupAlreadyExists(spec.name, spec.domain_name)
    if "fk_groups_domain_name" in text:
        return GroupCreationBadRequest(
            "domain", spec.domain_name, "List domains with 'bai-manager domain list'."
        )
    if "fk_groups_resource_policy" in text:
        return GroupCreationBadRequest(
            "project policy",
            spec.resource_policy,
            "List them with 'bai-manager policy project list'.",
        )
    return error


def _group(row: AnyRow) -> GroupData:
    registry = row.container_registry
    return GroupData(
        id=row.id,
        name=row.name,
        domain_name=row.domain_name,
        type=ProjectType.parse(row.type),
        description=row.description,
        is_active=bool(row.is_active),
        total_resource_slots=ResourceSlot.from_json(row.total_resource_slots),
        allowed_vfolder_hosts=host_permissions_from_json(row.allowed_vfolder_hosts),
        resource_policy=row.resource_policy,
        container_registry=ProjectRegistry(
            registry=str(registry.get("registry") or ""),
            project=str(registry.get("project") or ""),
        )
        if isinstance(registry, dict) and registry
        else None,
        integration_id=row.integration_id,
        member_count=row.member_count,
        created_at=row.created_at,
        modified_at=row.modified_at,
        version=row.version,
    )


def _member(row: AnyRow) -> MemberData:
    return MemberData(
        user_id=row.uuid,
        email=row.email,
        username=row.username or "",
        full_name=row.full_name,
        status=UserStatus.parse(row.status),
        role=UserRole.parse(row.role or UserRole.USER),
    )
