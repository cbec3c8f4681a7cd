"""The revision of the schema. A database made in one go has no key on this table."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from bai_manager.models.base import metadata

alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32)),
)
