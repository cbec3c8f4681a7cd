"""Settings of user interfaces, per domain, project or user."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, UniqueConstraint, func

from bai_manager.models.base import Jsonb, PgEnum, Timestamp, metadata, uuid_key

SCOPE_TYPE = PgEnum("app_config_scope_type", "DOMAIN", "PROJECT", "USER")

app_configs = Table(
    "app_configs",
    metadata,
    uuid_key(),
    Column("scope_type", SCOPE_TYPE, nullable=False, index=True),
    Column("scope_id", String(256), nullable=False, index=True),
    Column("extra_config", Jsonb, nullable=False),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("modified_at", Timestamp, server_default=func.now()),
    UniqueConstraint("scope_type", "scope_id", name="uq_app_configs_scope"),
)
