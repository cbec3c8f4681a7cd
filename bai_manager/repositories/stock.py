"""What users and projects have that their policies count: folders, images, networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, select, true

from bai_manager.models.group import groups
from bai_manager.models.image import images
from bai_manager.models.network import networks
from bai_manager.models.resource_policy import (
    project_resource_policies,
    user_resource_policies,
)
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolders
from bai_manager.sokovan.quota import Counted, CountUse, Level, positive_or_none
from bai_manager.types.status import VFOLDER_HARD_DELETED

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import ColumnElement, Subquery
    from sqlalchemy.ext.asyncio import AsyncConnection

_IMAGE_OWNER = "ai.backend.customized-image.owner"
_THERE = vfolders.c.status.not_in(VFOLDER_HARD_DELETED)
"""Folders count until they are deleted for good: those in the trash do."""


async def user_stocks(
    connection: AsyncConnection, where: ColumnElement[bool]
) -> tuple[CountUse, ...]:
    """Folders and customized images of the users that match, by e-mail."""
    policies = user_resource_policies
    folders = _counted(vfolders.c.user, _THERE)
    made = _counted(images.c.labels[_IMAGE_OWNER].astext, images.c.status == "ALIVE")
    rows = await connection.execute(
        select(
            users.c.email,
            policies.c.max_vfolder_count,
            policies.c.max_customized_image_count,
            func.coalesce(folders.c.amount, 0).label("folders"),
            func.coalesce(made.c.amount, 0).label("images"),
        )
        .select_from(
            users.join(policies, policies.c.name == users.c.resource_policy)
            .outerjoin(folders, folders.c.owner == users.c.uuid)
            .outerjoin(made, made.c.owner == "user:" + cast(users.c.uuid, Text))
        )
        .where(where)
        .order_by(users.c.email)
    )
    return tuple(
        use
        for row in rows
        for use in (
            CountUse(
                level=Level.USER,
                name=row.email,
                counted=Counted.FOLDERS,
                limit=positive_or_none(row.max_vfolder_count),
                used=row.folders,
            ),
            CountUse(
                level=Level.USER,
                name=row.email,
                counted=Counted.IMAGES,
                limit=row.max_customized_image_count,
                used=row.images,
            ),
        )
    )


async def project_stocks(
    connection: AsyncConnection, where: ColumnElement[bool]
) -> tuple[CountUse, ...]:
    """Folders and networks of the projects that match, by domain and name."""
    policies = project_resource_policies
    folders = _counted(vfolders.c.group, _THERE)
    joined = _counted(networks.c.project, true())
    rows = await connection.execute(
        select(
            groups.c.name,
            policies.c.max_vfolder_count,
            policies.c.max_network_count,
            func.coalesce(folders.c.amount, 0).label("folders"),
            func.coalesce(joined.c.amount, 0).label("networks"),
        )
        .select_from(
            groups.join(policies, policies.c.name == groups.c.resource_policy)
            .outerjoin(folders, folders.c.owner == groups.c.id)
            .outerjoin(joined, joined.c.owner == groups.c.id)
        )
        .where(where)
        .order_by(groups.c.domain_name, groups.c.name)
    )
    return tuple(
        use
        for row in rows
        for use in (
            CountUse(
                level=Level.PROJECT,
                name=row.name,
                counted=Counted.FOLDERS,
                limit=positive_or_none(row.max_vfolder_count),
                used=row.folders,
            ),
            CountUse(
                level=Level.PROJECT,
                name=row.name,
                counted=Counted.NETWORKS,
                limit=None if row.max_network_count < 0 else row.max_network_count,
                used=row.networks,
            ),
        )
    )


def _counted(owner: ColumnElement[Any], where: ColumnElement[bool]) -> Subquery:
    """``owner, amount``: how many rows each has."""
    return (
        select(owner.label("owner"), func.count().label("amount"))
        .where(where)
        .group_by(owner)
        .subquery()
    )
