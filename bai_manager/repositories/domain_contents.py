"""What is in a domain: counted before a purge, and removed by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Text, and_, cast, delete, exists, func, or_, select

from bai_manager.models.endpoint import endpoints, routings
from bai_manager.models.group import groups
from bai_manager.models.rbac import permission_groups
from bai_manager.models.scaling_group import sgroups_for_domains
from bai_manager.models.session import kernels, session_templates, sessions
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.rbac import remove_scope
from bai_manager.services.domain.errors import (
    DomainHasActiveEndpoints,
    DomainHasActiveKernels,
    DomainHasGroups,
    DomainHasUsers,
    DomainHasVFolders,
)
from bai_manager.services.domain.types import DomainContents
from bai_manager.types.status import (
    KERNEL_DEAD,
    SESSION_DEAD,
    EndpointLifecycle,
    ProjectType,
    VFolderStatus,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.rows import AnySelect

MODEL_STORE: Final = "model-store"
"""The project that comes with a domain."""
NAMED: Final = 5
"""How many of those that keep a domain from being purged are named."""

_GONE: Final = (VFolderStatus.DELETE_ONGOING, VFolderStatus.DELETE_COMPLETE)


async def contents_of(connection: AsyncConnection, name: str) -> DomainContents:
    """Count what is in a domain."""
    store = _empty_store(name)
    row = (
        await connection.execute(
            select(
                _count(_users(name)).label("users"),
                _count(_projects(name)).label("projects"),
                exists(store).label("model_store"),
                _count(_folders(name)).label("folders"),
                _count(
                    select(kernels.c.id).where(
                        kernels.c.domain_name == name, kernels.c.status.not_in(KERNEL_DEAD)
                    )
                ).label("live_kernels"),
                _count(_live_sessions(name)).label("live_sessions"),
                _count(_live_services(name)).label("live_services"),
                _count(select(kernels.c.id).where(_kernels_of(name))).label("kernels"),
                _count(select(sessions.c.id).where(sessions.c.domain_name == name)).label(
                    "sessions"
                ),
                _count(select(endpoints.c.id).where(endpoints.c.domain == name)).label("services"),
                _count(
                    select(session_templates.c.id).where(session_templates.c.domain_name == name)
                ).label("templates"),
                _count(
                    select(sgroups_for_domains.c.id).where(sgroups_for_domains.c.domain == name)
                ).label("scaling_groups"),
                _count(select(permission_groups.c.role_id).where(_in_scope("domain", name))).label(
                    "roles"
                ),
            )
        )
    ).one()
    return DomainContents(**row._mapping)  # noqa: SLF001 - a public name


async def refuse_unless_empty(
    connection: AsyncConnection, name: str, contents: DomainContents
) -> None:
    """Raise for the first kind of thing that lives in a domain (``reference/services.md`` §9)."""
    for count, statement, error in (
        (contents.live_sessions, _live_sessions(name), DomainHasActiveKernels),
        (contents.users, _users(name), DomainHasUsers),
        (contents.projects, _projects(name), DomainHasGroups),
        (contents.live_services, _live_services(name), DomainHasActiveEndpoints),
        (contents.folders, _folders(name), DomainHasVFolders),
    ):
        if count:
            labels = await connection.scalars(statement.order_by("label").limit(NAMED))
            first: Sequence[str] = labels.all()
            raise error(name, count, first)


async def remove_contents(connection: AsyncConnection, name: str) -> None:
    """Delete what ended in a domain, its model store, and its roles.

    Routes refer to sessions, and kernels to sessions, so they go first; tokens, dependencies and
    associations follow what they refer to.
    """
    await connection.execute(delete(routings).where(routings.c.domain == name))
    await connection.execute(delete(endpoints).where(endpoints.c.domain == name))
    await connection.execute(
        delete(session_templates).where(session_templates.c.domain_name == name)
    )
    await connection.execute(delete(kernels).where(_kernels_of(name)))
    await connection.execute(delete(sessions).where(sessions.c.domain_name == name))
    removed = await connection.scalars(
        delete(groups).where(groups.c.id.in_(_empty_store(name))).returning(groups.c.id)
    )
    for project_id in removed.all():
        await remove_scope(connection, "project", str(project_id))
    await remove_scope(connection, "domain", name)


def _in_scope(scope_type: str, scope_id: str) -> ColumnElement[bool]:
    return and_(
        permission_groups.c.scope_type == scope_type, permission_groups.c.scope_id == scope_id
    )


def _users(name: str) -> AnySelect:
    return select(users.c.email.label("label")).where(users.c.domain_name == name)


def _projects(name: str) -> AnySelect:
    return select(groups.c.name.label("label")).where(
        groups.c.domain_name == name, groups.c.id.not_in(_empty_store(name))
    )


def _empty_store(name: str) -> AnySelect:
    """The id of the project for models, as long as nothing is in it or was."""
    return select(groups.c.id).where(
        groups.c.domain_name == name,
        groups.c.name == MODEL_STORE,
        cast(groups.c.type, Text) == ProjectType.MODEL_STORE.value,
        ~exists().where(vfolders.c.group == groups.c.id),
        ~exists().where(sessions.c.group_id == groups.c.id),
        ~exists().where(endpoints.c.project == groups.c.id),
        ~exists().where(session_templates.c.group_id == groups.c.id),
    )


def _folders(name: str) -> AnySelect:
    return select(vfolders.c.name.label("label")).where(
        vfolders.c.domain_name == name,
        vfolders.c.status.not_in([status.value for status in _GONE]),
    )


def _live_sessions(name: str) -> AnySelect:
    """Sessions that have not ended, or have a kernel that has not; ERROR holds resources."""
    live_kernel = exists().where(
        kernels.c.session_id == sessions.c.id, kernels.c.status.not_in(KERNEL_DEAD)
    )
    return select(func.coalesce(sessions.c.name, cast(sessions.c.id, Text)).label("label")).where(
        sessions.c.domain_name == name, or_(sessions.c.status.not_in(SESSION_DEAD), live_kernel)
    )


def _live_services(name: str) -> AnySelect:
    return select(endpoints.c.name.label("label")).where(
        endpoints.c.domain == name,
        cast(endpoints.c.lifecycle_stage, Text) != EndpointLifecycle.DESTROYED.value,
    )


def _kernels_of(name: str) -> ColumnElement[bool]:
    of_sessions = select(sessions.c.id).where(sessions.c.domain_name == name)
    return or_(kernels.c.domain_name == name, kernels.c.session_id.in_(of_sessions))


def _count(statement: AnySelect) -> ColumnElement[int]:
    return select(func.count()).select_from(statement.subquery()).scalar_subquery()
