"""Users in bulk: what is known of them beforehand, and a chunk of them in one transaction."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.resource_policy import keypair_resource_policies, user_resource_policies
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.keypair import KeypairRepository
from bai_manager.repositories.user import UserRepository
from bai_manager.repositories.user_creation import NewUser, insert_users
from bai_manager.services.keypair.types import KeypairChanges, KeypairSpec
from bai_manager.services.user_import.errors import UserImportRaced
from bai_manager.services.user_import.types import ImportedRow, Known, RowProblem, RowResult
from bai_manager.types.status import ProjectType
from bai_manager.types.tristate import UNSET, given, set_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Column
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.services.user_import.types import ImportRow, PreparedRow


class UserImportRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, rows: Sequence[ImportRow]) -> dict[str, Known]:
        """The users of the rows that there are, by e-mail."""
        statement = select(
            users.c.email,
            users.c.username,
            users.c.domain_name,
            users.c.password,
            users.c.main_access_key,
        ).where(users.c.email.in_([row.email for row in rows]))
        async with self._database.transaction() as connection:
            return {
                row.email: Known(
                    email=row.email,
                    username=row.username,
                    domain_name=row.domain_name,
                    password_hash=row.password,
                    main_access_key=row.main_access_key,
                )
                for row in await connection.execute(statement)
            }

    async def owners_of(self, access_keys: Collection[str]) -> dict[str, str]:
        """The e-mails of those whose key pairs there are."""
        statement = (
            select(keypairs.c.access_key, users.c.email)
            .join(users, users.c.uuid == keypairs.c.user)
            .where(keypairs.c.access_key.in_(access_keys))
        )
        async with self._database.transaction() as connection:
            return {row.access_key: row.email for row in await connection.execute(statement)}

    async def problems(self, rows: Sequence[ImportRow]) -> list[RowProblem]:
        """What rows name and there is not, or what somebody else has."""
        known = await self.known(rows)
        async with self._database.transaction() as connection:
            facts = await _facts(connection, rows)
        return [
            RowProblem(line=row.line, message=message)
            for row in rows
            for message in facts.against(row, known.get(row.email))
        ]

    async def status_of(self, transaction: int) -> str | None:
        """``committed``, ``aborted``, ``in progress``; None for one long ago."""
        async with self._database.transaction() as connection:
            found: str | None = await connection.scalar(
                text("SELECT pg_xact_status(CAST(CAST(:id AS text) AS xid8))"),
                {"id": str(transaction)},
            )
            return found

    async def import_rows(
        self,
        prepared: Sequence[PreparedRow],
        before_commit: Callable[[int, Sequence[ImportedRow]], None],
    ) -> list[ImportedRow]:
        """All rows or none; ``before_commit`` gets the transaction's id and what it did.

        Raises ``UserImportRaced``, and what changing a user raises.
        """
        try:
            async with self._database.together() as part, part.transaction() as connection:
                await _check_unchanged(connection, prepared)
                created = await _create(connection, [one for one in prepared if one.is_new])
                done = [
                    created[one.row.email] if one.is_new else await _update(part, one)
                    for one in prepared
                ]
                number = await connection.scalar(text("SELECT CAST(pg_current_xact_id() AS text)"))
                before_commit(int(number), done)
                return done
        except IntegrityError as error:
            raise UserImportRaced(None) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    """Names that there are."""

    domains: Collection[str]
    user_policies: Collection[str]
    keypair_policies: Collection[str]
    projects: Collection[tuple[str, str]]
    usernames: Mapping[str, str]
    owners: Mapping[str, str]

    def against(self, row: ImportRow, known: Known | None) -> Iterator[str]:
        """What of a row cannot be."""
        there = row.default_domain if known is None else known.domain_name or row.default_domain
        domain = given(row.user.domain_name, there)
        if domain not in self.domains:
            yield f"there is no domain {domain}"
        for what, name, names in (
            ("user policy", given(row.user.resource_policy, None), self.user_policies),
            ("key pair policy", given(row.keypair_resource_policy, None), self.keypair_policies),
        ):
            if name is not None and name not in names:
                yield f"there is no {what} {name}"
        for project in given(row.user.projects, ()):
            if (domain, project) not in self.projects:
                yield f"there is no project {project} in the domain {domain}"
        username = given(row.user.username, row.email if known is None else None)
        if username is not None and self.usernames.get(username, row.email) != row.email:
            yield f"the user name {username} is that of {self.usernames[username]}"
        if row.access_key is not None:
            owner = self.owners.get(row.access_key)
            if owner not in {None, row.email}:
                yield f"the key pair {row.access_key} is that of {owner}"
            if owner is None and row.secret_key is None:
                yield f"there is no key pair {row.access_key}; a new one needs a secret_key"


async def _facts(connection: AsyncConnection, rows: Sequence[ImportRow]) -> _Facts:
    async def names(column: Column[str]) -> set[str]:
        return set(await connection.scalars(select(column)))

    usernames = [given(row.user.username, row.email) for row in rows]
    keys = [row.access_key for row in rows if row.access_key is not None]
    pairs = select(groups.c.domain_name, groups.c.name)
    taken = select(users.c.username, users.c.email).where(users.c.username.in_(usernames))
    owners = (
        select(keypairs.c.access_key, users.c.email)
        .join(users, users.c.uuid == keypairs.c.user)
        .where(keypairs.c.access_key.in_(keys))
    )
    return _Facts(
        domains=await names(domains.c.name),
        user_policies=await names(user_resource_policies.c.name),
        keypair_policies=await names(keypair_resource_policies.c.name),
        projects={(row.domain_name, row.name) for row in await connection.execute(pairs)},
        usernames={row.username: row.email for row in await connection.execute(taken)},
        owners={row.access_key: row.email for row in await connection.execute(owners)},
    )


async def _check_unchanged(connection: AsyncConnection, prepared: Sequence[PreparedRow]) -> None:
    """That the same users are there as were beforehand; they are locked, in order."""
    emails = [one.row.email for one in prepared]
    found = set(
        await connection.scalars(
            select(users.c.email)
            .where(users.c.email.in_(emails))
            .order_by(users.c.uuid)
            .with_for_update(key_share=True)
        )
    )
    for one in prepared:
        if one.is_new is (one.row.email in found):
            raise UserImportRaced(one.row.email)


async def _create(
    connection: AsyncConnection, new: Sequence[PreparedRow]
) -> dict[str, ImportedRow]:
    """Insert the new users together."""
    if not new:
        return {}
    specs = {one.row.email: one.row.spec() for one in new}
    projects = await _projects(connection, {spec.domain_name for spec in specs.values()})
    people = []
    for one in new:
        spec = specs[one.row.email]
        of_domain = projects[spec.domain_name]
        joined = {of_domain[name] for name in spec.projects} | {
            group_id for name, group_id in of_domain.items() if name is None
        }
        if one.secrets is None:
            raise UserImportRaced(one.row.email)
        people.append(
            NewUser(id=uuid4(), spec=spec, secrets=one.secrets, projects=frozenset(joined))
        )
    await insert_users(connection, people)
    return {
        person.spec.email: ImportedRow(
            line=one.row.line,
            email=person.spec.email,
            result=RowResult.CREATED,
            changed=(),
            access_key=person.secrets.access_key,
        )
        for one, person in zip(new, people, strict=True)
    }


async def _projects(
    connection: AsyncConnection, names: Collection[str]
) -> Mapping[str, Mapping[str | None, UUID]]:
    """Projects of domains by name; under None the first model store, which new users join."""
    found: defaultdict[str, dict[str | None, UUID]] = defaultdict(dict)
    rows = await connection.execute(
        select(groups.c.domain_name, groups.c.name, groups.c.id, groups.c.type)
        .where(groups.c.domain_name.in_(names))
        .order_by(groups.c.created_at, groups.c.id)
    )
    for row in rows:
        found[row.domain_name][row.name] = row.id
        if row.type == ProjectType.MODEL_STORE.value:
            found[row.domain_name].setdefault(None, row.id)
    return found


async def _update(part: Database, prepared: PreparedRow) -> ImportedRow:
    """Change what differs of one user, by the commands' own calls."""
    row = prepared.row
    people = UserRepository(part)
    user, changed, _ = await people.update_user(row.email, row.user, if_unchanged=None)
    if prepared.password_hash is not None:
        await people.set_password(row.email, prepared.password_hash, need_change=None)
        changed = (*changed, "password")
    access_key = row.access_key or user.main_access_key
    changed = (*changed, *await _update_keypair(part, prepared, access_key))
    return ImportedRow(
        line=row.line,
        email=row.email,
        result=RowResult.UPDATED if changed else RowResult.UNCHANGED,
        changed=changed,
        access_key=access_key,
    )


async def _update_keypair(
    part: Database, prepared: PreparedRow, access_key: str | None
) -> tuple[str, ...]:
    row, keys = prepared.row, KeypairRepository(part)
    changes = KeypairChanges(resource_policy=row.keypair_resource_policy, rate_limit=row.rate_limit)
    if access_key is None:
        return ()
    if prepared.secrets is not None:
        await keys.create_keypair(
            row.email,
            KeypairSpec(**set_fields(changes)),  # type: ignore[arg-type]
            access_key=access_key,
            secret_key=prepared.secrets.secret_key,
            ssh_keypair=prepared.secrets.ssh_keypair,
        )
        return ("keypairs",)
    if changes.resource_policy is UNSET and changes.rate_limit is UNSET:
        return ()
    _, changed = await keys.update_keypair(access_key, changes, if_unchanged=None)
    return tuple("keypair_resource_policy" if one == "resource_policy" else one for one in changed)
