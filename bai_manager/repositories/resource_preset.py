"""``resource_presets``: named requests for all resource groups, or for one."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from bai_manager.models.resource_preset import resource_presets
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.repositories.query import Field, apply_query
from bai_manager.repositories.scaling_group_scopes import open_within
from bai_manager.repositories.versions import check_version, version_of
from bai_manager.services.resource_preset.errors import (
    AmbiguousPreset,
    ResourcePresetConflict,
    ResourcePresetNotFound,
)
from bai_manager.services.resource_preset.types import (
    ResourcePresetData,
    ResourcePresetSpec,
    changed_spec,
    check_spec,
    spec_of,
)
from bai_manager.services.scaling_group.errors import ScalingGroupNotFound
from bai_manager.types.jsonable import to_jsonable
from bai_manager.types.query import ID, SIZE, SLOTS, TEXT
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.services.resource_preset.types import ResourcePresetChanges
    from bai_manager.types.json import JsonValue
    from bai_manager.types.query import Query

RESOURCE_PRESET_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, resource_presets.c.id),
    "name": Field(TEXT, resource_presets.c.name),
    "scaling_group_name": Field(TEXT, resource_presets.c.scaling_group_name),
    "resource_slots": Field(SLOTS, resource_presets.c.resource_slots),
    "shared_memory": Field(SIZE, resource_presets.c.shared_memory),
}
_BY_NAME = (
    resource_presets.c.name,
    resource_presets.c.scaling_group_name.asc().nulls_first(),
    resource_presets.c.id,
)


class ResourcePresetRepository:
    """Presets; one sees those for all resource groups and those for the groups one may use."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_presets(
        self,
        query: Query,
        *,
        scaling_group: str | None = None,
        visible: Visibility | None = None,
    ) -> list[ResourcePresetData]:
        """Presets by name; with a resource group, those that can be used there."""
        statement = _select(visible)
        if scaling_group is not None:
            statement = statement.where(_usable_in([scaling_group]))
        statement = apply_query(statement, query, RESOURCE_PRESET_FIELDS, default_order=_BY_NAME)
        async with self._database.transaction() as connection:
            return [_preset(row) for row in await connection.execute(statement)]

    async def get_preset(
        self, preset: str, *, visible: Visibility | None = None
    ) -> ResourcePresetData:
        """One preset by id or name; raises ``ResourcePresetNotFound``, ``AmbiguousPreset``."""
        async with self._database.transaction() as connection:
            return await _one(connection, preset, visible=visible)

    async def create_preset(
        self, spec: ResourcePresetSpec, *, if_not_exists: bool
    ) -> tuple[ResourcePresetData, bool]:
        """Insert a preset and say whether it is new.

        Raises ``ResourcePresetConflict`` and ``ScalingGroupNotFound``.
        """
        async with self._database.transaction() as connection:
            await _keep_group(connection, spec.scaling_group_name)
            created: UUID | None = await connection.scalar(
                insert(resource_presets)
                .values(_row_of(spec))
                .on_conflict_do_nothing()
                .returning(resource_presets.c.id)
            )
            if created is not None:
                return await _one(connection, str(created)), True
            if not if_not_exists:
                raise ResourcePresetConflict(spec.name, spec.scaling_group_name)
            row = (await connection.execute(_select(None).where(_called(spec)))).one()
            return _preset(row), False

    async def update_preset(
        self, preset: str, changes: ResourcePresetChanges, *, if_unchanged: str | None
    ) -> tuple[ResourcePresetData, tuple[str, ...]]:
        """Change a preset under its lock; also says which fields have another value now.

        Raises ``RowChanged``, ``InvalidPreset`` for what the whole would become, and as
        ``get_preset`` and ``create_preset`` do.
        """
        async with self._database.transaction() as connection:
            found = (await _one(connection, preset)).id
            await connection.execute(
                select(resource_presets.c.id)
                .where(resource_presets.c.id == found)
                .with_for_update(key_share=True)
            )
            current = await _one(connection, str(found))
            check_version(f"The preset {preset!r}", expected=if_unchanged, found=current.version)
            spec = changed_spec(spec_of(current), changes)
            was, becomes = _row_of(spec_of(current)), _row_of(spec)
            values = {column: value for column, value in becomes.items() if value != was[column]}
            if not values:
                return current, ()
            check_spec(spec)
            if "scaling_group_name" in values:
                await _keep_group(connection, spec.scaling_group_name)
            try:
                await connection.execute(
                    update(resource_presets).where(resource_presets.c.id == found).values(values)
                )
            except IntegrityError as error:
                raise ResourcePresetConflict(spec.name, spec.scaling_group_name) from error
            return await _one(connection, str(found)), tuple(values)

    async def delete_preset(
        self, preset: str, *, ignore_not_found: bool
    ) -> ResourcePresetData | None:
        """Delete a preset; raises as ``get_preset``."""
        async with self._database.transaction() as connection:
            try:
                found = await _one(connection, preset)
            except ResourcePresetNotFound:
                if not ignore_not_found:
                    raise
                return None
            await connection.execute(
                delete(resource_presets).where(resource_presets.c.id == found.id)
            )
            return found


async def presets_of(
    connection: AsyncConnection, scaling_groups: Collection[str]
) -> tuple[ResourcePresetData, ...]:
    """Presets for all resource groups and for the ones named, by name."""
    statement = _select(None).where(_usable_in(scaling_groups)).order_by(*_BY_NAME)
    return tuple(_preset(row) for row in await connection.execute(statement))


def _select(visible: Visibility | None) -> AnySelect:
    statement: AnySelect = select(resource_presets, version_of(resource_presets))
    if visible is None or visible.domain_name is None:
        return statement
    shown = select(scaling_groups.c.name).where(open_within(visible))
    return statement.where(
        or_(
            resource_presets.c.scaling_group_name.is_(None),
            resource_presets.c.scaling_group_name.in_(shown),
        )
    )


def _usable_in(scaling_groups: Collection[str]) -> ColumnElement[bool]:
    return or_(
        resource_presets.c.scaling_group_name.is_(None),
        resource_presets.c.scaling_group_name.in_(scaling_groups),
    )


def _called(spec: ResourcePresetSpec) -> ColumnElement[bool]:
    return (resource_presets.c.name == spec.name) & (
        resource_presets.c.scaling_group_name.is_not_distinct_from(spec.scaling_group_name)
    )


async def _one(
    connection: AsyncConnection, preset: str, *, visible: Visibility | None = None
) -> ResourcePresetData:
    """By id before name, as it was named."""
    is_it = resource_presets.c.id
    rows = (
        await connection.execute(
            _select(visible)
            .where(or_(resource_presets.c.name == preset, cast(is_it, Text) == preset.lower()))
            .order_by(*_BY_NAME)
        )
    ).all()
    by_id = [row for row in rows if str(row.id) == preset.lower()]
    found = by_id or rows
    if not found:
        raise ResourcePresetNotFound(preset)
    if len(found) > 1:
        raise AmbiguousPreset(preset, [(str(row.id), row.scaling_group_name) for row in found])
    return _preset(found[0])


async def _keep_group(connection: AsyncConnection, name: str | None) -> None:
    """Keep a resource group from being deleted meanwhile; raises ``ScalingGroupNotFound``.

    No constraint of the database refers a preset to its group.
    """
    if name is None:
        return
    found = await connection.scalar(
        select(scaling_groups.c.name)
        .where(scaling_groups.c.name == name)
        .with_for_update(read=True, key_share=True)
    )
    if found is None:
        raise ScalingGroupNotFound(name)


def _preset(row: AnyRow) -> ResourcePresetData:
    return ResourcePresetData(
        id=row.id,
        name=row.name,
        resource_slots=ResourceSlot.from_json(row.resource_slots),
        shared_memory=row.shared_memory,
        scaling_group_name=row.scaling_group_name,
        version=row.version,
    )


def _row_of(spec: ResourcePresetSpec) -> dict[str, JsonValue]:
    """The columns of a spec, whose fields are called as they are."""
    return {field.name: to_jsonable(getattr(spec, field.name)) for field in fields(spec)}
