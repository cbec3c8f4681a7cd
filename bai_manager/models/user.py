"""Users and the keypairs they sign requests with; each refers to the other.

``keypairs.user_id`` holds the owner's e-mail, ``keypairs.user`` the owner's id. ``dotfiles`` is
msgpack (``reference/value-types.md`` §1, §9).
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    Uuid,
    false,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, CIDR

from bai_manager.models.base import PgEnum, Timestamp, Unpadded, metadata, uuid_key

USER_STATUS = PgEnum("userstatus", "active", "inactive", "deleted", "before-verification")
USER_ROLE = PgEnum("userrole", "superadmin", "admin", "user", "monitor")

users = Table(
    "users",
    metadata,
    uuid_key("uuid"),
    Column("username", String(64), unique=True),
    Column("email", String(64), nullable=False, index=True, unique=True),
    Column("password", String),
    Column("need_password_change", Boolean),
    Column("password_changed_at", Timestamp, server_default=func.now()),
    Column("full_name", String(64)),
    Column("description", String(500)),
    Column("status", USER_STATUS, nullable=False),
    Column("status_info", String),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("modified_at", Timestamp, server_default=func.now()),
    Column("integration_id", String(512)),
    Column("domain_name", String(64), ForeignKey("domains.name"), index=True),
    Column("role", USER_ROLE),
    Column("allowed_client_ip", ARRAY(CIDR)),
    Column("totp_key", Unpadded(String(32))),
    Column("totp_activated", Boolean, server_default=false()),
    Column("totp_activated_at", Timestamp),
    Column(
        "resource_policy", String(256), ForeignKey("user_resource_policies.name"), nullable=False
    ),
    Column("sudo_session_enabled", Boolean, nullable=False),
    Column("main_access_key", String(20), ForeignKey("keypairs.access_key", ondelete="SET NULL")),
    Column("container_uid", Integer),
    Column("container_main_gid", Integer),
    Column("container_gids", ARRAY(Integer)),
)

keypairs = Table(
    "keypairs",
    metadata,
    Column("user_id", String(256), index=True),
    Column("access_key", String(20), primary_key=True),
    Column("secret_key", String(40)),
    Column("is_active", Boolean, index=True),
    Column("is_admin", Boolean, server_default=false(), index=True),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("modified_at", Timestamp, server_default=func.now()),
    Column("last_used", Timestamp),
    Column("rate_limit", Integer),
    Column("num_queries", Integer, server_default="0"),
    Column("ssh_public_key", Text),
    Column("ssh_private_key", Text),
    Column("user", Uuid, ForeignKey("users.uuid"), nullable=False),
    Column(
        "resource_policy", String(256), ForeignKey("keypair_resource_policies.name"), nullable=False
    ),
    Column("dotfiles", LargeBinary, nullable=False),
    Column("bootstrap_script", String(65536), nullable=False),
)
