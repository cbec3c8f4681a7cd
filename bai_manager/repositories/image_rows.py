"""Finding images by what people call them, and reading their rows in full."""

from __future__ import annotations

from collections import defaultdict
from difflib import get_close_matches
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Text, and_, case, cast, or_, select

from bai_manager.errors import InvalidInput
from bai_manager.models.container_registry import container_registries
from bai_manager.models.image import image_aliases, images
from bai_manager.repositories.session import id_matches
from bai_manager.repositories.versions import version_of
from bai_manager.services.image.errors import AmbiguousImage, RegistryNotFoundForImage
from bai_manager.services.image.types import ImageDetails
from bai_manager.services.session.errors import ImageNotFound
from bai_manager.types.image_labels import ImageLabels, effective_limits
from bai_manager.types.image_ref import DEFAULT_REGISTRY, ImageRef, normalized_architecture
from bai_manager.types.status import ImageStatus, ImageType

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.rows import AnyRow

DETAILS = (
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
    images.c.status,
    cast(images.c.type, Text).label("type"),
    images.c.size_bytes,
    images.c.accelerators,
    images.c.created_at,
    version_of(images),
)


async def find_image(connection: AsyncConnection, image: str, architecture: str | None) -> UUID:
    """The image of that canonical name, else of that alias, else of that id or its beginning.

    Names and aliases find usable images only, an id also a forgotten one. Raises
    ``ImageNotFound`` with the closest names, and ``AmbiguousImage``.
    """
    alive = images.c.status == ImageStatus.ALIVE
    of_id = id_matches(images.c.id, image)
    statement = (
        select(
            images.c.id,
            images.c.name,
            images.c.architecture,
            case(
                (and_(alive, images.c.name == image), 0),
                (and_(alive, image_aliases.c.alias == image), 1),
                else_=2,
            ).label("rank"),
        )
        .select_from(images.outerjoin(image_aliases, image_aliases.c.image == images.c.id))
        .where(or_(and_(alive, or_(images.c.name == image, image_aliases.c.alias == image)), of_id))
        .order_by("rank", images.c.name, images.c.architecture)
    )
    if architecture is not None:
        statement = statement.where(images.c.architecture == normalized_architecture(architecture))
    rows = (await connection.execute(statement)).all()
    if not rows:
        raise ImageNotFound(image, await close_names(connection, image))
    found = {row.id: row for row in rows if row.rank == rows[0].rank}
    if len(found) > 1:
        raise AmbiguousImage(image, [f"{row.name} ({row.architecture})" for row in found.values()])
    image_id: UUID = rows[0].id
    return image_id


async def customized_for(
    connection: AsyncConnection, image: str, architecture: str | None
) -> UUID | None:
    """The user whose customized image it is; None for everybody's. Raises as ``find_image``."""
    image_id = await find_image(connection, image, architecture)
    labels = await connection.scalar(select(images.c.labels).where(images.c.id == image_id))
    kind, _, owner = (ImageLabels(_texts(labels)).customized_owner or "").partition(":")
    try:
        return UUID(owner) if kind == "user" else None
    except ValueError:
        return None


async def close_names(connection: AsyncConnection, image: str) -> list[str]:
    """Names and aliases of usable images that look like it."""
    names = await connection.scalars(
        select(images.c.name)
        .where(images.c.status == ImageStatus.ALIVE)
        .union(select(image_aliases.c.alias))
    )
    return get_close_matches(image, [name for name in names if name], n=3, cutoff=0.5)


async def image_details(connection: AsyncConnection, image_id: UUID) -> ImageDetails:
    """One image that is there."""
    rows = (await connection.execute(select(*DETAILS).where(images.c.id == image_id))).all()
    return (await details_of(connection, rows))[0]


async def details_of(connection: AsyncConnection, rows: Sequence[AnyRow]) -> list[ImageDetails]:
    """Rows of ``DETAILS`` with their aliases and limits."""
    aliases = await aliases_of(connection, [row.id for row in rows])
    return [_details(row, aliases[row.id]) for row in rows]


async def aliases_of(
    connection: AsyncConnection, image_ids: Collection[UUID]
) -> Mapping[UUID, list[str]]:
    """The aliases of each image, by the alphabet."""
    rows = await connection.execute(
        select(image_aliases.c.image, image_aliases.c.alias)
        .where(image_aliases.c.image.in_(image_ids))
        .order_by(image_aliases.c.alias)
    )
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    for row in rows:
        found[row.image].append(row.alias)
    return found


async def registry_of(
    connection: AsyncConnection, name: str, architecture: str
) -> tuple[ImageRef, AnyRow]:
    """The reference that a canonical name is, and the registry row it lies in, now locked.

    Of several projects of a registry the longest that fits is taken. Raises
    ``RegistryNotFoundForImage``, ``InvalidImageReference`` and ``InvalidImageTag``.
    """
    rows = (
        await connection.execute(
            select(
                container_registries.c.id,
                container_registries.c.registry_name,
                container_registries.c.project,
                container_registries.c.type,
            ).order_by(container_registries.c.registry_name, container_registries.c.project)
        )
    ).all()
    known = [row.registry_name for row in rows]
    whole = name if "/" in name else f"{DEFAULT_REGISTRY}/{name}"
    ref = ImageRef.parse(whole, registries=known, architecture=architecture)
    lies_in = [
        row
        for row in rows
        if row.registry_name == ref.registry == whole.partition("/")[0]
        and (not row.project or ref.name.startswith(f"{row.project}/"))
    ]
    if not lies_in:
        places = [f"{row.registry_name}/{row.project or ''}" for row in rows]
        raise RegistryNotFoundForImage(name, places)
    chosen = max(lies_in, key=lambda row: len(row.project or ""))
    await connection.execute(
        select(container_registries.c.id)
        .where(container_registries.c.id == chosen.id)
        .with_for_update(key_share=True)
    )
    within = ImageRef.parse(
        whole, registries=known, project=chosen.project or None, architecture=architecture
    )
    return within, chosen


def _details(row: AnyRow, aliases: list[str]) -> ImageDetails:
    labels = ImageLabels(_texts(row.labels))
    try:
        limits = effective_limits(row.resources, labels)
    except InvalidInput:
        limits = None
    return ImageDetails(
        id=row.id,
        name=row.name,
        registry=row.registry,
        project=row.project,
        tag=row.tag,
        architecture=row.architecture,
        digest=row.config_digest,
        is_local=row.is_local,
        labels=labels.raw,
        resources=row.resources or {},
        aliases=aliases,
        status=ImageStatus.parse(row.status),
        type=ImageType.parse(row.type),
        size_bytes=row.size_bytes,
        accelerators=row.accelerators,
        minimum=limits.minimum if limits else None,
        maximum=limits.maximum if limits else None,
        owner=labels.customized_owner,
        created_at=row.created_at,
        version=row.version,
    )


def _texts(labels: object) -> dict[str, str]:
    """Labels as they are read: an old row may hold numbers."""
    found = labels if isinstance(labels, dict) else {}
    return {str(key): str(value) for key, value in found.items()}
