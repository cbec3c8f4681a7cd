"""Named slot requests, for all scaling groups (``NULL``) or for one."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, text

from bai_manager.models.base import Jsonb, metadata, uuid_key

resource_presets = Table(
    "resource_presets",
    metadata,
    uuid_key(),
    Column("name", String(256), nullable=False),
    Column("resource_slots", Jsonb, nullable=False),
    Column("shared_memory", BigInteger),
    Column("scaling_group_name", String(64), server_default=text("NULL")),
    Index(
        "ix_resource_presets_name_null_scaling_group_name",
        "name",
        unique=True,
        postgresql_where=text("scaling_group_name IS NULL"),
    ),
    Index(
        "ix_resource_presets_name_scaling_group_name",
        "name",
        "scaling_group_name",
        unique=True,
        postgresql_where=text("scaling_group_name IS NOT NULL"),
    ),
)
