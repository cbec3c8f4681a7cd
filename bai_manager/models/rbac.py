"""Role-based access control: roles, who has them, and what they allow in which scope."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text, UniqueConstraint, Uuid, func

from bai_manager.models.base import Timestamp, metadata, uuid_key

roles = Table(
    "roles",
    metadata,
    uuid_key(),
    Column("name", String(64), nullable=False),
    Column("description", Text),
    Column("source", String(16), nullable=False, server_default="system"),
    Column("status", String(64), nullable=False, server_default="active"),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp),
    Column("deleted_at", Timestamp),
    Index("ix_id_status", "id", "status"),
)

user_roles = Table(
    "user_roles",
    metadata,
    uuid_key(),
    Column("user_id", Uuid, nullable=False),
    Column("role_id", Uuid, nullable=False),
    Column("granted_by", Uuid),
    Column("granted_at", Timestamp, nullable=False, server_default=func.now()),
    UniqueConstraint("user_id", "role_id", name="uq_user_id_role_id"),
)

permission_groups = Table(
    "permission_groups",
    metadata,
    uuid_key(),
    Column("role_id", Uuid, nullable=False),
    Column("scope_type", String(32), nullable=False),
    Column("scope_id", String(64), nullable=False),
    Index("ix_id_role_id_scope_id", "id", "role_id", "scope_id"),
)

permissions = Table(
    "permissions",
    metadata,
    uuid_key(),
    Column("permission_group_id", Uuid, nullable=False),
    Column("entity_type", String(32), nullable=False),
    Column("operation", String(32), nullable=False),
    Index("ix_id_permission_group_id", "id", "permission_group_id"),
)

object_permissions = Table(
    "object_permissions",
    metadata,
    uuid_key(),
    Column("role_id", Uuid, nullable=False),
    Column("entity_type", String(32), nullable=False),
    Column("entity_id", String(64), nullable=False),
    Column("operation", String(32), nullable=False),
    Index("ix_id_role_id_entity_id", "id", "role_id", "entity_id"),
)

association_scopes_entities = Table(
    "association_scopes_entities",
    metadata,
    uuid_key(),
    Column("scope_type", String(32), nullable=False),
    Column("scope_id", String(64), nullable=False),
    Column("entity_type", String(32), nullable=False),
    Column("entity_id", String(64), nullable=False),
    Column("registered_at", Timestamp, nullable=False, server_default=func.now()),
    UniqueConstraint("scope_type", "scope_id", "entity_id", name="uq_scope_id_entity_id"),
)
