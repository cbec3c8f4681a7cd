"""Groups (projects) and their members.

``dotfiles`` is msgpack; slots map names to decimal strings.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
)

from bai_manager.models.base import Jsonb, PgEnum, Timestamp, cascading, metadata, uuid_key

PROJECT_TYPE = PgEnum("projecttype", "general", "model-store")

groups = Table(
    "groups",
    metadata,
    uuid_key(),
    Column("name", String(64), nullable=False),
    Column("description", String(512)),
    Column("is_active", Boolean),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("modified_at", Timestamp, server_default=func.now()),
    Column("integration_id", String(512)),
    Column("domain_name", String(64), cascading("domains.name"), nullable=False, index=True),
    Column("total_resource_slots", Jsonb),
    Column("allowed_vfolder_hosts", Jsonb, nullable=False),
    Column("dotfiles", LargeBinary, nullable=False),
    Column(
        "resource_policy", String(256), ForeignKey("project_resource_policies.name"), nullable=False
    ),
    Column("type", PROJECT_TYPE, nullable=False),
    Column("container_registry", Jsonb),
    UniqueConstraint("name", "domain_name"),
)

association_groups_users = Table(
    "association_groups_users",
    metadata,
    uuid_key(),
    Column("user_id", Uuid, cascading("users.uuid"), nullable=False),
    Column("group_id", Uuid, cascading("groups.id"), nullable=False),
    UniqueConstraint("user_id", "group_id", name="uq_association_user_id_group_id"),
)
