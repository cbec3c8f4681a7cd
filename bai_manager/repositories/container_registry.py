"""``container_registries``: where images come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, case, cast, false, func, literal, or_, select

from bai_manager.models.container_registry import (
    association_container_registries_groups,
    container_registries,
)
from bai_manager.models.group import groups
from bai_manager.models.image import images
from bai_manager.repositories.query import Field, apply_query
from bai_manager.services.container_registry.errors import (
    AmbiguousContainerRegistry,
    ContainerRegistryNotFound,
)
from bai_manager.services.container_registry.types import ContainerRegistryData
from bai_manager.types.query import ID, TEXT, TRUTH, FieldKind
from bai_manager.types.status import ContainerRegistryType, ImageStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow
    from bai_manager.types.query import Query

_SHORTEST_PREFIX = 4
_FULL_NAME = case(
    (container_registries.c.project.is_(None), container_registries.c.registry_name),
    else_=container_registries.c.registry_name + literal("/") + container_registries.c.project,
)
_IMAGE_COUNT = (
    select(func.count())
    .where(
        images.c.registry_id == container_registries.c.id,
        images.c.status == ImageStatus.ALIVE.value,
    )
    .scalar_subquery()
    .label("image_count")
)
_ALLOWED = (
    select(
        func.array_agg(
            func.concat(groups.c.domain_name, "/", groups.c.name),
        )
    )
    .select_from(
        association_container_registries_groups.join(
            groups, groups.c.id == association_container_registries_groups.c.group_id
        )
    )
    .where(association_container_registries_groups.c.registry_id == container_registries.c.id)
    .scalar_subquery()
    .label("allowed_groups")
)
_COLUMNS = (
    container_registries.c.id,
    container_registries.c.registry_name,
    container_registries.c.project,
    container_registries.c.url,
    cast(container_registries.c.type, Text).label("type"),
    container_registries.c.username,
    (func.coalesce(container_registries.c.password, "") != "").label("has_password"),
    container_registries.c.ssl_verify,
    container_registries.c.is_global,
    _ALLOWED,
    _IMAGE_COUNT,
)

REGISTRY_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, container_registries.c.id),
    "registry_name": Field(TEXT, container_registries.c.registry_name),
    "project": Field(TEXT, container_registries.c.project),
    "url": Field(TEXT, container_registries.c.url),
    "type": Field(FieldKind.choice(ContainerRegistryType), container_registries.c.type),
    "is_global": Field(TRUTH, container_registries.c.is_global),
}


class ContainerRegistryRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_registries(self, query: Query) -> list[ContainerRegistryData]:
        """Each with the projects that may use it and how many images it has."""
        statement = apply_query(
            select(*_COLUMNS),
            query,
            REGISTRY_FIELDS,
            default_order=(
                container_registries.c.registry_name,
                container_registries.c.project.nulls_first(),
                container_registries.c.id,
            ),
        )
        async with self._database.transaction() as connection:
            return [_registry(row) for row in await connection.execute(statement)]

    async def get_registry(self, registry: str) -> ContainerRegistryData:
        """Raise ``ContainerRegistryNotFound`` and ``AmbiguousContainerRegistry``."""
        named = or_(
            container_registries.c.registry_name == registry,
            literal(registry) == _FULL_NAME,
            cast(container_registries.c.id, Text).startswith(registry.lower(), autoescape=True)
            if len(registry) >= _SHORTEST_PREFIX
            else false(),
        )
        async with self._database.transaction() as connection:
            rows = (
                await connection.execute(select(*_COLUMNS).where(named).order_by(_FULL_NAME))
            ).all()
        found = [_registry(row) for row in rows]
        if not found:
            raise ContainerRegistryNotFound(registry)
        exact = [one for one in found if full_name(one) == registry]
        if len(exact) == 1:
            return exact[0]
        if len(found) > 1:
            raise AmbiguousContainerRegistry(
                registry, [f"{full_name(one)} ({one.id})" for one in found]
            )
        return found[0]


def full_name(registry: ContainerRegistryData) -> str:
    """``REGISTRY/PROJECT``, or the name alone."""
    return "/".join(part for part in (registry.registry_name, registry.project) if part)


def _registry(row: AnyRow) -> ContainerRegistryData:
    return ContainerRegistryData(
        id=row.id,
        registry_name=row.registry_name,
        project=row.project,
        url=row.url,
        type=ContainerRegistryType.parse(row.type),
        username=row.username,
        has_password=row.has_password,
        ssl_verify=row.ssl_verify is not False,
        is_global=row.is_global is not False,
        allowed_groups=sorted(row.allowed_groups or ()),
        image_count=row.image_count,
    )
