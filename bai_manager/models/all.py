"""Every table, for whoever needs the whole schema; repositories import one family each."""

from __future__ import annotations

from bai_manager.models import (  # noqa: F401 - imported so that they describe themselves to the metadata
    agent,
    alembic,
    app_config,
    artifact,
    audit,
    container_registry,
    domain,
    endpoint,
    group,
    image,
    network,
    notification,
    rbac,
    resource_policy,
    resource_preset,
    scaling_group,
    session,
    storage,
    user,
    vfolder,
)
from bai_manager.models.base import metadata

__all__ = ["metadata"]
