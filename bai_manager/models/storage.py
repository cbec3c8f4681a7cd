"""Object storages and shared file systems that hold artifacts, and their namespaces."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, UniqueConstraint, Uuid

from bai_manager.models.base import metadata, uuid_key

object_storages = Table(
    "object_storages",
    metadata,
    uuid_key(),
    Column("name", String, nullable=False, index=True, unique=True),
    Column("host", String, nullable=False, index=True),
    Column("access_key", String, nullable=False),
    Column("secret_key", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("region", String),
)

vfs_storages = Table(
    "vfs_storages",
    metadata,
    uuid_key(),
    Column("name", String, nullable=False, index=True, unique=True),
    Column("host", String, nullable=False),
    Column("base_path", String, nullable=False),
)

storage_namespace = Table(
    "storage_namespace",
    metadata,
    uuid_key(),
    Column("storage_id", Uuid, nullable=False),
    Column("namespace", String, nullable=False),
    UniqueConstraint("storage_id", "namespace", name="uq_storage_id_namespace"),
)
