"""``domains``: the outermost tenants, from their creation to their purge."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import Text, cast, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from bai_manager.models.domain import domains
from bai_manager.models.endpoint import endpoint_tokens, endpoints, routings
from bai_manager.models.group import groups
from bai_manager.models.rbac import association_scopes_entities, permission_groups, roles
from bai_manager.models.resource_policy import project_resource_policies
from bai_manager.models.scaling_group import scaling_groups, sgroups_for_domains
from bai_manager.models.session import kernels, session_templates, sessions
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.domain_contents import (
    MODEL_STORE,
    contents_of,
    refuse_unless_empty,
    remove_contents,
)
from bai_manager.repositories.query import Field, apply_query, names_in
from bai_manager.repositories.rbac import create_domain_role, create_project_role
from bai_manager.repositories.versions import check_version, version_of
from bai_manager.services.domain.errors import (
    DomainAlreadyExists,
    DomainCannotBeRenamed,
    DomainNotFound,
    ProjectPolicyMissing,
)
from bai_manager.services.domain.types import (
    DomainData,
    DomainDetails,
    DomainSpec,
    changed_spec,
    spec_of,
)
from bai_manager.services.scaling_group.errors import ScalingGroupNotFound
from bai_manager.types.jsonable import to_jsonable
from bai_manager.types.query import INTEGER, NAMES, SLOTS, TEXT, TIME, TRUTH
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import SESSION_DEAD, ProjectType
from bai_manager.types.tristate import UNSET
from bai_manager.types.vfolder import host_permissions_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.services.domain.types import DomainChanges, DomainContents
    from bai_manager.types.json import JsonValue
    from bai_manager.types.query import Query

POLICY = "default"
"""Of the project that comes with a domain."""
NO_DOTFILES = b"\x90"

_USER_COUNT = select(func.count()).where(users.c.domain_name == domains.c.name).scalar_subquery()
_PROJECT_COUNT = (
    select(func.count()).where(groups.c.domain_name == domains.c.name).scalar_subquery()
)
_SESSION_COUNT = (
    select(func.count())
    .where(sessions.c.domain_name == domains.c.name, sessions.c.status.not_in(SESSION_DEAD))
    .scalar_subquery()
)
_SCALING_GROUPS = (
    select(
        func.array_agg(
            aggregate_order_by(
                sgroups_for_domains.c.scaling_group, sgroups_for_domains.c.scaling_group
            )
        )
    )
    .where(sgroups_for_domains.c.domain == domains.c.name)
    .scalar_subquery()
)
DOMAIN_FIELDS: Mapping[str, Field] = {
    "name": Field(TEXT, domains.c.name),
    "description": Field(TEXT, domains.c.description),
    "is_active": Field(TRUTH, domains.c.is_active),
    "integration_id": Field(TEXT, domains.c.integration_id),
    "total_resource_slots": Field(SLOTS, domains.c.total_resource_slots),
    "allowed_vfolder_hosts": Field(NAMES, names_in(domains.c.allowed_vfolder_hosts)),
    "allowed_docker_registries": Field(NAMES, domains.c.allowed_docker_registries),
    "scaling_groups": Field(NAMES, _SCALING_GROUPS),
    "user_count": Field(INTEGER, _USER_COUNT),
    "project_count": Field(INTEGER, _PROJECT_COUNT),
    "session_count": Field(INTEGER, _SESSION_COUNT),
    "created_at": Field(TIME, domains.c.created_at),
    "modified_at": Field(TIME, domains.c.modified_at),
}
COUNTS = ("user_count", "project_count", "session_count")
"""What ordinary users are not told."""


class DomainRepository:
    """Domains with what they count; a visibility shows one domain at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_domains(
        self, query: Query, *, visible: Visibility | None = None
    ) -> list[DomainData]:
        """Domains by name."""
        asked = {
            name: field
            for name, field in DOMAIN_FIELDS.items()
            if not (_is_ordinary(visible) and name in COUNTS)
        }
        statement = apply_query(_select(visible), query, asked, default_order=(domains.c.name,))
        async with self._database.transaction() as connection:
            return [_domain(row) for row in await connection.execute(statement)]

    async def get_domain(self, name: str, *, visible: Visibility | None = None) -> DomainDetails:
        """One domain and what is in it; raises ``DomainNotFound``."""
        async with self._database.transaction() as connection:
            domain = await _one(connection, name, visible=visible)
            ordinary = _is_ordinary(visible)
            contents = None if ordinary else await contents_of(connection, name)
        values = {field.name: getattr(domain, field.name) for field in fields(domain)}
        return DomainDetails(**values, contents=contents)

    async def create_domain(
        self,
        spec: DomainSpec,
        *,
        scaling_groups: Sequence[str],
        model_store: bool,
        if_not_exists: bool,
    ) -> tuple[DomainData, bool]:
        """Insert a domain with all that belongs to it, and say whether it is new.

        Raises ``DomainAlreadyExists``, ``ProjectPolicyMissing`` and ``ScalingGroupNotFound``.
        """
        async with self._database.transaction() as connection:
            created = await connection.scalar(
                upsert(domains)
                .values(**_row_of(spec), dotfiles=NO_DOTFILES)
                .on_conflict_do_nothing(index_elements=[domains.c.name])
                .returning(domains.c.name)
            )
            if created is not None:
                await create_domain_role(connection, spec.name)
                if model_store:
                    await _create_model_store(connection, spec.name)
                await _open_groups(connection, spec.name, scaling_groups)
            elif not if_not_exists:
                raise DomainAlreadyExists(spec.name)
            return await _one(connection, spec.name), created is not None

    async def update_domain(
        self, name: str, changes: DomainChanges, *, if_unchanged: str | None
    ) -> tuple[DomainData, tuple[str, ...]]:
        """Change a domain under its lock; also says which fields have another value now.

        Raises ``DomainNotFound``, ``RowChanged``, ``DomainCannotBeRenamed`` and
        ``DomainAlreadyExists``.
        """
        async with self._database.transaction() as connection:
            await connection.execute(
                select(domains.c.name)
                .where(domains.c.name == name)
                .with_for_update(key_share=changes.name is UNSET)
            )
            domain = await _one(connection, name)
            check_version(f"The domain {name!r}", expected=if_unchanged, found=domain.version)
            before = spec_of(domain)
            was, becomes = _row_of(before), _row_of(changed_spec(before, changes))
            values = {column: value for column, value in becomes.items() if value != was[column]}
            if not values:
                return domain, ()
            if "name" in values:
                await _rename(connection, name, str(values["name"]))
            renamed = str(becomes["name"])
            await connection.execute(
                update(domains)
                .where(domains.c.name == renamed)
                .values(**values, modified_at=func.now())
            )
            return await _one(connection, renamed), tuple(values)

    async def purge_domain(self, name: str, *, ignore_not_found: bool) -> DomainContents | None:
        """Delete a domain in which nothing lives, with what ended in it; says how much that was.

        Raises ``DomainNotFound`` and as ``refuse_unless_empty`` does. The lock keeps others from
        putting anything into the domain until it is gone.
        """
        async with self._database.transaction() as connection:
            locked = await connection.scalar(
                select(domains.c.name).where(domains.c.name == name).with_for_update()
            )
            if locked is None:
                if ignore_not_found:
                    return None
                raise DomainNotFound(name)
            contents = await contents_of(connection, name)
            await refuse_unless_empty(connection, name, contents)
            await remove_contents(connection, name)
            await connection.execute(delete(domains).where(domains.c.name == name))
            return contents


def _is_ordinary(visible: Visibility | None) -> bool:
    return visible is not None and visible.user_id is not None


def _select(visible: Visibility | None) -> AnySelect:
    nothing = literal(None)
    ordinary = _is_ordinary(visible)
    statement: AnySelect = select(
        domains,
        (nothing if ordinary else _USER_COUNT).label("user_count"),
        (nothing if ordinary else _PROJECT_COUNT).label("project_count"),
        (nothing if ordinary else _SESSION_COUNT).label("session_count"),
        _SCALING_GROUPS.label("scaling_groups"),
        version_of(domains),
    )
    if visible is not None and visible.domain_name is not None:
        statement = statement.where(domains.c.name == visible.domain_name)
    return statement


async def _one(
    connection: AsyncConnection, name: str, *, visible: Visibility | None = None
) -> DomainData:
    row = (await connection.execute(_select(visible).where(domains.c.name == name))).one_or_none()
    if row is None:
        raise DomainNotFound(name)
    return _domain(row)


def _domain(row: AnyRow) -> DomainData:
    return DomainData(
        name=row.name,
        description=row.description,
        is_active=bool(row.is_active),
        created_at=row.created_at,
        modified_at=row.modified_at,
        total_resource_slots=ResourceSlot.from_json(row.total_resource_slots),
        allowed_vfolder_hosts=host_permissions_from_json(row.allowed_vfolder_hosts),
        allowed_docker_registries=tuple(row.allowed_docker_registries),
        integration_id=row.integration_id,
        dotfiles=row.dotfiles,
        scaling_groups=tuple(row.scaling_groups or ()),
        user_count=row.user_count,
        project_count=row.project_count,
        session_count=row.session_count,
        version=row.version,
    )


def _row_of(spec: DomainSpec) -> dict[str, JsonValue]:
    """The columns of a spec, whose fields are called as they are."""
    return {field.name: to_jsonable(getattr(spec, field.name)) for field in fields(spec)}


async def _create_model_store(connection: AsyncConnection, name: str) -> None:
    policy = await connection.scalar(
        select(project_resource_policies.c.name)
        .where(project_resource_policies.c.name == POLICY)
        .with_for_update(read=True, key_share=True)
    )
    if policy is None:
        raise ProjectPolicyMissing(POLICY)
    project_id = uuid4()
    await connection.execute(
        insert(groups).values(
            id=project_id,
            name=MODEL_STORE,
            description="Model Store",
            is_active=True,
            domain_name=name,
            total_resource_slots={},
            allowed_vfolder_hosts={},
            dotfiles=NO_DOTFILES,
            resource_policy=POLICY,
            type=ProjectType.MODEL_STORE.value,
        )
    )
    await create_project_role(connection, project_id)


async def _open_groups(connection: AsyncConnection, name: str, given: Sequence[str]) -> None:
    """Open resource groups to a domain; raises ``ScalingGroupNotFound``."""
    found = set(
        await connection.scalars(
            select(scaling_groups.c.name)
            .where(scaling_groups.c.name.in_(given))
            .order_by(scaling_groups.c.name)
            .with_for_update(read=True, key_share=True)
        )
    )
    for missing in sorted(set(given) - found):
        raise ScalingGroupNotFound(missing)
    for group in sorted(found):
        await connection.execute(
            insert(sgroups_for_domains).values(scaling_group=group, domain=name)
        )


async def _rename(connection: AsyncConnection, name: str, new_name: str) -> None:
    """Give a domain another name wherever it is recorded.

    Projects and associations follow by themselves; users, sessions and services do not, and so
    keep the name.
    """
    counts = {
        "users": users.c.domain_name,
        "sessions": sessions.c.domain_name,
        "kernels": kernels.c.domain_name,
        "model services": endpoints.c.domain,
        "routes": routings.c.domain,
        "tokens": endpoint_tokens.c.domain,
        "templates": session_templates.c.domain_name,
    }
    row = (
        await connection.execute(
            select(
                *(
                    select(func.count()).where(column == name).scalar_subquery().label(what)
                    for what, column in counts.items()
                )
            )
        )
    ).one()
    if any(row):
        raise DomainCannotBeRenamed(name, dict(row._mapping))  # noqa: SLF001 - a public name
    try:
        await connection.execute(
            update(domains).where(domains.c.name == name).values(name=new_name)
        )
    except IntegrityError as error:
        raise DomainAlreadyExists(new_name) from error
    await connection.execute(
        update(vfolders).where(vfolders.c.domain_name == name).values(domain_name=new_name)
    )
    for table in (permission_groups, association_scopes_entities):
        await connection.execute(
            update(table)
            .where(table.c.scope_type == "domain", table.c.scope_id == name)
            .values(scope_id=new_name)
        )
    await connection.execute(
        update(roles)
        .where(roles.c.name == f"domain-{name}-admin"[:64])
        .values(name=cast(f"domain-{new_name}-admin"[:64], Text))
    )
