"""Container images known to the cluster, and their aliases.

``name`` is the canonical reference without architecture. A key of ``labels`` is a label of the
image, a key of ``resources`` is a slot with its ``min`` and ``max``.
"""

from __future__ import annotations

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
)

from bai_manager.models.base import (
    EitherJson,
    Json,
    Jsonb,
    PgEnum,
    Timestamp,
    Unpadded,
    metadata,
    uuid_key,
)

IMAGE_TYPE = PgEnum("imagetype", "COMPUTE", "SYSTEM", "SERVICE")

images = Table(
    "images",
    metadata,
    uuid_key(),
    Column("name", String, nullable=False, index=True),
    Column("project", String),
    Column("image", String, nullable=False, index=True),
    Column("created_at", Timestamp, server_default=func.now(), index=True),
    Column("tag", Text),
    Column("registry", String, nullable=False, index=True),
    Column("registry_id", Uuid, nullable=False, index=True),
    Column("architecture", String, nullable=False, index=True),
    Column("config_digest", Unpadded(CHAR(72)), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("is_local", Boolean, nullable=False, server_default=false()),
    Column("type", IMAGE_TYPE, nullable=False),
    Column("accelerators", String),
    Column("labels", EitherJson(Json), nullable=False),
    Column("resources", Jsonb, nullable=False),
    Column("status", String(64), nullable=False, server_default="ALIVE"),
    UniqueConstraint(
        "registry", "project", "name", "tag", "architecture", name="uq_image_identifier"
    ),
)

image_aliases = Table(
    "image_aliases",
    metadata,
    uuid_key(),
    Column("alias", String, index=True, unique=True),
    Column("image", Uuid, ForeignKey("images.id"), nullable=False),
)
