"""Container registries and the groups that may use those that are not global."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, String, Table, UniqueConstraint, Uuid, true

from bai_manager.models.base import Json, metadata, uuid_key

container_registries = Table(
    "container_registries",
    metadata,
    uuid_key(),
    Column("url", String(512), nullable=False, index=True),
    Column("registry_name", String(50), nullable=False, index=True),
    Column("type", String(64), nullable=False, server_default="docker", index=True),
    Column("project", String(255), index=True),
    Column("username", String(255)),
    Column("password", String),
    Column("ssl_verify", Boolean, server_default=true(), index=True),
    Column("is_global", Boolean, server_default=true(), index=True),
    Column("extra", Json),
)

association_container_registries_groups = Table(
    "association_container_registries_groups",
    metadata,
    uuid_key(),
    Column("registry_id", Uuid, nullable=False),
    Column("group_id", Uuid, nullable=False),
    UniqueConstraint("registry_id", "group_id", name="uq_registry_id_group_id"),
)
