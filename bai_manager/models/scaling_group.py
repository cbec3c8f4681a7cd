"""Scaling groups (resource groups) and the domains, groups and keypairs that may use them.

``driver_opts`` and ``scheduler_opts`` are described in ``reference/value-types.md`` §13.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, String, Table, UniqueConstraint, Uuid, func, true

from bai_manager.models.base import Jsonb, Timestamp, cascading, metadata, uuid_key

scaling_groups = Table(
    "scaling_groups",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("description", String(512)),
    Column("is_active", Boolean, index=True),
    Column("is_public", Boolean, nullable=False, server_default=true(), index=True),
    Column("created_at", Timestamp, server_default=func.now()),
    Column("wsproxy_addr", String(1024)),
    Column("wsproxy_api_token", String(128)),
    Column("driver", String(64), nullable=False),
    Column("driver_opts", Jsonb, nullable=False),
    Column("scheduler", String(64), nullable=False),
    Column("use_host_network", Boolean, nullable=False),
    Column("scheduler_opts", Jsonb, nullable=False),
)

sgroups_for_domains = Table(
    "sgroups_for_domains",
    metadata,
    uuid_key(),
    Column(
        "scaling_group", String(64), cascading("scaling_groups.name"), nullable=False, index=True
    ),
    Column("domain", String(64), cascading("domains.name"), nullable=False, index=True),
    UniqueConstraint("scaling_group", "domain", name="uq_sgroup_domain"),
)

sgroups_for_groups = Table(
    "sgroups_for_groups",
    metadata,
    uuid_key(),
    Column(
        "scaling_group", String(64), cascading("scaling_groups.name"), nullable=False, index=True
    ),
    Column("group", Uuid, cascading("groups.id"), nullable=False, index=True),
    UniqueConstraint("scaling_group", "group", name="uq_sgroup_ugroup"),
)

sgroups_for_keypairs = Table(
    "sgroups_for_keypairs",
    metadata,
    uuid_key(),
    Column(
        "scaling_group", String(64), cascading("scaling_groups.name"), nullable=False, index=True
    ),
    Column("access_key", String(20), cascading("keypairs.access_key"), nullable=False, index=True),
    UniqueConstraint("scaling_group", "access_key", name="uq_sgroup_akey"),
)
