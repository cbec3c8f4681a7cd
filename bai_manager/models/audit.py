"""What was done (``audit_logs``), what happened (``event_logs``), what broke (``error_logs``)."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    Interval,
    String,
    Table,
    Text,
    Uuid,
    func,
)

from bai_manager.models.base import Jsonb, PgEnum, Timestamp, metadata, uuid_key

SEVERITY = PgEnum("errorlog_severity", "critical", "error", "warning")

audit_logs = Table(
    "audit_logs",
    metadata,
    uuid_key(),
    Column("entity_type", String, nullable=False, index=True),
    Column("operation", String, nullable=False, index=True),
    Column("entity_id", String, index=True),
    Column("created_at", Timestamp, nullable=False, server_default=func.now(), index=True),
    Column("action_id", Uuid, nullable=False),
    Column("request_id", String),
    Column("triggered_by", String),
    Column("description", String, nullable=False),
    Column("duration", Interval),
    Column("status", String(64), nullable=False),
)

event_logs = Table(
    "event_logs",
    metadata,
    uuid_key(),
    Column("event_name", String, nullable=False),
    Column("event_domain", String(64), nullable=False),
    Column("domain_id", String, index=True),
    Column("created_at", Timestamp, nullable=False, server_default=func.now(), index=True),
    Column("duration", Interval),
)

error_logs = Table(
    "error_logs",
    metadata,
    uuid_key(),
    Column("created_at", Timestamp, server_default=func.now(), index=True),
    Column("severity", SEVERITY, index=True),
    Column("source", String),
    Column("user", Uuid, ForeignKey("users.uuid"), index=True),
    Column("is_read", Boolean, index=True),
    Column("is_cleared", Boolean, index=True),
    Column("message", Text),
    Column("context_lang", String),
    Column("context_env", Jsonb),
    Column("request_url", String),
    Column("request_status", Integer),
    Column("traceback", Text),
)
