"""Notification channels and the rules that send to them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, String, Table, Text, Uuid

from bai_manager.models.base import Json, Timestamp, metadata, uuid_key

notification_channels = Table(
    "notification_channels",
    metadata,
    uuid_key(),
    Column("name", String(256), nullable=False),
    Column("description", Text),
    Column("channel_type", String(64), nullable=False),
    Column("config", Json, nullable=False),
    Column("enabled", Boolean, nullable=False, index=True),
    Column("created_by", Uuid, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
)

notification_rules = Table(
    "notification_rules",
    metadata,
    uuid_key(),
    Column("name", String(256), nullable=False),
    Column("description", Text),
    Column("rule_type", String(256), nullable=False, index=True),
    Column("channel_id", Uuid, nullable=False),
    Column("message_template", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, index=True),
    Column("created_by", Uuid, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
)
