"""How images are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.cli.output.columns import (
    Column,
    id_column,
    size_column,
    slots_column,
    status_column,
    time_column,
)

if TYPE_CHECKING:
    from bai_manager.services.image.types import ImageDetails


def _labels(image: ImageDetails) -> str:
    """One a line."""
    return "\n".join(f"{key}={value}" for key, value in sorted(image.labels.items()))


LIST_COLUMNS: tuple[Column[ImageDetails], ...] = (
    Column("name", lambda image: image.name),
    Column("aliases", lambda image: image.aliases),
    Column("architecture", lambda image: image.architecture),
    Column("registry", lambda image: image.registry),
    id_column("id", lambda image: image.id, wide=True),
    Column("project", lambda image: image.project, wide=True),
    Column("tag", lambda image: image.tag, wide=True),
    Column("digest", lambda image: image.digest, wide=True),
    Column("is_local", lambda image: image.is_local, title="Local", wide=True),
    status_column("status", lambda image: image.status, wide=True),
    Column("type", lambda image: image.type, wide=True),
    size_column("size_bytes", lambda image: image.size_bytes, title="Size", wide=True),
    slots_column("minimum", lambda image: image.minimum, title="At least", wide=True),
    slots_column("maximum", lambda image: image.maximum, title="At most", wide=True),
    Column("owner", lambda image: image.owner, wide=True),
    time_column("created_at", lambda image: image.created_at, wide=True),
)
SHOW_FIELDS: tuple[Column[ImageDetails], ...] = (
    id_column("id", lambda image: image.id),
    Column("name", lambda image: image.name),
    Column("aliases", lambda image: image.aliases),
    Column("architecture", lambda image: image.architecture),
    status_column("status", lambda image: image.status),
    Column("type", lambda image: image.type),
    Column("registry", lambda image: image.registry),
    Column("project", lambda image: image.project),
    Column("tag", lambda image: image.tag),
    Column("digest", lambda image: image.digest),
    size_column("size_bytes", lambda image: image.size_bytes, title="Size"),
    Column("is_local", lambda image: image.is_local, title="Local"),
    slots_column("minimum", lambda image: image.minimum, title="At least"),
    slots_column("maximum", lambda image: image.maximum, title="At most"),
    Column("resources", lambda image: image.resources, title="Own limits"),
    Column("accelerators", lambda image: image.accelerators),
    Column("owner", lambda image: image.owner),
    Column("labels", lambda image: image.labels, human=_labels),
    time_column("created_at", lambda image: image.created_at),
    Column("version", lambda image: image.version),
)
