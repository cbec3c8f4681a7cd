"""How sessions, their files and their usage are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.cli.output.columns import (
    Column,
    id_column,
    slots_column,
    status_column,
    time_column,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bai_manager.clients.agent.protocol import FileEntry
    from bai_manager.services.session.actions import DestroySessionActionResult
    from bai_manager.services.session.types import SessionData
    from bai_manager.services.session_inside.actions import (
        DownloadFilesActionResult,
        ExecuteSessionActionResult,
        GetContainerLogsActionResult,
        GetUsageActionResult,
        TransferResult,
    )

LIST_COLUMNS: tuple[Column[SessionData], ...] = (
    id_column("id", lambda session: session.id),
    Column("name", lambda session: session.name, keep=True),
    status_column("status", lambda session: session.status),
    Column("session_type", lambda session: session.session_type, title="Type"),
    Column(
        "images",
        lambda session: session.images,
        title="Image",
        short=lambda session: ", ".join(image.rpartition("/")[2] for image in session.images),
    ),
    slots_column("requested_slots", lambda session: session.requested_slots, title="Resources"),
    Column("user_email", lambda session: session.user_email, title="User"),
    Column("group_name", lambda session: session.group_name, title="Project", wide=True),
    Column("scaling_group", lambda session: session.scaling_group, wide=True),
    Column("agent_ids", lambda session: session.agent_ids, title="Agents", wide=True),
    Column("cluster_size", lambda session: session.cluster_size, title="Kernels", wide=True),
    Column("priority", lambda session: session.priority, wide=True),
    Column("access_key", lambda session: session.access_key, wide=True),
    Column("status_info", lambda session: session.status_info, title="Reason", wide=True),
    time_column("created_at", lambda session: session.created_at),
    time_column("terminated_at", lambda session: session.terminated_at, wide=True),
)
SHOW_FIELDS: tuple[Column[SessionData], ...] = (
    Column("id", lambda session: session.id, title="ID"),
    Column("name", lambda session: session.name),
    status_column("status", lambda session: session.status),
    Column("status_info", lambda session: session.status_info, title="Reason"),
    Column("result", lambda session: session.result),
    Column("session_type", lambda session: session.session_type, title="Type"),
    Column("images", lambda s: s.images, title="Image"),
    slots_column("requested_slots", lambda session: session.requested_slots, title="Requested"),
    slots_column("occupying_slots", lambda session: session.occupying_slots, title="Occupying"),
    Column("user_email", lambda session: session.user_email, title="User"),
    Column("access_key", lambda session: session.access_key),
    Column("group_name", lambda session: session.group_name, title="Project"),
    Column("domain_name", lambda session: session.domain_name, title="Domain"),
    Column("scaling_group", lambda session: session.scaling_group),
    Column("agent_ids", lambda s: s.agent_ids, title="Agents"),
    Column("priority", lambda session: session.priority),
    Column(
        "kernels",
        lambda session: [kernel.id for kernel in session.kernels],
        human=lambda session: "\n".join(
            f"{kernel.cluster_hostname}  {kernel.status.value}  {kernel.id}"
            for kernel in session.kernels
        ),
    ),
    Column(
        "mounts",
        lambda session: [str(mount) for mount in session.mounts],
        human=lambda session: "\n".join(str(mount) for mount in session.mounts) or None,
    ),
    Column("startup_command", lambda session: session.startup_command),
    time_column("created_at", lambda session: session.created_at),
    time_column("terminated_at", lambda session: session.terminated_at),
    Column(
        "status_history",
        lambda session: session.status_history,
        title="History",
        human=lambda session: "\n".join(
            f"{moment}  {status}"
            for status, moment in sorted(session.status_history.items(), key=lambda entry: entry[1])
        ),
    ),
    Column("version", lambda session: session.version),
)
DESTROY_FIELDS: tuple[Column[DestroySessionActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="ID"),
    Column("name", lambda result: result.name),
    Column("status", lambda result: result.status, human=lambda r: r.status or "ended before"),
    time_column("terminated_at", lambda result: result.terminated_at),
    Column(
        "dependents",
        lambda result: result.dependents,
        human=lambda result: "\n".join(str(dependent) for dependent in result.dependents),
    ),
)
FILE_COLUMNS: tuple[Column[FileEntry], ...] = (
    Column("mode", lambda entry: entry.mode),
    Column("size", lambda entry: entry.size, justify="right"),
    time_column("mtime", lambda entry: entry.mtime, title="Modified"),
    Column("filename", lambda entry: entry.filename, title="Name"),
)
TRANSFER_FIELDS: tuple[Column[TransferResult], ...] = (
    Column("source", lambda result: result.source),
    Column("destination", lambda result: result.destination),
    Column("size", lambda result: result.size),
)
ARCHIVE_FIELDS: tuple[Column[DownloadFilesActionResult], ...] = (
    Column("sources", lambda result: result.sources, human=lambda r: "\n".join(r.sources)),
    Column("destination", lambda result: result.destination),
    Column("size", lambda result: result.size),
    Column("files", lambda result: result.files, human=lambda r: "\n".join(r.files)),
)
EXECUTION_FIELDS: tuple[Column[ExecuteSessionActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="Session"),
    Column("run_id", lambda result: result.run_id, title="Run"),
    status_column("status", lambda result: result.status),
    Column("exit_code", lambda result: result.exit_code),
    Column("console", lambda result: result.console),
)
LOG_FIELDS: tuple[Column[GetContainerLogsActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="Session"),
    Column("kernel_id", lambda result: result.kernel_id, title="Kernel"),
    Column("logs", lambda result: result.logs),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageRow:
    """One metric of one kernel; numbers are decimal text in the unit named."""

    kernel_id: str
    metric: str
    current: str
    capacity: str | None
    peak: str | None
    unit: str


USAGE_COLUMNS: tuple[Column[UsageRow], ...] = (
    id_column("kernel_id", lambda row: row.kernel_id, title="Kernel"),
    Column("metric", lambda row: row.metric),
    Column("current", lambda row: row.current, justify="right"),
    Column("capacity", lambda row: row.capacity, justify="right"),
    Column("peak", lambda row: row.peak, justify="right"),
    Column("unit", lambda row: row.unit),
)


def usage_rows(result: GetUsageActionResult) -> Iterator[UsageRow]:
    """Each metric of each kernel as a row."""
    for kernel_id, metrics in result.usage.items():
        for name, values in metrics.items():
            yield UsageRow(
                kernel_id=kernel_id,
                metric=name,
                current=values["current"],
                capacity=values.get("capacity"),
                peak=values.get("stats.max"),
                unit=values.get("unit_hint", ""),
            )
