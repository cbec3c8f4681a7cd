"""``session_templates``: requests for sessions that are kept by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, and_, cast, exists, insert, or_, select, update

from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.session import session_templates
from bai_manager.models.user import users
from bai_manager.repositories.query import Field, apply_query
from bai_manager.repositories.session import id_matches
from bai_manager.repositories.versions import check_version, version_of
from bai_manager.services.template.body import parse, shown
from bai_manager.services.template.errors import (
    AmbiguousTemplate,
    TaskTemplateNotFound,
    TemplateAlreadyExists,
)
from bai_manager.services.template.types import TemplateData, TemplateType
from bai_manager.types.query import ID, TEXT, TIME, FieldKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.actor import Actor
    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.services.template.types import TemplateSpec
    from bai_manager.types.json import JsonObject
    from bai_manager.types.query import Query

TEMPLATE_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, session_templates.c.id),
    "name": Field(TEXT, session_templates.c.name),
    "type": Field(FieldKind.choice(TemplateType), session_templates.c.type, by_name=True),
    "domain_name": Field(TEXT, session_templates.c.domain_name),
    "group_name": Field(TEXT, groups.c.name),
    "user_email": Field(TEXT, users.c.email),
    "created_at": Field(TIME, session_templates.c.created_at),
}
_MATCH_LIMIT = 10


class TemplateRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_templates(
        self, query: Query, *, visible: Visibility | None, include_deleted: bool
    ) -> list[TemplateData]:
        """Templates by name, those that were deleted only when asked for."""
        statement = _select().where(_seen(visible))
        if not include_deleted:
            statement = statement.where(session_templates.c.is_active)
        statement = apply_query(
            statement,
            query,
            TEMPLATE_FIELDS,
            default_order=(session_templates.c.name, session_templates.c.id),
        )
        async with self._database.transaction() as connection:
            return [_template(row) for row in await connection.execute(statement)]

    async def get_template(self, template_id: UUID) -> TemplateData:
        """One template by its id; raises ``TaskTemplateNotFound``."""
        async with self._database.transaction() as connection:
            return await _one(connection, template_id)

    async def create_template(
        self,
        spec: TemplateSpec,
        *,
        user_id: UUID,
        domain_name: str,
        group_id: UUID | None,
        if_not_exists: bool,
    ) -> tuple[TemplateData, bool]:
        """Insert a template and say whether it is new; raises ``TemplateAlreadyExists``.

        The user's row is held, so that two of one name cannot be made at once.
        """
        async with self._database.transaction() as connection:
            await _hold_user(connection, user_id)
            found = await _named(connection, user_id, spec.name)
            if found is not None:
                if not if_not_exists:
                    raise TemplateAlreadyExists(spec.name)
                return await _one(connection, found), False
            created: UUID = (
                await connection.execute(
                    insert(session_templates)
                    .values(
                        is_active=True,
                        domain_name=domain_name,
                        group_id=group_id,
                        user_uuid=user_id,
                        type=spec.type.name,
                        name=spec.name,
                        template=spec.body,
                    )
                    .returning(session_templates.c.id)
                )
            ).scalar_one()
            return await _one(connection, created), True

    async def update_template(
        self,
        template_id: UUID,
        *,
        body: JsonObject | None,
        name: str | None,
        if_unchanged: str | None,
    ) -> tuple[TemplateData, tuple[str, ...]]:
        """Change a template under its lock; also says which fields have another value now.

        Raises ``InvalidTemplate``, ``RowChanged``, ``TemplateAlreadyExists`` and
        ``TaskTemplateNotFound``.
        """
        async with self._database.transaction() as connection:
            await _hold_user(connection, (await _one(connection, template_id)).user_id)
            stored = await connection.scalar(
                select(session_templates.c.template)
                .where(session_templates.c.id == template_id)
                .with_for_update()
            )
            current = await _one(connection, template_id)
            label = f"The template {current.name!r}"
            check_version(label, expected=if_unchanged, found=current.version)
            spec = parse(stored if body is None else body, name=name or _kept(current, body))
            if spec.name != current.name and await _named(connection, current.user_id, spec.name):
                raise TemplateAlreadyExists(spec.name)
            was = {"name": current.name, "type": current.type.name, "template": stored}
            becomes = {"name": spec.name, "type": spec.type.name, "template": spec.body}
            values = {key: value for key, value in becomes.items() if value != was[key]}
            if values:
                await connection.execute(
                    update(session_templates)
                    .where(session_templates.c.id == template_id)
                    .values(values)
                )
            return await _one(connection, template_id), tuple(values)

    async def delete_template(self, template_id: UUID) -> TemplateData:
        """Mark it as not active; raises ``TaskTemplateNotFound``, also when it is so already."""
        async with self._database.transaction() as connection:
            marked = await connection.execute(
                update(session_templates)
                .where(session_templates.c.id == template_id, session_templates.c.is_active)
                .values(is_active=False)
                .returning(session_templates.c.id)
            )
            if marked.first() is None:
                raise TaskTemplateNotFound(str(template_id))
            return await _one(connection, template_id)


async def locate_template(
    connection: AsyncConnection, template: str, visible: Visibility, actor: Actor
) -> AnyRow:
    """The active template meant, with its owner, and whether the actor is of its project.

    By id or the beginning of it, or by name; the actor's own of a name comes first. Raises
    ``TaskTemplateNotFound`` and ``AmbiguousTemplate``.
    """
    member = _is_member(actor.user_id)
    rows = (
        await connection.execute(
            select(
                session_templates.c.id,
                session_templates.c.name,
                session_templates.c.user_uuid,
                session_templates.c.domain_name,
                cast(users.c.role, Text).label("role"),
                or_(member, session_templates.c.user_uuid == actor.user_id).label("is_member"),
            )
            .join(users, users.c.uuid == session_templates.c.user_uuid)
            .where(
                session_templates.c.is_active,
                _seen(visible),
                or_(
                    session_templates.c.name == template,
                    id_matches(session_templates.c.id, template),
                ),
            )
            .limit(_MATCH_LIMIT)
        )
    ).all()
    own = [row for row in rows if row.user_uuid == actor.user_id]
    found = own if len(own) == 1 else rows
    if not found:
        raise TaskTemplateNotFound(template)
    if len(found) > 1:
        raise AmbiguousTemplate(template, [f"{row.name} ({row.id})" for row in found])
    return found[0]


def _select() -> AnySelect:
    return (
        select(
            session_templates.c.id,
            session_templates.c.name,
            cast(session_templates.c.type, Text).label("type"),
            session_templates.c.domain_name,
            session_templates.c.group_id,
            groups.c.name.label("group_name"),
            session_templates.c.user_uuid,
            users.c.email.label("user_email"),
            session_templates.c.is_active,
            session_templates.c.created_at,
            session_templates.c.template,
            version_of(session_templates),
        )
        .select_from(session_templates)
        .outerjoin(groups, groups.c.id == session_templates.c.group_id)
        .outerjoin(users, users.c.uuid == session_templates.c.user_uuid)
    )


def _seen(visible: Visibility | None) -> ColumnElement[bool]:
    if visible is None or visible.domain_name is None:
        return session_templates.c.id.is_not(None)
    within = session_templates.c.domain_name == visible.domain_name
    if visible.user_id is None:
        return within
    own = session_templates.c.user_uuid == visible.user_id
    return and_(within, or_(own, _is_member(visible.user_id)))


def _is_member(user_id: UUID) -> ColumnElement[bool]:
    return exists().where(
        association_groups_users.c.group_id == session_templates.c.group_id,
        association_groups_users.c.user_id == user_id,
    )


async def _hold_user(connection: AsyncConnection, user_id: UUID) -> None:
    await connection.execute(
        select(users.c.uuid).where(users.c.uuid == user_id).with_for_update(key_share=True)
    )


async def _named(connection: AsyncConnection, user_id: UUID, name: str) -> UUID | None:
    found: UUID | None = await connection.scalar(
        select(session_templates.c.id)
        .where(
            session_templates.c.user_uuid == user_id,
            session_templates.c.name == name,
            session_templates.c.is_active,
        )
        .limit(1)
    )
    return found


async def _one(connection: AsyncConnection, template_id: UUID) -> TemplateData:
    row = (
        await connection.execute(_select().where(session_templates.c.id == template_id))
    ).one_or_none()
    if row is None:
        raise TaskTemplateNotFound(str(template_id))
    return _template(row)


def _kept(current: TemplateData, body: JsonObject | None) -> str | None:
    """A new body brings its own name."""
    return current.name if body is None else None


def _template(row: AnyRow) -> TemplateData:
    return TemplateData(
        id=row.id,
        name=row.name,
        type=TemplateType.parse(row.type),
        domain_name=row.domain_name,
        group_id=row.group_id,
        group_name=row.group_name,
        user_id=row.user_uuid,
        user_email=row.user_email,
        is_active=row.is_active is not False,
        created_at=row.created_at,
        template=shown(row.template),
        version=row.version,
    )
