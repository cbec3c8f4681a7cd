"""Who is who, and whose is what: what the validators ask the database."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, exists, func, or_, select

from bai_manager.actions.actor import Actor, Identity
from bai_manager.actions.targets import (
    DomainTarget,
    FolderTarget,
    ImageTarget,
    InvitationTarget,
    KernelTarget,
    KeypairTarget,
    ProjectTarget,
    SessionTarget,
    SystemTarget,
    Target,
    TargetScope,
    TemplateTarget,
    UserTarget,
    Visibility,
    VisibleTarget,
)
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.people import resolve_group, resolve_user
from bai_manager.repositories.session import id_matches, resolve_session
from bai_manager.services.keypair.errors import KeyPairNotFound
from bai_manager.services.session.errors import (
    KernelNotFound,
    SessionNotFound,
    TooManyKernelsFound,
    TooManySessionsMatched,
)
from bai_manager.types.credentials import Secret
from bai_manager.types.status import ProjectType, UserRole

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select, Table

    from bai_manager.repositories.database import Database


_SEE_ALL = frozenset({UserRole.SUPERADMIN, UserRole.MONITOR})
_OWNER = (
    keypairs.c.access_key,
    users.c.uuid,
    users.c.role,
    users.c.domain_name,
)


class AccessRepository:
    """Identities and the owners of targets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def identity_of(self, access_key: str) -> Identity | None:
        """The key pair and its user, active or not; None when there is no such key."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    select(
                        *_OWNER,
                        users.c.email,
                        users.c.username,
                        cast(users.c.status, Text).label("status"),
                        keypairs.c.secret_key,
                        keypairs.c.is_active,
                    )
                    .join(users, users.c.uuid == keypairs.c.user)
                    .where(keypairs.c.access_key == access_key)
                )
            ).one_or_none()
        if row is None or row.secret_key is None:
            return None
        return Identity(
            actor=Actor(
                user_id=row.uuid,
                email=row.email,
                username=row.username or "",
                role=UserRole.parse(row.role or UserRole.USER),
                domain_name=row.domain_name or "",
                access_key=row.access_key,
                authenticated_by=row.access_key,
            ),
            secret_key=Secret(row.secret_key),
            keypair_active=bool(row.is_active),
            user_status=row.status,
        )

    async def locate(self, target: Target, actor: Actor) -> TargetScope:  # noqa: C901, PLR0911 - a case each
        """Where the target lies and whose it is; raises not-found for what cannot be seen."""
        match target:
            case SystemTarget():
                return TargetScope()
            case VisibleTarget():
                return TargetScope(domain_name=actor.domain_name, owner_user_id=actor.user_id)
            case DomainTarget(domain_name):
                return TargetScope(domain_name=domain_name)
            case KeypairTarget(access_key):
                return await self._keypair(access_key or actor.access_key)
            case UserTarget(user):
                return await self._user(user)
            case ProjectTarget(project):
                return await self._project(project, actor)
            case SessionTarget(session, owner):
                return await self._session(session, owner, actor)
            case KernelTarget(kernel):
                return await self._kernel(kernel, actor)
            case ImageTarget(image, architecture):
                return await self._image(image, architecture)
            case FolderTarget(folder, in_trash):
                return await self._folder(folder, actor, in_trash=in_trash)
            case TemplateTarget(template):
                return await self._template(template, actor)
            case InvitationTarget(invitation, as_inviter):
                return await self._invitation(invitation, actor, as_inviter=as_inviter)

    async def _keypair(self, access_key: str) -> TargetScope:
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    select(*_OWNER)
                    .join(users, users.c.uuid == keypairs.c.user)
                    .where(keypairs.c.access_key == access_key)
                )
            ).one_or_none()
        if row is None:
            raise KeyPairNotFound(access_key)
        return _scope(row.domain_name, row.uuid, row.role, row.access_key)

    async def _user(self, user: str) -> TargetScope:
        async with self._database.transaction() as connection:
            user_id = await resolve_user(connection, user)
            row = (
                await connection.execute(
                    select(users.c.role, users.c.domain_name).where(users.c.uuid == user_id)
                )
            ).one()
        return _scope(row.domain_name, user_id, row.role)

    async def _project(self, project: str, actor: Actor) -> TargetScope:
        """Superadmins and monitors may mean any domain's, others only one of their own."""
        domain = None if actor.role in _SEE_ALL else actor.domain_name
        async with self._database.transaction() as connection:
            group_id = await resolve_group(connection, project, domain=domain)
            membership = exists().where(
                association_groups_users.c.group_id == group_id,
                association_groups_users.c.user_id == actor.user_id,
            )
            row = (
                await connection.execute(
                    select(
                        groups.c.domain_name,
                        membership.label("is_member"),
                        cast(groups.c.type, Text).label("type"),
                    ).where(groups.c.id == group_id)
                )
            ).one()
        return TargetScope(
            domain_name=row.domain_name,
            group_id=group_id,
            actor_is_member=row.is_member,
            is_model_store=row.type == ProjectType.MODEL_STORE.value,
        )

    async def _session(self, session: str, owner: str | None, actor: Actor) -> TargetScope:
        """An owner that is named is all that access is decided by, whether it has the session.

        Which session is meant is then told of those only that the actor may find anyway.
        """
        if owner is not None:
            scope = await self._keypair(owner)
            with suppress(SessionNotFound, TooManySessionsMatched):
                async with self._database.transaction() as connection:
                    found = await resolve_session(
                        connection, session, owner=owner, visible=_visible(actor)
                    )
                return replace(scope, session_id=found)
            return scope
        async with self._database.transaction() as connection:
            session_id = await resolve_session(
                connection, session, visible=_visible(actor), prefer_owner=actor.access_key
            )
            row = (
                await connection.execute(_located(sessions).where(sessions.c.id == session_id))
            ).one()
        scope = _scope(row.domain_name, row.owner, row.role, row.access_key)
        return replace(scope, session_id=session_id)

    async def _kernel(self, kernel: str, actor: Actor) -> TargetScope:
        statement = _located(kernels).where(id_matches(kernels.c.id, kernel)).limit(2)
        visible = _visible(actor, kernels)
        if visible is not None:
            statement = statement.where(visible)
        async with self._database.transaction() as connection:
            rows = (await connection.execute(statement)).all()
        if not rows:
            raise KernelNotFound(kernel)
        if len(rows) > 1:
            raise TooManyKernelsFound(kernel)
        row = rows[0]
        return _scope(row.domain_name, row.owner, row.role, row.access_key)

    async def _image(self, image: str, architecture: str | None) -> TargetScope:
        """Without a domain: customized images are their owners' affair alone."""
        from bai_manager.repositories.image_rows import customized_for  # noqa: PLC0415 - few ask

        async with self._database.transaction() as connection:
            return TargetScope(owner_user_id=await customized_for(connection, image, architecture))

    async def _template(self, template: str, actor: Actor) -> TargetScope:
        """Whose it is counts as a member of its project."""
        from bai_manager.repositories.template import (  # noqa: PLC0415 - templates only
            locate_template,
        )

        visible = Visibility(
            domain_name=None if actor.role in _SEE_ALL else actor.domain_name,
            user_id=actor.user_id if actor.role is UserRole.USER else None,
        )
        async with self._database.transaction() as connection:
            row = await locate_template(connection, template, visible, actor)
        return TargetScope(
            domain_name=row.domain_name,
            owner_user_id=row.user_uuid,
            owner_role=UserRole.parse(row.role),
            actor_is_member=row.is_member,
            template_id=row.id,
        )

    async def _folder(self, folder: str, actor: Actor, *, in_trash: bool) -> TargetScope:
        from bai_manager.repositories.vfolder_access import (  # noqa: PLC0415 - folders only
            locate_folder,
        )

        async with self._database.transaction() as connection:
            access, row = await locate_folder(connection, folder, actor, in_trash=in_trash)
        return TargetScope(
            domain_name=row.domain_name,
            owner_user_id=row.user,
            owner_role=UserRole.parse(row.role) if row.role else None,
            folder=access,
        )

    async def _invitation(self, invitation: str, actor: Actor, *, as_inviter: bool) -> TargetScope:
        from bai_manager.repositories.vfolder_invitation import (  # noqa: PLC0415 - as above
            locate_invitation,
        )

        async with self._database.transaction() as connection:
            row = await locate_invitation(connection, invitation, actor, as_inviter=as_inviter)
        return TargetScope(
            domain_name=row.domain_name,
            owner_user_id=row.uuid,
            owner_role=UserRole.parse(row.role) if row.role else None,
            invitation_id=row.id,
        )


def _visible(actor: Actor, table: Table = sessions) -> ColumnElement[bool] | None:
    """What the actor may find without saying whose it is; None is everything."""
    if actor.role in _SEE_ALL:
        return None
    if actor.role is UserRole.ADMIN:
        return table.c.domain_name == actor.domain_name
    own = select(keypairs.c.access_key).where(keypairs.c.user == actor.user_id)
    return or_(table.c.user_uuid == actor.user_id, table.c.access_key.in_(own))


def _located(table: Table) -> Select[tuple[str, UUID, str, str]]:
    """Domain and owner of sessions or kernels: the user of the key pair.

    ``user_uuid`` is whoever asked for it, also on behalf of another (``services.md`` §1).
    """
    owner = func.coalesce(keypairs.c.user, table.c.user_uuid)
    return select(
        table.c.domain_name, owner.label("owner"), users.c.role, table.c.access_key
    ).select_from(
        table.outerjoin(keypairs, keypairs.c.access_key == table.c.access_key).outerjoin(
            users, users.c.uuid == owner
        )
    )


def _scope(
    domain_name: str | None, user_id: UUID, role: str | None, access_key: str | None = None
) -> TargetScope:
    return TargetScope(
        domain_name=domain_name,
        owner_user_id=user_id,
        owner_role=UserRole.parse(role) if role else None,
        owner_access_key=access_key,
    )
