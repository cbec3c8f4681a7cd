"""Resource groups (``scaling_groups``) and who may use them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from bai_manager.models.agent import agents
from bai_manager.models.resource_preset import resource_presets
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.session import sessions
from bai_manager.repositories.query import Field, apply_query
from bai_manager.repositories.scaling_group_scopes import (
    associate,
    associations_of,
    dissociate,
    open_to_any,
    open_within,
    resolved,
)
from bai_manager.repositories.scaling_group_use import agent_numbers, own_occupied, use_of
from bai_manager.repositories.versions import check_version, version_of
from bai_manager.services.scaling_group.errors import (
    ScalingGroupAlreadyExists,
    ScalingGroupInUse,
    ScalingGroupNotAssociated,
    ScalingGroupNotFound,
)
from bai_manager.services.scaling_group.types import (
    ScalingGroupData,
    ScalingGroupSpec,
    Scope,
    Scopes,
    changed_spec,
)
from bai_manager.types.credentials import Secret
from bai_manager.types.jsonable import to_jsonable
from bai_manager.types.query import INTEGER, TEXT, TIME, TRUTH
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.scaling_group_options import ScalingGroupOptions
from bai_manager.types.status import SESSION_DEAD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.repositories.scaling_group_use import AgentNumbers
    from bai_manager.services.scaling_group.types import Association, ScalingGroupChanges
    from bai_manager.types.json import JsonValue
    from bai_manager.types.query import Query

_AGENT_COUNT = (
    select(func.count())
    .where(agents.c.scaling_group == scaling_groups.c.name)
    .correlate(scaling_groups)
    .scalar_subquery()
)
_SESSION_COUNT = (
    select(func.count())
    .where(
        sessions.c.scaling_group_name == scaling_groups.c.name,
        sessions.c.status.not_in(SESSION_DEAD),
    )
    .correlate(scaling_groups)
    .scalar_subquery()
)

SCALING_GROUP_FIELDS: Mapping[str, Field] = {
    "name": Field(TEXT, scaling_groups.c.name),
    "description": Field(TEXT, scaling_groups.c.description),
    "is_active": Field(TRUTH, scaling_groups.c.is_active),
    "is_public": Field(TRUTH, scaling_groups.c.is_public),
    "driver": Field(TEXT, scaling_groups.c.driver),
    "scheduler": Field(TEXT, scaling_groups.c.scheduler),
    "created_at": Field(TIME, scaling_groups.c.created_at),
    "agent_count": Field(INTEGER, _AGENT_COUNT),
    "session_count": Field(INTEGER, _SESSION_COUNT),
}
USER_FIELDS: Mapping[str, Field] = {
    name: SCALING_GROUP_FIELDS[name] for name in ("name", "is_active")
}
"""What is not shown cannot be asked for either."""


class ScalingGroupRepository:
    """Resource groups as rows, as what a person may use, and as what the scheduler sees."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_groups(
        self,
        query: Query,
        *,
        visible: Visibility | None = None,
        open_to: Scopes = Scopes(),  # noqa: B008 - frozen
    ) -> list[ScalingGroupData]:
        """Resource groups by name; of ``open_to``, those that are active and open to any of it.

        Raises as ``resolved`` does for what ``open_to`` names and there is not.
        """
        async with self._database.transaction() as connection:
            statement = self._select(visible)
            if open_to:
                found = await resolved(connection, open_to)
                statement = statement.where(scaling_groups.c.is_active, open_to_any(found))
            masked = visible is not None and visible.user_id is not None
            statement = apply_query(
                statement,
                query,
                USER_FIELDS if masked else SCALING_GROUP_FIELDS,
                default_order=(scaling_groups.c.name,),
            )
            rows = (await connection.execute(statement)).all()
            return await _seen(connection, rows, visible)

    async def get_group(self, name: str, *, visible: Visibility | None = None) -> ScalingGroupData:
        """One resource group; raises ``ScalingGroupNotFound``."""
        async with self._database.transaction() as connection:
            return await self._one(connection, name, visible=visible)

    async def create_group(
        self, spec: ScalingGroupSpec, scopes: Scopes, *, if_not_exists: bool
    ) -> tuple[ScalingGroupData, bool]:
        """Insert a resource group with its associations, and say whether it is new.

        Raises ``ScalingGroupAlreadyExists``, and as ``resolved`` does.
        """
        async with self._database.transaction() as connection:
            found = await resolved(connection, scopes, lock=True)
            created = await connection.scalar(
                insert(scaling_groups)
                .values(_row_of(spec))
                .on_conflict_do_nothing(index_elements=[scaling_groups.c.name])
                .returning(scaling_groups.c.name)
            )
            if created is not None:
                await associate(connection, spec.name, found)
            elif not if_not_exists:
                raise ScalingGroupAlreadyExists(spec.name)
            return await self._one(connection, spec.name), created is not None

    async def update_group(
        self, name: str, changes: ScalingGroupChanges, *, if_unchanged: str | None
    ) -> tuple[ScalingGroupData, tuple[str, ...]]:
        """Change a resource group under its lock; also says which columns have another value.

        Raises ``ScalingGroupNotFound`` and ``RowChanged``.
        """
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    select(scaling_groups, version_of(scaling_groups))
                    .where(scaling_groups.c.name == name)
                    .with_for_update(key_share=True)
                )
            ).one_or_none()
            if row is None:
                raise ScalingGroupNotFound(name)
            check_version(f"The resource group {name!r}", expected=if_unchanged, found=row.version)
            before = _spec(row)
            was, becomes = _row_of(before), _row_of(changed_spec(before, changes))
            values = {column: value for column, value in becomes.items() if value != was[column]}
            if values:
                await connection.execute(
                    update(scaling_groups).where(scaling_groups.c.name == name).values(values)
                )
            return await self._one(connection, name), tuple(values)

    async def delete_group(
        self, name: str, *, ignore_not_found: bool
    ) -> tuple[ScalingGroupData | None, tuple[str, ...]]:
        """Delete a resource group that nothing refers to, and the presets for it alone.

        Raises ``ScalingGroupInUse`` and ``ScalingGroupNotFound``. The lock keeps others from
        referring to the group until it is gone.
        """
        async with self._database.transaction() as connection:
            locked = await connection.scalar(
                select(scaling_groups.c.name).where(scaling_groups.c.name == name).with_for_update()
            )
            if locked is None and ignore_not_found:
                return None, ()
            group = await self._one(connection, name)
            if use := await use_of(connection, name):
                raise ScalingGroupInUse(name, use)
            presets = await connection.scalars(
                delete(resource_presets)
                .where(resource_presets.c.scaling_group_name == name)
                .returning(resource_presets.c.name)
            )
            removed = tuple(sorted(presets))
            await connection.execute(delete(scaling_groups).where(scaling_groups.c.name == name))
            return group, removed

    async def associate(self, names: Sequence[str], scopes: Scopes) -> list[Association]:
        """Open all the groups to all the scopes; raises for what there is not."""
        async with self._database.transaction() as connection:
            found = await resolved(connection, scopes, lock=True)
            await self._lock(connection, names)
            return [one for name in names for one in await associate(connection, name, found)]

    async def dissociate(
        self, names: Sequence[str], scopes: Scopes | None, *, ignore_not_found: bool
    ) -> list[Association]:
        """Close the groups to the scopes, or to everybody for None.

        Raises ``ScalingGroupNotAssociated`` where nothing was open, unless that is to be ignored.
        """
        async with self._database.transaction() as connection:
            found = None if scopes is None else await resolved(connection, scopes, lock=True)
            await self._lock(connection, names)
            closed = [one for name in names for one in await dissociate(connection, name, found)]
            if not any(one.changed for one in closed) and not ignore_not_found:
                raise ScalingGroupNotAssociated(names)
            return closed

    def _select(self, visible: Visibility | None) -> AnySelect:
        statement: AnySelect = select(
            scaling_groups, version_of(scaling_groups), _SESSION_COUNT.label("session_count")
        )
        if visible is not None and visible.domain_name is not None:
            statement = statement.where(open_within(visible))
        return statement

    async def _one(
        self, connection: AsyncConnection, name: str, *, visible: Visibility | None = None
    ) -> ScalingGroupData:
        rows = (
            await connection.execute(self._select(visible).where(scaling_groups.c.name == name))
        ).all()
        if not rows:
            raise ScalingGroupNotFound(name)
        return (await _seen(connection, rows, visible))[0]

    async def _lock(self, connection: AsyncConnection, names: Sequence[str]) -> None:
        """Keep groups from being deleted meanwhile; in order of their names."""
        found = await connection.scalars(
            select(scaling_groups.c.name)
            .where(scaling_groups.c.name.in_(names))
            .order_by(scaling_groups.c.name)
            .with_for_update(read=True, key_share=True)
        )
        for missing in sorted(set(names) - set(found)):
            raise ScalingGroupNotFound(missing)


async def _seen(
    connection: AsyncConnection, rows: Sequence[AnyRow], visible: Visibility | None
) -> list[ScalingGroupData]:
    """Rows with what is known about them, as far as one may see."""
    names = [row.name for row in rows]
    if visible is not None and visible.user_id is not None:
        own = await own_occupied(connection, names, visible.user_id)
        return [_masked(row, own.get(row.name)) for row in rows]
    numbers = await agent_numbers(connection, names)
    scopes = await associations_of(connection, names, visible)
    return [_group(row, numbers[row.name], scopes) for row in rows]


def _group(
    row: AnyRow, numbers: AgentNumbers, scopes: Mapping[tuple[str, Scope], tuple[str, ...]]
) -> ScalingGroupData:
    spec = _spec(row)
    return ScalingGroupData(
        **{field.name: getattr(spec, field.name) for field in fields(spec)},
        created_at=row.created_at,
        agent_counts=dict(numbers.counts),
        available_slots=numbers.available,
        occupied_slots=numbers.occupied,
        free_slots=numbers.free,
        largest_request=numbers.largest,
        own_occupied_slots=None,
        session_count=row.session_count,
        domains=scopes.get((row.name, Scope.DOMAIN), ()),
        projects=scopes.get((row.name, Scope.PROJECT), ()),
        access_keys=scopes.get((row.name, Scope.KEYPAIR), ()),
        version=row.version,
    )


def _masked(row: AnyRow, own: ResourceSlot | None) -> ScalingGroupData:
    """What an ordinary user is shown (``reference/services.md`` §6)."""
    nothing = dict.fromkeys(field.name for field in fields(ScalingGroupData))
    shown = {
        "name": row.name,
        "is_active": bool(row.is_active),
        "own_occupied_slots": own or ResourceSlot(),
        "domains": (),
        "projects": (),
        "access_keys": (),
    }
    return ScalingGroupData(**{**nothing, **shown})


def _spec(row: AnyRow) -> ScalingGroupSpec:
    return ScalingGroupSpec(
        name=row.name,
        description=row.description,
        is_active=bool(row.is_active),
        is_public=row.is_public,
        wsproxy_addr=row.wsproxy_addr,
        wsproxy_api_token=None if row.wsproxy_api_token is None else Secret(row.wsproxy_api_token),
        driver=row.driver,
        driver_opts=row.driver_opts or {},
        scheduler=row.scheduler,
        scheduler_opts=ScalingGroupOptions.from_json(row.scheduler_opts or {}),
        use_host_network=row.use_host_network,
    )


def _row_of(spec: ScalingGroupSpec) -> dict[str, JsonValue]:
    """The columns of a spec, whose fields are called as they are; the token as it is."""
    columns = {field.name: to_jsonable(getattr(spec, field.name)) for field in fields(spec)}
    token = spec.wsproxy_api_token
    return {**columns, "wsproxy_api_token": None if token is None else token.reveal()}
