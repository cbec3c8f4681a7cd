"""A system as a document describes it: read as of one moment, and changed in one transaction."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from psycopg.errors import LockNotAvailable
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from bai_manager.models.domain import domains
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.resource_policy import (
    keypair_resource_policies,
    project_resource_policies,
    user_resource_policies,
)
from bai_manager.models.resource_preset import resource_presets
from bai_manager.models.scaling_group import (
    scaling_groups,
    sgroups_for_domains,
    sgroups_for_groups,
    sgroups_for_keypairs,
)
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.domain import DomainRepository
from bai_manager.repositories.group import GroupRepository
from bai_manager.repositories.keypair import KeypairRepository
from bai_manager.repositories.manifest_changes import carry_out
from bai_manager.repositories.resource_policy import (
    KeypairResourcePolicyRepository,
    ProjectResourcePolicyRepository,
    UserResourcePolicyRepository,
)
from bai_manager.repositories.resource_preset import ResourcePresetRepository
from bai_manager.repositories.scaling_group import ScalingGroupRepository
from bai_manager.repositories.user import UserRepository
from bai_manager.services.manifest.errors import ManifestNotReached, ManifestPlanChanged
from bai_manager.services.manifest.forms import FORMS
from bai_manager.services.manifest.planning import OF_MAIN_KEY
from bai_manager.services.manifest.types import Entry, Manifest, Section, SiteState
from bai_manager.services.purging import fingerprint
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.services.keypair.types import KeypairData
    from bai_manager.services.manifest.types import Plan
    from bai_manager.services.user.types import NewUserSecrets, UserData
    from bai_manager.types.json import JsonObject

PATIENCE: Final = 10.0
PAUSE: Final = 0.05
"""Seconds."""
PASSES: Final = 3
"""Some changes bring about others: a new user joins the model store, a role marks key pairs."""
_TABLES: Final = (
    domains,
    groups,
    association_groups_users,
    users,
    keypairs,
    keypair_resource_policies,
    user_resource_policies,
    project_resource_policies,
    resource_presets,
    scaling_groups,
    sgroups_for_domains,
    sgroups_for_groups,
    sgroups_for_keypairs,
)
"""In the order in which rows are locked everywhere."""
_ALL: Final = Query()


class ManifestRepository:
    """Reads and writes through the repositories of the nouns: rows are as they make them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> SiteState:
        """Everything, as of one moment."""
        async with self._database.together(snapshot=True) as part:
            return await _state_of(part)

    async def apply(
        self,
        wanted: Manifest,
        decide: Callable[[SiteState], Plan],
        *,
        expected: str,
        secrets: Iterator[NewUserSecrets],
    ) -> None:
        """Carry out what ``decide`` says, until it says that nothing is left.

        Nobody else writes any of it meanwhile. Raises ``ManifestPlanChanged`` if that is not the
        plan of the fingerprint, ``ManifestNotReached``, and what the repositories raise.
        """
        async with self._database.together() as part:
            async with part.transaction() as connection:
                await _lock_tables(connection)
            plan = decide(await _state_of(part))
            if fingerprint(plan) != expected:
                raise ManifestPlanChanged
            for _ in range(PASSES):
                if not plan.changes:
                    return
                await carry_out(part, wanted, plan, secrets)
                plan = decide(await _state_of(part))
            if plan.changes:
                raise ManifestNotReached(plan.changes)


async def _lock_tables(connection: AsyncConnection) -> None:
    """Keep everybody else from writing, or locking a row, of any of the tables.

    All of them are taken at once or none: who waits holds nothing that others wait for. Raises
    ``DatabaseBusy`` when that does not succeed for ``PATIENCE``.
    """
    names = ", ".join(f'"{table.name}"' for table in _TABLES)
    statement = text(f"LOCK TABLE {names} IN EXCLUSIVE MODE NOWAIT")
    for pause in (*[PAUSE] * round(PATIENCE / PAUSE), None):
        try:
            async with connection.begin_nested():
                await connection.execute(statement)
        except DBAPIError as error:
            if pause is None or not isinstance(error.orig, LockNotAvailable):
                raise
            await asyncio.sleep(pause)
        else:
            return


async def _state_of(database: Database) -> SiteState:
    people = await UserRepository(database).list_users(_ALL, visible=None)
    keys = await KeypairRepository(database).list_keypairs(_ALL, user=None, visible=None)
    main_keys = {key.access_key: key for key in keys if key.is_main}
    found = [
        *_written(
            Section.KEYPAIR_POLICIES,
            await KeypairResourcePolicyRepository(database).list_policies(_ALL),
        ),
        *_written(
            Section.USER_POLICIES, await UserResourcePolicyRepository(database).list_policies(_ALL)
        ),
        *_written(
            Section.PROJECT_POLICIES,
            await ProjectResourcePolicyRepository(database).list_policies(_ALL),
        ),
        *_written(Section.DOMAINS, await DomainRepository(database).list_domains(_ALL)),
        *(_user_entry(user, main_keys) for user in people),
        *await _groups(database),
        *await _scaling_groups(database, main_keys),
        *_written(Section.PRESETS, await ResourcePresetRepository(database).list_presets(_ALL)),
    ]
    sections: dict[Section, dict[str, Entry]] = {section: {} for section in Section}
    for entry in found:
        sections[entry.section][entry.name] = entry
    return SiteState(
        manifest=Manifest(sections=sections),
        access_keys={
            key.access_key: key.user_email if key.is_main else key.access_key for key in keys
        },
        emails={user.id: user.email for user in people},
    )


def _written(section: Section, rows: Iterable[object]) -> Iterator[Entry]:
    form = FORMS[section]
    for row in rows:
        yield _entry(section, form.written(row))


def _entry(section: Section, fields: JsonObject) -> Entry:
    return Entry(section=section, name=FORMS[section].name_of(fields), fields=fields)


def _user_entry(user: UserData, main_keys: Mapping[str, KeypairData]) -> Entry:
    """A user without a main key pair has no fields of one."""
    key = main_keys.get(user.main_access_key or "")
    fields = FORMS[Section.USERS].written(
        user,
        keypair_resource_policy=None if key is None else key.resource_policy,
        rate_limit=None if key is None else key.rate_limit,
    )
    if key is None:
        fields = {name: value for name, value in fields.items() if name not in OF_MAIN_KEY}
    return _entry(Section.USERS, fields)


async def _groups(database: Database) -> list[Entry]:
    members: defaultdict[UUID, list[str]] = defaultdict(list)
    statement = select(association_groups_users.c.group_id, users.c.email).join(
        users, users.c.uuid == association_groups_users.c.user_id
    )
    async with database.transaction() as connection:
        for row in await connection.execute(statement):
            members[row.group_id].append(row.email)
    form = FORMS[Section.GROUPS]
    return [
        _entry(Section.GROUPS, form.written(group, members=members[group.id]))
        for group in await GroupRepository(database).list_groups(_ALL, visible=None)
    ]


async def _scaling_groups(database: Database, main_keys: Mapping[str, KeypairData]) -> list[Entry]:
    """Key pairs by the e-mail of whose main one they are: access keys are another's elsewhere."""
    form = FORMS[Section.SCALING_GROUPS]
    listed = await ScalingGroupRepository(database).list_groups(_ALL)
    return [
        _entry(
            Section.SCALING_GROUPS,
            form.written(
                group,
                keypairs=[
                    main_keys[key].user_email if key in main_keys else key
                    for key in group.access_keys
                ],
            ),
        )
        for group in listed
    ]
