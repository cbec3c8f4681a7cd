"""Model services: endpoints, the routes to their sessions, tokens and auto-scaling rules.

``endpoints.cluster_mode`` is read like that of sessions. An upgraded database has one column more,
``endpoints.scaling_group``, which nobody reads and which has a default.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)

from bai_manager.models.base import Jsonb, PgEnum, Timestamp, UrlText, metadata, uuid_key

LIFECYCLE = PgEnum(
    "endpointlifecycle", "pending", "created", "scaling", "ready", "destroying", "destroyed"
)
ROUTE_STATUS = PgEnum(
    "routestatus",
    "provisioning",
    "healthy",
    "unhealthy",
    "degraded",
    "terminating",
    "terminated",
    "failed_to_start",
)

endpoints = Table(
    "endpoints",
    metadata,
    uuid_key(),
    Column("name", String(512), nullable=False),
    Column("created_user", Uuid, nullable=False),
    Column("session_owner", Uuid, nullable=False),
    Column("replicas", Integer, nullable=False, server_default="0"),
    Column("desired_replicas", Integer),
    Column("image", Uuid),
    Column("model", Uuid, ForeignKey("vfolders.id", ondelete="SET NULL")),
    Column("model_mount_destination", String(1024), nullable=False, server_default="/models"),
    Column("domain", String(64), ForeignKey("domains.name", ondelete="RESTRICT"), nullable=False),
    Column("project", Uuid, ForeignKey("groups.id", ondelete="RESTRICT"), nullable=False),
    Column(
        "resource_group",
        String(64),
        ForeignKey("scaling_groups.name", ondelete="RESTRICT"),
        nullable=False,
        index=True,
    ),
    Column("lifecycle_stage", LIFECYCLE, nullable=False),
    Column("tag", String(64)),
    Column("startup_command", Text),
    Column("bootstrap_script", String(16384)),
    Column("callback_url", UrlText),
    Column("environ", Jsonb),
    Column("open_to_public", Boolean),
    Column("runtime_variant", String(64), nullable=False),
    Column("model_definition_path", String(128)),
    Column("resource_slots", Jsonb, nullable=False),
    Column("url", String(1024)),
    Column("resource_opts", Jsonb),
    Column("cluster_mode", String(16), nullable=False, server_default="SINGLE_NODE"),
    Column("cluster_size", Integer, nullable=False, server_default="1"),
    Column("extra_mounts", Jsonb, nullable=False, server_default="[]"),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("destroyed_at", Timestamp),
    Index(
        "ix_endpoints_unique_name_when_not_destroyed",
        "name",
        "domain",
        "project",
        unique=True,
        postgresql_where=text("lifecycle_stage <> 'destroyed'"),
    ),
    CheckConstraint(
        "lifecycle_stage = 'destroyed' OR image IS NOT NULL",
        name="ck_image_required_unless_destroyed",
    ),
)

routings = Table(
    "routings",
    metadata,
    uuid_key(),
    Column("endpoint", Uuid, ForeignKey("endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("session", Uuid, ForeignKey("sessions.id", ondelete="RESTRICT")),
    Column("session_owner", Uuid, ForeignKey("users.uuid", ondelete="RESTRICT"), nullable=False),
    Column("domain", String(64), ForeignKey("domains.name", ondelete="RESTRICT"), nullable=False),
    Column("project", Uuid, ForeignKey("groups.id", ondelete="RESTRICT"), nullable=False),
    Column("status", ROUTE_STATUS, nullable=False),
    Column("weight", Integer),
    Column("traffic_ratio", Double, nullable=False),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("error_data", Jsonb),
    UniqueConstraint("endpoint", "session"),
)

endpoint_tokens = Table(
    "endpoint_tokens",
    metadata,
    uuid_key(),
    Column("token", String, nullable=False),
    Column("endpoint", Uuid),
    Column("session_owner", Uuid, nullable=False),
    Column("domain", String(64), ForeignKey("domains.name", ondelete="CASCADE"), nullable=False),
    Column("project", Uuid, ForeignKey("groups.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Timestamp, server_default=func.now()),
)

endpoint_auto_scaling_rules = Table(
    "endpoint_auto_scaling_rules",
    metadata,
    uuid_key(),
    Column("metric_source", String(64), nullable=False),
    Column("metric_name", Text, nullable=False),
    Column("threshold", String, nullable=False),
    Column("comparator", String(64), nullable=False),
    Column("step_size", Integer, nullable=False),
    Column("cooldown_seconds", Integer, nullable=False),
    Column("min_replicas", Integer),
    Column("max_replicas", Integer),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("last_triggered_at", Timestamp),
    Column("endpoint", Uuid, ForeignKey("endpoints.id", ondelete="CASCADE"), nullable=False),
)
