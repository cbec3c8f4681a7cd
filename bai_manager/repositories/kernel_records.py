"""The kernels of an agent that does not list them (``reference/agent-rpc.md`` §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from bai_manager.clients.agent.protocol import KernelCreationInfo
from bai_manager.models.session import kernels
from bai_manager.repositories.starting import load_starts
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import KernelStatus

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.clients.agent.protocol import ImageSpec
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow


class KernelRecordRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_agent(self, agent_id: str) -> list[tuple[UUID, ImageSpec, KernelCreationInfo]]:
        """Its running kernels: session, image, and where they listen."""
        ours = (kernels.c.agent == agent_id) & (kernels.c.status == KernelStatus.RUNNING)
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                select(
                    kernels.c.id,
                    kernels.c.kernel_host,
                    kernels.c.container_id,
                    kernels.c.repl_in_port,
                    kernels.c.repl_out_port,
                    kernels.c.stdin_port,
                    kernels.c.stdout_port,
                    kernels.c.service_ports,
                    kernels.c.attached_devices,
                    kernels.c.occupied_slots,
                ).where(ours)
            )
            infos = {row.id: _info(row) for row in rows}
            starts = await load_starts(connection, ours)
        return [
            (start.session_id, kernel.config.image, infos[kernel.config.kernel_id])
            for start in starts
            for kernel in start.kernels
            if kernel.config.kernel_id in infos
        ]


def _info(row: AnyRow) -> KernelCreationInfo:
    return KernelCreationInfo(
        kernel_id=row.id,
        kernel_host=row.kernel_host or "",
        container_id=row.container_id or "",
        repl_in_port=row.repl_in_port,
        repl_out_port=row.repl_out_port,
        stdin_port=row.stdin_port,
        stdout_port=row.stdout_port,
        service_ports=row.service_ports or [],
        attached_devices=row.attached_devices or {},
        occupied_slots=ResourceSlot.from_json(row.occupied_slots),
    )
