"""The limits of keypairs, users and projects (``reference/value-types.md`` §14)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, func

from bai_manager.models.base import Jsonb, PgEnum, Timestamp, metadata

DEFAULT_FOR_UNSPECIFIED = PgEnum("defaultforunspecified", "LIMITED", "UNLIMITED")

keypair_resource_policies = Table(
    "keypair_resource_policies",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("default_for_unspecified", DEFAULT_FOR_UNSPECIFIED, nullable=False),
    Column("total_resource_slots", Jsonb, nullable=False),
    Column("max_session_lifetime", Integer, nullable=False, server_default="0"),
    Column("max_concurrent_sessions", Integer, nullable=False),
    Column("max_pending_session_count", Integer),
    Column("max_pending_session_resource_slots", Jsonb),
    Column("max_concurrent_sftp_sessions", Integer, nullable=False, server_default="1"),
    Column("max_containers_per_session", Integer, nullable=False),
    Column("idle_timeout", BigInteger, nullable=False),
    Column("allowed_vfolder_hosts", Jsonb, nullable=False),
)

user_resource_policies = Table(
    "user_resource_policies",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("max_vfolder_count", Integer, nullable=False),
    Column("max_quota_scope_size", BigInteger, nullable=False),
    Column("max_session_count_per_model_session", Integer, nullable=False),
    Column("max_customized_image_count", Integer, nullable=False),
)

project_resource_policies = Table(
    "project_resource_policies",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("max_vfolder_count", Integer, nullable=False),
    Column("max_quota_scope_size", BigInteger, nullable=False),
    Column("max_network_count", Integer, nullable=False),
)
