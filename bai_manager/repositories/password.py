"""A user's own password: reading its hash, and replacing exactly that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from bai_manager.models.user import keypairs, users

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.repositories.database import Database


class PasswordRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def password_of(self, access_key: str) -> tuple[UUID, str | None]:
        """The id and the stored password of the user behind a key pair that was verified."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    select(users.c.uuid, users.c.password)
                    .join(keypairs, keypairs.c.user == users.c.uuid)
                    .where(keypairs.c.access_key == access_key)
                )
            ).one()
            return row.uuid, row.password

    async def replace_password(self, user_id: UUID, *, old_hash: str, new_hash: str) -> bool:
        """Store another hash in the place of the one that was verified; False if it is gone."""
        async with self._database.transaction() as connection:
            replaced = await connection.execute(
                update(users)
                .where(users.c.uuid == user_id, users.c.password == old_hash)
                .values(
                    password=new_hash,
                    password_changed_at=func.now(),
                    need_password_change=False,
                    modified_at=func.now(),
                )
            )
            return replaced.rowcount == 1
