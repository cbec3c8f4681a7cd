"""Which user or project is meant: by whole names first, then by ids and what they begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select

from bai_manager.models.group import groups
from bai_manager.models.user import users
from bai_manager.repositories.session import id_matches
from bai_manager.services.group.errors import GroupNotFound, TooManyGroupsMatched
from bai_manager.services.user.errors import TooManyUsersMatched, UserNotFound

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

_MATCH_LIMIT = 10


async def resolve_user(connection: AsyncConnection, user: str) -> UUID:
    """The id of one user: by e-mail, then user name, then id or unique id prefix.

    Raises ``UserNotFound`` and ``TooManyUsersMatched``.
    """
    rows = (
        await connection.execute(
            select(users.c.uuid, users.c.email, users.c.username)
            .where(
                or_(
                    users.c.email == user,
                    users.c.username == user,
                    id_matches(users.c.uuid, user),
                )
            )
            .order_by(users.c.email)
            .limit(_MATCH_LIMIT)
        )
    ).all()
    for matches in (
        [row for row in rows if row.email == user],
        [row for row in rows if row.username == user],
        rows,
    ):
        if len(matches) == 1:
            found: UUID = matches[0].uuid
            return found
    if rows:
        raise TooManyUsersMatched(user, [row.email for row in rows])
    raise UserNotFound(user)


async def resolve_group(
    connection: AsyncConnection, group: str, *, domain: str | None = None
) -> UUID:
    """The id of one project, in one domain where one is given: by name, then id or prefix.

    ``DOMAIN/NAME`` names the domain too; no slug has a slash in it.

    Raises ``GroupNotFound`` and ``TooManyGroupsMatched``.
    """
    in_domain, slash, name = group.rpartition("/")
    meant = groups.c.name == name
    if slash:
        meant = and_(meant, groups.c.domain_name == in_domain)
    statement = (
        select(groups.c.id, groups.c.name, groups.c.domain_name)
        .where(or_(meant, id_matches(groups.c.id, group)))
        .order_by(groups.c.domain_name, groups.c.name)
        .limit(_MATCH_LIMIT)
    )
    if domain is not None:
        statement = statement.where(groups.c.domain_name == domain)
    rows = (await connection.execute(statement)).all()
    matches = [row for row in rows if row.name == name] or rows
    if len(matches) == 1:
        found: UUID = matches[0].id
        return found
    if matches:
        raise TooManyGroupsMatched(
            group, [f"{row.domain_name}/{row.name} ({row.id})" for row in matches]
        )
    raise GroupNotFound(group, domain)
