"""What a user may keep of sessions, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select

from bai_manager.models.container_registry import container_registries
from bai_manager.models.group import groups
from bai_manager.models.image import images
from bai_manager.models.resource_policy import user_resource_policies
from bai_manager.models.user import users
from bai_manager.services.session_commit.types import Customizing, PushTarget
from bai_manager.types.credentials import Secret
from bai_manager.types.status import ImageStatus

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.types.json import JsonValue

_OWNER: Final = "ai.backend.customized-image.owner"
_NAME: Final = "ai.backend.customized-image.name"
_ID: Final = "ai.backend.customized-image.id"


class SessionCommitRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def customizing(self, user_id: UUID, group_id: UUID, name: str) -> Customizing:
        """The user's limit and usable customized images, and the project's registry."""
        async with self._database.transaction() as connection:
            limit = await connection.scalar(
                select(user_resource_policies.c.max_customized_image_count)
                .join(users, users.c.resource_policy == user_resource_policies.c.name)
                .where(users.c.uuid == user_id)
            )
            kept = (
                await connection.execute(
                    select(images.c.labels).where(images.c.status == ImageStatus.ALIVE.value)
                )
            ).scalars()
            mine = [labels for labels in kept if labels.get(_OWNER) == f"user:{user_id}"]
            wanted = await connection.scalar(
                select(groups.c.container_registry).where(groups.c.id == group_id)
            )
            registry = await _registry(connection, wanted)
        same = [labels[_ID] for labels in mine if labels.get(_NAME) == name and _ID in labels]
        return Customizing(
            limit=limit,
            current=len(mine),
            existing_id=UUID(same[0]) if same else None,
            registry_named=bool(wanted),
            registry=registry,
        )


async def _registry(connection: AsyncConnection, wanted: JsonValue) -> PushTarget | None:
    if not isinstance(wanted, dict):
        return None
    row = (
        await connection.execute(
            select(container_registries)
            .where(
                container_registries.c.registry_name == wanted.get("registry"),
                container_registries.c.project == wanted.get("project"),
            )
            .limit(1)
        )
    ).one_or_none()
    if row is None:
        return None
    return PushTarget(
        name=row.registry_name,
        project=row.project,
        url=row.url,
        username=row.username,
        password=None if row.password is None else Secret(row.password),
    )
