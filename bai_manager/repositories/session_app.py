"""Where the programs of sessions are reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.session import kernels, sessions
from bai_manager.services.session_app.types import AppPlace
from bai_manager.types.credentials import Secret

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.repositories.database import Database


class SessionAppRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def place_of(self, kernel_id: UUID) -> AppPlace:
        """The host of a kernel and the app proxy of its session's resource group."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    select(
                        kernels.c.kernel_host,
                        scaling_groups.c.wsproxy_addr,
                        scaling_groups.c.wsproxy_api_token,
                    )
                    .join(sessions, sessions.c.id == kernels.c.session_id)
                    .outerjoin(
                        scaling_groups, scaling_groups.c.name == sessions.c.scaling_group_name
                    )
                    .where(kernels.c.id == kernel_id)
                )
            ).one()
        token = row.wsproxy_api_token
        return AppPlace(
            kernel_host=row.kernel_host,
            proxy_url=row.wsproxy_addr,
            proxy_token=None if token is None else Secret(token),
        )
