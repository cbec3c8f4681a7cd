"""Model artifacts, their revisions, and the registries and storages that hold them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)

from bai_manager.models.base import Json, PgEnum, Timestamp, metadata, uuid_key

ARTIFACT_TYPE = PgEnum("artifacttype", "MODEL", "PACKAGE", "IMAGE")

artifacts = Table(
    "artifacts",
    metadata,
    uuid_key(),
    Column("type", ARTIFACT_TYPE, nullable=False, index=True),
    Column("name", String, nullable=False, index=True),
    Column("registry_id", Uuid, nullable=False, index=True),
    Column("registry_type", String, nullable=False, index=True),
    Column("source_registry_id", Uuid, nullable=False, index=True),
    Column("source_registry_type", String, nullable=False, index=True),
    Column("description", String),
    Column("readonly", Boolean, nullable=False),
    Column("extra", Json),
    Column("scanned_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    Column("availability", String, nullable=False, server_default="ALIVE", index=True),
)

artifact_revisions = Table(
    "artifact_revisions",
    metadata,
    uuid_key(),
    Column("artifact_id", Uuid, nullable=False, index=True),
    Column("version", String, nullable=False),
    Column("readme", Text),
    Column("size", BigInteger),
    Column("digest", String),
    Column("status", String, nullable=False, index=True),
    Column("remote_status", String, index=True),
    Column("created_at", Timestamp, index=True),
    Column("updated_at", Timestamp, index=True),
    Column("verification_result", Json),
    UniqueConstraint("artifact_id", "version", name="uq_artifact_id_version"),
)

artifact_registries = Table(
    "artifact_registries",
    metadata,
    uuid_key(),
    Column("name", String, nullable=False, unique=True),
    Column("registry_id", Uuid, nullable=False, unique=True),
    Column("type", String, nullable=False),
)

huggingface_registries = Table(
    "huggingface_registries",
    metadata,
    uuid_key(),
    Column("url", String, nullable=False),
    Column("token", String),
)

reservoir_registries = Table(
    "reservoir_registries",
    metadata,
    uuid_key(),
    Column("endpoint", String, nullable=False),
    Column("access_key", String, nullable=False),
    Column("secret_key", String, nullable=False),
    Column("api_version", String, nullable=False),
)

association_artifacts_storages = Table(
    "association_artifacts_storages",
    metadata,
    uuid_key(),
    Column("artifact_revision_id", Uuid, nullable=False),
    Column("storage_namespace_id", Uuid, nullable=False),
    Column("storage_type", String, nullable=False),
    UniqueConstraint("artifact_revision_id", name="uq_artifact_revision_id"),
)
