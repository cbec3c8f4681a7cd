"""What is shown of virtual folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.cli.output.columns import Column, id_column, status_column, time_column

if TYPE_CHECKING:
    from bai_manager.services.vfolder.types import VFolderData

LIST_COLUMNS: tuple[Column[VFolderData], ...] = (
    Column("name", lambda folder: folder.name, keep=True),
    status_column("status", lambda folder: folder.status),
    Column("owner", lambda folder: folder.owner or folder.project),
    Column("my_permission", lambda folder: folder.my_permission, title="Mine"),
    Column("reach", lambda folder: folder.reach),
    Column("usage_mode", lambda folder: folder.usage_mode, title="Mode"),
    Column("host", lambda folder: str(folder.host)),
    time_column("created_at", lambda folder: folder.created_at),
    id_column("id", lambda folder: folder.id),
    Column("permission", lambda folder: folder.permission, wide=True),
    Column("cloneable", lambda folder: folder.cloneable, wide=True),
    Column("ownership_type", lambda folder: folder.ownership_type, title="Of", wide=True),
    Column("domain_name", lambda folder: folder.domain_name, title="Domain", wide=True),
    Column("creator", lambda folder: folder.creator, wide=True),
    time_column("last_used", lambda folder: folder.last_used, wide=True),
)
FOLDER_FIELDS: tuple[Column[VFolderData], ...] = (
    Column("name", lambda folder: folder.name),
    id_column("id", lambda folder: folder.id),
    status_column("status", lambda folder: folder.status),
    Column("ownership_type", lambda folder: folder.ownership_type, title="Of a"),
    Column("owner", lambda folder: folder.owner),
    Column("project", lambda folder: folder.project),
    Column("domain_name", lambda folder: folder.domain_name, title="Domain"),
    Column("host", lambda folder: str(folder.host)),
    Column("usage_mode", lambda folder: folder.usage_mode),
    Column("permission", lambda folder: folder.permission),
    Column("my_permission", lambda folder: folder.my_permission),
    Column("reach", lambda folder: folder.reach, title="Reached as"),
    Column("cloneable", lambda folder: folder.cloneable),
    Column("vfid", lambda folder: str(folder.vfid), title="Storage id"),
    Column("unmanaged_path", lambda folder: folder.unmanaged_path),
    Column("creator", lambda folder: folder.creator),
    time_column("created_at", lambda folder: folder.created_at),
    time_column("last_used", lambda folder: folder.last_used),
    time_column("status_changed", lambda folder: folder.status_changed, title="Status since"),
    Column("version", lambda folder: folder.version),
)
