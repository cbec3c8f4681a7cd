"""Domains, the outermost tenants.

``dotfiles`` is msgpack; slots map names to decimal strings.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, LargeBinary, String, Table, func
from sqlalchemy.dialects.postgresql import ARRAY

from bai_manager.models.base import Jsonb, Timestamp, metadata

domains = Table(
    "domains",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("description", String(512)),
    Column("is_active", Boolean),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("modified_at", Timestamp, server_default=func.now()),
    Column("total_resource_slots", Jsonb),
    Column("allowed_vfolder_hosts", Jsonb, nullable=False),
    Column("allowed_docker_registries", ARRAY(String), nullable=False),
    Column("integration_id", String(512)),
    Column("dotfiles", LargeBinary, nullable=False),
)
