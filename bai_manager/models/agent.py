"""Agents: what each machine offers and how much of it is taken.

``available_slots`` and ``occupied_slots`` map a slot name to a decimal string.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, String, Table, false, func, true

from bai_manager.models.base import Jsonb, PgEnum, Timestamp, metadata

AGENT_STATUS = PgEnum("agentstatus", "ALIVE", "LOST", "RESTARTING", "TERMINATED")

agents = Table(
    "agents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("status", AGENT_STATUS, nullable=False, index=True),
    Column("status_changed", Timestamp),
    Column("region", String(64), nullable=False, index=True),
    Column(
        "scaling_group",
        String(64),
        ForeignKey("scaling_groups.name"),
        nullable=False,
        server_default="default",
        index=True,
    ),
    Column("schedulable", Boolean, nullable=False, server_default=true()),
    Column("available_slots", Jsonb, nullable=False),
    Column("occupied_slots", Jsonb, nullable=False),
    Column("addr", String(128), nullable=False),
    Column("public_host", String(256)),
    Column("public_key", String(40)),
    Column("first_contact", Timestamp, server_default=func.now()),
    Column("lost_at", Timestamp),
    Column("version", String(64), nullable=False),
    Column("architecture", String(32), nullable=False),
    Column("compute_plugins", Jsonb, nullable=False),
    Column("auto_terminate_abusing_kernel", Boolean, nullable=False, server_default=false()),
)
