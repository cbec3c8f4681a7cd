"""``images`` and their aliases, as sessions use them and as they are administered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from bai_manager.models.endpoint import endpoints
from bai_manager.models.image import image_aliases, images
from bai_manager.models.session import kernels
from bai_manager.repositories.image_rows import (
    DETAILS,
    aliases_of,
    close_names,
    details_of,
    find_image,
    image_details,
    registry_of,
)
from bai_manager.repositories.query import Field, apply_query, filters_on
from bai_manager.repositories.versions import check_version
from bai_manager.services.image.errors import (
    ImageAliasAlreadyExists,
    ImageAliasNotFound,
    ImageAlreadyExists,
    ImageAlreadyForgotten,
    ImageInUse,
)
from bai_manager.services.image.types import ImageUse, LimitsPatch, Registered, check_limits
from bai_manager.services.session.errors import ImageNotFound, NoSuchArchitecture
from bai_manager.services.session.types_request import ImageData
from bai_manager.types.image_ref import normalized_architecture
from bai_manager.types.query import ID, INTEGER, TEXT, TIME, TRUTH, FieldKind
from bai_manager.types.status import (
    KERNEL_DEAD,
    ContainerRegistryType,
    EndpointLifecycle,
    ImageStatus,
    ImageType,
)
from bai_manager.types.tristate import set_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow
    from bai_manager.services.image.types import ImageChanges, ImageDetails, ImageRegistration
    from bai_manager.types.image_ref import ImageRef
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
_COLUMN_OF = {"digest": "config_digest"}
"""Where a field is called otherwise than its column."""

IMAGE_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, images.c.id),
    "name": Field(TEXT, images.c.name),
    "registry": Field(TEXT, images.c.registry),
    "project": Field(TEXT, images.c.project),
    "tag": Field(TEXT, images.c.tag),
    "architecture": Field(TEXT, images.c.architecture),
    "is_local": Field(TRUTH, images.c.is_local),
    "status": Field(FieldKind.choice(ImageStatus), images.c.status),
    "type": Field(FieldKind.choice(ImageType), images.c.type, by_name=True),
    "size_bytes": Field(INTEGER, images.c.size_bytes),
    "created_at": Field(TIME, images.c.created_at),
}


class ImageRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_images(self, query: Query) -> list[ImageDetails]:
        """Images with their aliases; only those that can be used, unless asked by status."""
        statement = select(*DETAILS)
        if not filters_on(query, "status"):
            statement = statement.where(images.c.status == ImageStatus.ALIVE)
        statement = apply_query(
            statement,
            query,
            IMAGE_FIELDS,
            default_order=(images.c.name, images.c.architecture),
        )
        async with self._database.transaction() as connection:
            return await details_of(connection, (await connection.execute(statement)).all())

    async def get_image(
        self, image: str, architecture: str | None
    ) -> tuple[ImageDetails, ImageUse]:
        """One image and what is made of it; raises ``ImageNotFound`` and ``AmbiguousImage``."""
        async with self._database.transaction() as connection:
            image_id = await find_image(connection, image, architecture)
            return await image_details(connection, image_id), await _use_of(connection, image_id)

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
            row = (await connection.execute(statement)).one_or_none()
            if row is None:
                if others := await _architectures(connection, image):
                    raise NoSuchArchitecture(image, architecture or "", others)
                raise ImageNotFound(image, await close_names(connection, image))
            aliases = await aliases_of(connection, [row.id])
            return _for_sessions(row, aliases[row.id])

    async def alias_image(
        self, image: str, architecture: str | None, *, alias: str, if_not_exists: bool
    ) -> tuple[ImageDetails, bool]:
        """Add an alias to a usable image, and say whether it is new.

        Raises ``ImageAliasAlreadyExists``, ``ImageAlreadyForgotten`` and as ``find_image``.
        """
        async with self._database.transaction() as connection:
            row = await _locked(connection, await find_image(connection, image, architecture))
            _require_alive(row)
            created = await connection.scalar(
                upsert(image_aliases)
                .values(alias=alias, image=row.id)
                .on_conflict_do_nothing()
                .returning(image_aliases.c.id)
            )
            if created is None:
                await _require_alias_of(connection, alias, row.id if if_not_exists else None)
            return await image_details(connection, row.id), created is not None

    async def dealias_image(self, alias: str, *, ignore_not_found: bool) -> tuple[UUID, str] | None:
        """Delete an alias; the image that had it. Raises ``ImageAliasNotFound``."""
        async with self._database.transaction() as connection:
            image_id = await connection.scalar(
                delete(image_aliases)
                .where(image_aliases.c.alias == alias)
                .returning(image_aliases.c.image)
            )
            if image_id is None:
                if ignore_not_found:
                    return None
                raise ImageAliasNotFound(alias)
            name = await connection.scalar(select(images.c.name).where(images.c.id == image_id))
            return image_id, str(name)

    async def register_image(
        self, registration: ImageRegistration, *, if_not_exists: bool
    ) -> tuple[ImageDetails, Registered]:
        """Insert an image, or bring a forgotten one up to date and back.

        The lock on the registry's row lets one at a time in. Raises ``ImageAlreadyExists`` and
        as ``registry_of``.
        """
        async with self._database.transaction() as connection:
            ref, registry = await registry_of(
                connection, registration.name, registration.architecture
            )
            facts = {
                "config_digest": registration.digest,
                "size_bytes": registration.size_bytes,
                "accelerators": registration.accelerators,
                "labels": dict(registration.labels),
                "is_local": registry.type == ContainerRegistryType.LOCAL,
            }
            found = (
                await connection.execute(
                    select(images.c.id, images.c.status)
                    .where(
                        images.c.name == ref.canonical, images.c.architecture == ref.architecture
                    )
                    .with_for_update()
                )
            ).one_or_none()
            if found is None:
                image_id = await _insert_image(
                    connection, ref, {**facts, "registry_id": registry.id}, registration.type
                )
                return await image_details(connection, image_id), Registered.CREATED
            if found.status != ImageStatus.ALIVE:
                await connection.execute(
                    update(images)
                    .where(images.c.id == found.id)
                    .values(**facts, status=ImageStatus.ALIVE.value)
                )
                return await image_details(connection, found.id), Registered.RESTORED
            if not if_not_exists:
                raise ImageAlreadyExists(ref.canonical, ref.architecture)
            return await image_details(connection, found.id), Registered.EXISTED

    async def update_image(
        self,
        image: str,
        architecture: str | None,
        changes: ImageChanges,
        *,
        if_unchanged: str | None,
    ) -> tuple[ImageDetails, tuple[str, ...]]:
        """Change an image under its lock; also says which columns have another value.

        Raises ``InvalidImageLimits``, ``RowChanged`` and as ``find_image``.
        """
        async with self._database.transaction() as connection:
            row = await _locked(connection, await find_image(connection, image, architecture))
            check_version(f"The image {row.name!r}", expected=if_unchanged, found=row.version)
            values = {
                column: value
                for column, value in _columns(changes, row).items()
                if value != getattr(row, column)
            }
            if values:
                await connection.execute(update(images).where(images.c.id == row.id).values(values))
            return await image_details(connection, row.id), tuple(values)

    async def forget_image(self, image: str, architecture: str | None) -> ImageDetails:
        """ALIVE becomes DELETED; aliases stay. Raises ``ImageAlreadyForgotten``."""
        async with self._database.transaction() as connection:
            image_id = await find_image(connection, image, architecture)
            forgotten = await connection.execute(
                update(images)
                .where(images.c.id == image_id, images.c.status == ImageStatus.ALIVE)
                .values(status=ImageStatus.DELETED.value)
            )
            if not forgotten.rowcount:
                raise ImageAlreadyForgotten(image)
            return await image_details(connection, image_id)

    async def purge_image(self, image: str, architecture: str | None) -> ImageDetails:
        """Delete the aliases and the row of an image; raises ``ImageInUse``."""
        async with self._database.transaction() as connection:
            image_id = await find_image(connection, image, architecture)
            row = await _locked(connection, image_id, for_delete=True)
            details = await image_details(connection, row.id)
            if use := await _use_of(connection, row.id):
                raise ImageInUse(row.name, use)
            await connection.execute(delete(image_aliases).where(image_aliases.c.image == row.id))
            await connection.execute(delete(images).where(images.c.id == row.id))
            return details


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


async def _locked(
    connection: AsyncConnection, image_id: UUID, *, for_delete: bool = False
) -> AnyRow:
    """The row, locked; raises ``ImageNotFound`` where it is gone since it was found."""
    row = (
        await connection.execute(
            select(*DETAILS)
            .where(images.c.id == image_id)
            .with_for_update(key_share=not for_delete)
        )
    ).one_or_none()
    if row is None:
        raise ImageNotFound(str(image_id))
    return row


def _require_alive(row: AnyRow) -> None:
    if row.status != ImageStatus.ALIVE:
        raise ImageAlreadyForgotten(row.name)


async def _require_alias_of(connection: AsyncConnection, alias: str, image_id: UUID | None) -> None:
    """Raise ``ImageAliasAlreadyExists`` unless the alias stands for that image."""
    row = (
        await connection.execute(
            select(images.c.id, images.c.name, images.c.status)
            .join(image_aliases, image_aliases.c.image == images.c.id)
            .where(image_aliases.c.alias == alias)
        )
    ).one()
    if row.id != image_id:
        forgotten = row.status != ImageStatus.ALIVE
        raise ImageAliasAlreadyExists(alias, image=row.name, forgotten=forgotten)


async def _insert_image(
    connection: AsyncConnection, ref: ImageRef, facts: Mapping[str, object], kind: ImageType
) -> UUID:
    image_id: UUID = (
        await connection.execute(
            insert(images)
            .values(
                **facts,
                name=ref.canonical,
                project=ref.project or None,
                image=ref.path,
                tag=ref.tag,
                registry=ref.registry,
                architecture=ref.architecture,
                type=kind.name,
                resources={},
                status=ImageStatus.ALIVE.value,
            )
            .returning(images.c.id)
        )
    ).scalar_one()
    return image_id


def _columns(changes: ImageChanges, row: AnyRow) -> dict[str, object]:
    """What the columns are to hold."""
    values = set_fields(changes)
    limits = values.pop("limits", None)
    columns = {_COLUMN_OF.get(name, name): value for name, value in values.items()}
    if isinstance(limits, LimitsPatch):
        columns["resources"] = resources = limits.applied_to(row.resources or {})
        check_limits(resources, row.labels or {})
    if isinstance(kind := columns.get("type"), ImageType):
        columns["type"] = kind.name
    return columns


async def _use_of(connection: AsyncConnection, image_id: UUID) -> ImageUse:
    """Kernels name their image, model services refer to it."""
    of_kernels = (
        select(func.count())
        .select_from(kernels)
        .join(
            images,
            (images.c.name == kernels.c.image) & (images.c.architecture == kernels.c.architecture),
        )
        .where(images.c.id == image_id, kernels.c.status.not_in(KERNEL_DEAD))
    )
    of_endpoints = (
        select(func.count())
        .select_from(endpoints)
        .where(
            endpoints.c.image == image_id,
            cast(endpoints.c.lifecycle_stage, Text) != EndpointLifecycle.DESTROYED.value,
        )
    )
    return ImageUse(
        kernels=await connection.scalar(of_kernels) or 0,
        endpoints=await connection.scalar(of_endpoints) or 0,
    )


def _for_sessions(row: AnyRow, aliases: list[str]) -> ImageData:
    return ImageData(
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
        aliases=aliases,
    )
