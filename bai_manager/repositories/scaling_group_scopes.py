"""Whom a resource group is open to: domains, projects and key pairs, in three tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Text, cast, delete, literal_column, or_, select, union_all
from sqlalchemy.dialects.postgresql import insert

from bai_manager.models.domain import domains
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.scaling_group import (
    scaling_groups,
    sgroups_for_domains,
    sgroups_for_groups,
    sgroups_for_keypairs,
)
from bai_manager.models.user import keypairs, users
from bai_manager.services.scaling_group.errors import (
    UnknownDomains,
    UnknownKeypairs,
    UnknownProjects,
)
from bai_manager.services.scaling_group.types import Association, Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from uuid import UUID

    from sqlalchemy import Column, ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.rows import AnySelect
    from bai_manager.services.scaling_group.types import Scopes


class _Open(NamedTuple):
    """The table of one kind of scope and its column that names them."""

    scope: Scope
    table: Table
    column: Column[object]


_DOMAINS = _Open(Scope.DOMAIN, sgroups_for_domains, sgroups_for_domains.c.domain)
_PROJECTS = _Open(Scope.PROJECT, sgroups_for_groups, sgroups_for_groups.c.group)
_KEYPAIRS = _Open(Scope.KEYPAIR, sgroups_for_keypairs, sgroups_for_keypairs.c.access_key)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedScopes:
    """Scopes that exist; ``projects`` maps ids to ``domain/name``."""

    domains: tuple[str, ...] = ()
    projects: Mapping[UUID, str] = field(default_factory=dict)
    access_keys: tuple[str, ...] = ()

    def of(self, scope: Scope) -> Mapping[object, str]:
        """What the table of a scope holds, and how it is called."""
        match scope:
            case Scope.DOMAIN:
                return dict(zip(self.domains, self.domains, strict=True))
            case Scope.PROJECT:
                return dict(self.projects.items())
            case Scope.KEYPAIR:
                return dict(zip(self.access_keys, self.access_keys, strict=True))


async def resolved(
    connection: AsyncConnection, scopes: Scopes, *, lock: bool = False
) -> ResolvedScopes:
    """Look scopes up, and keep them from being deleted meanwhile where ``lock`` says so.

    Raises ``UnknownDomains``, ``UnknownProjects`` and ``UnknownKeypairs``.
    """

    async def known(column: Column[str], names: Collection[str]) -> set[str]:
        if not names:
            return set()
        statement = select(column).where(column.in_(names)).order_by(column)
        if lock:
            statement = statement.with_for_update(read=True, key_share=True)
        return set(await connection.scalars(statement))

    if missing := _missing(scopes.domains, await known(domains.c.name, scopes.domains)):
        raise UnknownDomains(missing)
    projects = await _projects(connection, scopes.projects, lock=lock)
    keys = await known(keypairs.c.access_key, scopes.access_keys)
    if missing := _missing(scopes.access_keys, keys):
        raise UnknownKeypairs(missing)
    return ResolvedScopes(
        domains=tuple(dict.fromkeys(scopes.domains)),
        projects=projects,
        access_keys=tuple(dict.fromkeys(scopes.access_keys)),
    )


async def associate(
    connection: AsyncConnection, name: str, scopes: ResolvedScopes
) -> list[Association]:
    """Open one resource group to all of the scopes."""
    done = []
    for scope, table, column in (_DOMAINS, _PROJECTS, _KEYPAIRS):
        for value, called in scopes.of(scope).items():
            added = await connection.scalar(
                insert(table)
                .values({"scaling_group": name, column.name: value})
                .on_conflict_do_nothing(index_elements=[table.c.scaling_group, column])
                .returning(table.c.id)
            )
            done.append(_done(name, scope, called, changed=added is not None))
    return done


async def dissociate(
    connection: AsyncConnection, name: str, scopes: ResolvedScopes | None
) -> list[Association]:
    """Close one resource group to the scopes, or to all that it is open to."""
    if scopes is None:
        found = await associations_of(connection, [name], None)
        for _, table, _ in (_DOMAINS, _PROJECTS, _KEYPAIRS):
            await connection.execute(delete(table).where(table.c.scaling_group == name))
        return [
            _done(name, scope, called, changed=True)
            for scope in Scope
            for called in found.get((name, scope), ())
        ]
    done = []
    for scope, table, column in (_DOMAINS, _PROJECTS, _KEYPAIRS):
        for value, called in scopes.of(scope).items():
            gone = await connection.scalar(
                delete(table)
                .where(table.c.scaling_group == name, column == value)
                .returning(table.c.id)
            )
            done.append(_done(name, scope, called, changed=gone is not None))
    return done


async def associations_of(
    connection: AsyncConnection, names: Collection[str], visible: Visibility | None
) -> Mapping[tuple[str, Scope], tuple[str, ...]]:
    """Whom each resource group is open to, as far as one may see, by name."""
    domain = visible.domain_name if visible else None
    of_domains = select(
        sgroups_for_domains.c.scaling_group,
        _scope(Scope.DOMAIN),
        sgroups_for_domains.c.domain.label("name"),
    )
    of_projects = select(
        sgroups_for_groups.c.scaling_group,
        _scope(Scope.PROJECT),
        (groups.c.domain_name + "/" + groups.c.name).label("name"),
    ).join(groups, groups.c.id == sgroups_for_groups.c.group)
    of_keypairs = select(
        sgroups_for_keypairs.c.scaling_group,
        _scope(Scope.KEYPAIR),
        sgroups_for_keypairs.c.access_key.label("name"),
    )
    if domain is not None:
        of_domains = of_domains.where(sgroups_for_domains.c.domain == domain)
        of_projects = of_projects.where(groups.c.domain_name == domain)
        of_keypairs = of_keypairs.where(sgroups_for_keypairs.c.access_key.in_(_keys_of(domain)))
    every = union_all(of_domains, of_projects, of_keypairs).subquery()
    rows = await connection.execute(
        select(every.c.scaling_group, every.c.scope, every.c.name)
        .where(every.c.scaling_group.in_(names))
        .order_by(every.c.name)
    )
    found: defaultdict[tuple[str, Scope], list[str]] = defaultdict(list)
    for row in rows:
        found[row.scaling_group, Scope(row.scope)].append(row.name)
    return {key: tuple(listed) for key, listed in found.items()}


def open_to_any(scopes: ResolvedScopes) -> ColumnElement[bool]:
    """Resource groups open to one of the scopes at least."""
    return or_(
        *(
            scaling_groups.c.name.in_(
                select(table.c.scaling_group).where(column.in_(list(scopes.of(scope))))
            )
            for scope, table, column in (_DOMAINS, _PROJECTS, _KEYPAIRS)
        )
    )


def open_within(visible: Visibility) -> ColumnElement[bool]:
    """Resource groups open to a domain and all within it, or to one user.

    Ordinary users are shown public ones that are active (``reference/services.md`` §6).
    """
    domain, user = visible.domain_name, visible.user_id
    if user is None:
        projects = select(groups.c.id).where(groups.c.domain_name == domain)
        keys = _keys_of(domain)
    else:
        members = association_groups_users
        projects = select(members.c.group_id).where(members.c.user_id == user)
        keys = select(keypairs.c.access_key).where(keypairs.c.user == user)
    condition = or_(
        scaling_groups.c.name.in_(
            select(sgroups_for_domains.c.scaling_group).where(
                sgroups_for_domains.c.domain == domain
            )
        ),
        scaling_groups.c.name.in_(
            select(sgroups_for_groups.c.scaling_group).where(
                sgroups_for_groups.c.group.in_(projects)
            )
        ),
        scaling_groups.c.name.in_(
            select(sgroups_for_keypairs.c.scaling_group).where(
                sgroups_for_keypairs.c.access_key.in_(keys)
            )
        ),
    )
    return condition if user is None else condition & _shown_to_users()


def _shown_to_users() -> ColumnElement[bool]:
    return scaling_groups.c.is_active & scaling_groups.c.is_public


def _keys_of(domain_name: str | None) -> AnySelect:
    return (
        select(keypairs.c.access_key)
        .join(users, users.c.uuid == keypairs.c.user)
        .where(users.c.domain_name == domain_name)
    )


def _scope(scope: Scope) -> ColumnElement[str]:
    return literal_column(f"'{scope.value}'", Text).label("scope")


async def _projects(
    connection: AsyncConnection, given: Iterable[str], *, lock: bool
) -> dict[UUID, str]:
    """Projects by id, by ``domain/name``, or by a name that one alone has."""
    found: dict[UUID, str] = {}
    unknown = []
    for text in dict.fromkeys(given):
        path = groups.c.domain_name + "/" + groups.c.name
        statement = (
            select(groups.c.id, path.label("path"))
            .where(
                or_(groups.c.name == text, path == text, cast(groups.c.id, Text) == text.lower())
            )
            .limit(2)
        )
        if lock:
            statement = statement.with_for_update(read=True, key_share=True)
        rows = (await connection.execute(statement)).all()
        if len(rows) == 1:
            found[rows[0].id] = rows[0].path
        else:
            unknown.append(text)
    if unknown:
        raise UnknownProjects(unknown)
    return found


def _missing(given: Iterable[str], known: Collection[str]) -> list[str]:
    return [name for name in dict.fromkeys(given) if name not in known]


def _done(name: str, scope: Scope, called: str, *, changed: bool) -> Association:
    return Association(scaling_group=name, scope=scope, name=called, changed=changed)
