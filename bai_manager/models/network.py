"""Inter-container networks."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Uuid, func

from bai_manager.models.base import Jsonb, Timestamp, metadata, uuid_key

networks = Table(
    "networks",
    metadata,
    uuid_key(),
    Column("name", String(128), nullable=False),
    Column("ref_name", String(128), nullable=False),
    Column("driver", String(64), nullable=False),
    Column("options", Jsonb, nullable=False, server_default="{}"),
    Column("project", Uuid, nullable=False),
    Column("domain_name", String(64), nullable=False),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("updated_at", Timestamp, server_default=func.now()),
)
