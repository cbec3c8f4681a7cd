"""What is shown of virtual folders."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, cast

from bai_manager.cli.output.columns import (
    Column,
    id_column,
    size_column,
    status_column,
    time_column,
)
from bai_manager.services.vfolder.types import VFolderData
from bai_manager.types.vfolder import VFolderHostPermission

if TYPE_CHECKING:
    from bai_manager.services.storage.types import QuotaData, StorageHostData
    from bai_manager.services.vfolder.actions import GetVFolderActionResult
    from bai_manager.services.vfolder.types import FolderSharer
    from bai_manager.services.vfolder_invitation.types import InvitationData
    from bai_manager.types.purge import MountedFolder


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderDetails(VFolderData):
    """A folder's row, how full it is, who can reach it, and where it is mounted.

    ``use_error`` says why the storage told nothing of its use.
    """

    file_count: int | None
    used_bytes: int | None
    use_error: str | None
    shared_with: list[FolderSharer]
    mounted_in: list[MountedFolder]


def details_of(result: GetVFolderActionResult) -> VFolderDetails:
    row = {one.name: getattr(result.vfolder, one.name) for one in fields(VFolderData)}
    use = result.use
    return VFolderDetails(
        **row,
        file_count=None if use is None else use.file_count,
        used_bytes=None if use is None else use.used_bytes,
        use_error=None if use is None else use.error,
        shared_with=result.holdings.shared_with,
        mounted_in=result.holdings.mounted_in,
    )


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
    time_column("last_used", lambda folder: folder.last_used, title="Last used", wide=True),
    time_column("status_changed", lambda folder: folder.status_changed, title="Since", wide=True),
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
    time_column("last_used", lambda folder: folder.last_used, title="Last used"),
    time_column("status_changed", lambda folder: folder.status_changed, title="Status since"),
    Column("version", lambda folder: folder.version),
)
SHOW_FIELDS: tuple[Column[VFolderDetails], ...] = (
    *cast("tuple[Column[VFolderDetails], ...]", FOLDER_FIELDS[:-1]),
    Column("file_count", lambda folder: folder.file_count, title="Files"),
    size_column("used_bytes", lambda folder: folder.used_bytes, title="Used"),
    Column("use_error", lambda folder: folder.use_error, title="Storage says"),
    Column(
        "shared_with",
        lambda folder: folder.shared_with,
        human=lambda folder: "\n".join(_sharer(one) for one in folder.shared_with),
        title="Reachable by",
    ),
    Column(
        "mounted_in",
        lambda folder: folder.mounted_in,
        human=lambda folder: (
            "\n".join(f"{one.session_name} ({one.session_id})" for one in folder.mounted_in) or None
        ),
    ),
    Column("version", lambda folder: folder.version),
)
SHARER_COLUMNS: tuple[Column[FolderSharer], ...] = (
    Column("kind", lambda one: one.kind),
    Column("name", lambda one: one.name),
    Column("permission", lambda one: one.permission),
)
INVITATION_COLUMNS: tuple[Column[InvitationData], ...] = (
    id_column("id", lambda one: one.id),
    Column("vfolder_name", lambda one: one.vfolder_name, title="Folder", keep=True),
    Column("inviter", lambda one: one.inviter),
    Column("invitee", lambda one: one.invitee),
    Column("permission", lambda one: one.permission),
    status_column("state", lambda one: one.state),
    time_column("created_at", lambda one: one.created_at),
    id_column("vfolder_id", lambda one: one.vfolder_id, title="Folder ID", wide=True),
    time_column("modified_at", lambda one: one.modified_at, wide=True),
)
HOST_COLUMNS: tuple[Column[StorageHostData], ...] = (
    Column("host", lambda one: str(one.host), keep=True),
    Column("is_default", lambda one: one.is_default, title="Default"),
    Column("backend", lambda one: one.backend),
    Column(
        "used_percent",
        lambda one: one.used_percent,
        human=lambda one: None if one.used_percent is None else f"{one.used_percent:.1f} %",
        title="Full",
        justify="right",
    ),
    size_column("used_bytes", lambda one: one.used_bytes, title="Used"),
    size_column("capacity_bytes", lambda one: one.capacity_bytes, title="Capacity"),
    Column(
        "capabilities",
        lambda one: one.capabilities,
    ),
    Column(
        "permissions",
        lambda one: one.permissions,
        short=lambda one: _counted(len(one.permissions)),
        title="You may",
    ),
    Column("error", lambda one: one.error, wide=True),
)
QUOTA_COLUMNS: tuple[Column[QuotaData], ...] = (
    Column("scope", lambda one: str(one.scope)),
    Column("host", lambda one: str(one.host), keep=True),
    size_column("used_bytes", lambda one: one.used_bytes, title="Used"),
    size_column("limit_bytes", lambda one: one.limit_bytes, title="Limit"),
    size_column("policy_limit", lambda one: one.policy_limit, title="Policy's limit"),
    Column("enforced", lambda one: one.enforced),
)


def _sharer(one: FolderSharer) -> str:
    return f"{one.name} ({one.kind.value}, {one.permission.value if one.permission else 'wd'})"


def _counted(count: int) -> str:
    return f"{count} of {len(VFolderHostPermission)}"
