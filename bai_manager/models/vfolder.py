"""Virtual folders, who may use them, and which kernels have them mounted.

``status`` is kebab-case text by value while the keys of ``status_history`` are member names;
``quota_scope_id`` is ``user:<uuid>`` or ``project:<uuid>`` (``reference/value-types.md`` §1, §5).
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, Uuid, func

from bai_manager.models.base import Jsonb, PgEnum, Timestamp, cascading, metadata, uuid_key

USAGE_MODE = PgEnum("vfolderusagemode", "general", "model", "data")
MOUNT_PERMISSION = PgEnum("vfoldermountpermission", "ro", "rw", "wd")
OWNERSHIP_TYPE = PgEnum("vfolderownershiptype", "user", "group")
INVITATION_STATE = PgEnum("vfolderinvitationstate", "pending", "canceled", "accepted", "rejected")

vfolders = Table(
    "vfolders",
    metadata,
    uuid_key(),
    Column("host", String(128), nullable=False, index=True),
    Column("domain_name", String(64), nullable=False, index=True),
    Column("quota_scope_id", String(64), nullable=False),
    Column("name", String(128), nullable=False, index=True),
    Column("usage_mode", USAGE_MODE, nullable=False, index=True),
    Column("permission", MOUNT_PERMISSION),
    Column("max_files", Integer),
    Column("max_size", Integer),
    Column("num_files", Integer),
    Column("cur_size", Integer),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("last_used", Timestamp),
    Column("creator", String(128)),
    Column("unmanaged_path", String(512)),
    Column("ownership_type", OWNERSHIP_TYPE, nullable=False, index=True),
    Column("user", Uuid),
    Column("group", Uuid),
    Column("cloneable", Boolean, nullable=False),
    Column("status", String(64), nullable=False, server_default="ready", index=True),
    Column("status_history", Jsonb),
    Column("status_changed", Timestamp, index=True),
)

vfolder_attachment = Table(
    "vfolder_attachment",
    metadata,
    Column("vfolder", Uuid, cascading("vfolders.id"), primary_key=True),
    Column("kernel", Uuid, cascading("kernels.id"), primary_key=True),
)

vfolder_invitations = Table(
    "vfolder_invitations",
    metadata,
    uuid_key(),
    Column("permission", MOUNT_PERMISSION),
    Column("inviter", String(256)),
    Column("invitee", String(256), nullable=False),
    Column("state", INVITATION_STATE),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("modified_at", Timestamp),
    Column("vfolder", Uuid, cascading("vfolders.id"), nullable=False),
)

vfolder_permissions = Table(
    "vfolder_permissions",
    metadata,
    uuid_key(),
    Column("permission", MOUNT_PERMISSION),
    Column("vfolder", Uuid, cascading("vfolders.id"), nullable=False),
    Column("user", Uuid, ForeignKey("users.uuid"), nullable=False),
)
