"""``images`` and their aliases."""

from __future__ import annotations

from collections import defaultdict
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from bai_manager.models.image import image_aliases, images
from bai_manager.repositories.query import Field, apply_query
from bai_manager.services.session.errors import ImageNotFound, NoSuchArchitecture
from bai_manager.services.session.types import ImageData
from bai_manager.types.image_ref import normalized_architecture
from bai_manager.types.query import ID, TEXT, TRUTH
from bai_manager.types.status import ImageStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow
    from bai_manager.types.query import Query

_COLUMNS = (
    images.c.id,
    images.c.name,
    images.c.registry,
    images.c.project,
    images.c.tag,
    images.c.architecture,
    images.c.config_digest,
    images.c.is_local,
    images.c.labels,
    images.c.resources,
)

IMAGE_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, images.c.id),
    "name": Field(TEXT, images.c.name),
    "registry": Field(TEXT, images.c.registry),
    "project": Field(TEXT, images.c.project),
    "tag": Field(TEXT, images.c.tag),
    "architecture": Field(TEXT, images.c.architecture),
    "is_local": Field(TRUTH, images.c.is_local),
}


class ImageRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_images(self, query: Query) -> list[ImageData]:
        """Images that can be used, with their aliases."""
        statement = apply_query(
            select(*_COLUMNS).where(images.c.status == ImageStatus.ALIVE),
            query,
            IMAGE_FIELDS,
            default_order=(images.c.name, images.c.architecture),
        )
        async with self._database.transaction() as connection:
            return await _with_aliases(connection, (await connection.execute(statement)).all())

    async def resolve(self, image: str, architecture: str | None) -> ImageData:
        """The usable image of that canonical name or alias.

        Raises ``ImageNotFound`` with the closest names, or with what it is there for.
        """
        architecture = normalized_architecture(architecture) if architecture else None
        statement = (
            select(*_COLUMNS)
            .select_from(images.outerjoin(image_aliases, image_aliases.c.image == images.c.id))
            .where(
                images.c.status == ImageStatus.ALIVE,
                or_(images.c.name == image, image_aliases.c.alias == image),
            )
            .order_by(images.c.name != image, images.c.architecture)
            .limit(1)
        )
        if architecture is not None:
            statement = statement.where(images.c.architecture == architecture)
        async with self._database.transaction() as connection:
            rows = (await connection.execute(statement)).all()
            if not rows:
                if others := await _architectures(connection, image):
                    raise NoSuchArchitecture(image, architecture or "", others)
                raise ImageNotFound(image, await _close_names(connection, image))
            return (await _with_aliases(connection, rows))[0]


async def _architectures(connection: AsyncConnection, image: str) -> list[str]:
    """Those that a usable image of that name or alias is there for."""
    found = await connection.scalars(
        select(images.c.architecture)
        .select_from(images.outerjoin(image_aliases, image_aliases.c.image == images.c.id))
        .where(
            images.c.status == ImageStatus.ALIVE,
            or_(images.c.name == image, image_aliases.c.alias == image),
        )
        .distinct()
    )
    return sorted(found)


async def _close_names(connection: AsyncConnection, image: str) -> list[str]:
    names = await connection.scalars(
        select(images.c.name)
        .where(images.c.status == ImageStatus.ALIVE)
        .union(select(image_aliases.c.alias))
    )
    return get_close_matches(image, [name for name in names if name], n=3, cutoff=0.5)


async def _with_aliases(connection: AsyncConnection, rows: Sequence[AnyRow]) -> list[ImageData]:
    aliases = await _aliases(connection, [row.id for row in rows])
    return [
        ImageData(
            id=row.id,
            name=row.name,
            registry=row.registry,
            project=row.project,
            tag=row.tag,
            architecture=row.architecture,
            digest=row.config_digest,
            is_local=row.is_local,
            labels=row.labels or {},
            resources=row.resources or {},
            aliases=aliases[row.id],
        )
        for row in rows
    ]


async def _aliases(
    connection: AsyncConnection, image_ids: Collection[UUID]
) -> Mapping[UUID, list[str]]:
    rows = await connection.execute(
        select(image_aliases.c.image, image_aliases.c.alias)
        .where(image_aliases.c.image.in_(image_ids))
        .order_by(image_aliases.c.alias)
    )
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    for row in rows:
        found[row.image].append(row.alias)
    return found
