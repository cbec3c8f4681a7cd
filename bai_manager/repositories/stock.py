"""What people have that policies bound besides slots: folders, images, networks, replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, select, true

from bai_manager.models.endpoint import endpoints
from bai_manager.models.group import groups
from bai_manager.models.image import images
from bai_manager.models.network import networks
from bai_manager.models.resource_policy import (
    keypair_resource_policies,
    project_resource_policies,
    user_resource_policies,
)
from bai_manager.models.session import sessions
from bai_manager.models.user import keypairs, users
from bai_manager.models.vfolder import vfolders
from bai_manager.services.keypair_resource_policy.types import KeypairResourcePolicyData
from bai_manager.services.user_resource_policy.types import UserResourcePolicyData
from bai_manager.sokovan.quota import Counted, CountUse, Level, positive_or_none
from bai_manager.types.status import SESSION_DEAD, VFOLDER_HARD_DELETED

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import ColumnElement, Subquery
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.rows import AnyRow
    from bai_manager.services.project_resource_policy.types import ProjectResourcePolicyData

_IMAGE_OWNER = "ai.backend.customized-image.owner"
_THERE = vfolders.c.status.not_in(VFOLDER_HARD_DELETED)
"""Folders count until they are deleted for good: those in the trash do."""


def bounds_of(
    policy: KeypairResourcePolicyData | UserResourcePolicyData | ProjectResourcePolicyData,
) -> dict[Counted, int | None]:
    """The limits of a policy on what is counted here; None is no limit."""
    if isinstance(policy, KeypairResourcePolicyData):
        return _bounds_of_keypair(policy)
    if isinstance(policy, UserResourcePolicyData):
        return _bounds_of_user(policy)
    return _bounds_of_project(policy)


def _bounds_of_keypair(policy: KeypairResourcePolicyData | AnyRow) -> dict[Counted, int | None]:
    return {Counted.KERNELS: positive_or_none(policy.max_containers_per_session)}


def _bounds_of_user(policy: UserResourcePolicyData | AnyRow) -> dict[Counted, int | None]:
    return {
        Counted.FOLDERS: positive_or_none(policy.max_vfolder_count),
        Counted.IMAGES: policy.max_customized_image_count,
        Counted.REPLICAS: policy.max_session_count_per_model_session,
    }


def _bounds_of_project(policy: ProjectResourcePolicyData | AnyRow) -> dict[Counted, int | None]:
    networks_allowed: int = policy.max_network_count
    return {
        Counted.FOLDERS: positive_or_none(policy.max_vfolder_count),
        Counted.NETWORKS: None if networks_allowed < 0 else networks_allowed,
    }


async def user_stocks(
    connection: AsyncConnection, where: ColumnElement[bool]
) -> tuple[CountUse, ...]:
    """Folders and customized images of the users that match, by e-mail."""
    policies = user_resource_policies
    folders = _counted(vfolders.c.user, _THERE)
    made = _counted(images.c.labels[_IMAGE_OWNER].astext, images.c.status == "ALIVE")
    rows = await connection.execute(
        select(
            users.c.email.label("name"),
            policies.c.max_vfolder_count,
            policies.c.max_customized_image_count,
            policies.c.max_session_count_per_model_session,
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
        CountUse(
            level=Level.USER,
            name=row.name,
            counted=counted,
            limit=_bounds_of_user(row)[counted],
            used=used,
        )
        for row in rows
        for counted, used in ((Counted.FOLDERS, row.folders), (Counted.IMAGES, row.images))
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
        CountUse(level=Level.PROJECT, name=row.name, counted=counted, limit=limit, used=used)
        for row in rows
        for (counted, limit), used in zip(
            _bounds_of_project(row).items(), (row.folders, row.networks), strict=True
        )
    )


async def large_sessions(
    connection: AsyncConnection, where: ColumnElement[bool]
) -> tuple[CountUse, ...]:
    """Sessions of the key pairs that match with more than one kernel, running or waiting."""
    rows = await connection.execute(
        select(
            sessions.c.name,
            sessions.c.cluster_size,
            users.c.email,
            keypair_resource_policies.c.max_containers_per_session,
        )
        .join(keypairs, keypairs.c.access_key == sessions.c.access_key)
        .join(
            keypair_resource_policies,
            keypair_resource_policies.c.name == keypairs.c.resource_policy,
        )
        .join(users, users.c.uuid == sessions.c.user_uuid)
        .where(where, sessions.c.status.not_in(SESSION_DEAD), sessions.c.cluster_size > 1)
        .order_by(users.c.email, sessions.c.name)
    )
    return tuple(
        CountUse(
            level=Level.SESSION,
            name=row.name or "",
            counted=Counted.KERNELS,
            limit=_bounds_of_keypair(row)[Counted.KERNELS],
            used=row.cluster_size,
            owner=row.email,
        )
        for row in rows
    )


async def model_services(
    connection: AsyncConnection, where: ColumnElement[bool]
) -> tuple[CountUse, ...]:
    """Replicas of each model service that lives, of the users that match."""
    policies = user_resource_policies
    rows = await connection.execute(
        select(
            endpoints.c.name,
            endpoints.c.replicas,
            users.c.email,
            policies.c.max_session_count_per_model_session,
        )
        .join(users, users.c.uuid == endpoints.c.session_owner)
        .join(policies, policies.c.name == users.c.resource_policy)
        .where(where, endpoints.c.lifecycle_stage.not_in(("destroying", "destroyed")))
        .order_by(users.c.email, endpoints.c.name)
    )
    return tuple(
        CountUse(
            level=Level.SERVICE,
            name=row.name,
            counted=Counted.REPLICAS,
            limit=row.max_session_count_per_model_session,
            used=row.replicas,
            owner=row.email,
        )
        for row in rows
    )


def _counted(owner: ColumnElement[Any], where: ColumnElement[bool]) -> Subquery:
    """``owner, amount``: how many rows each has."""
    return (
        select(owner.label("owner"), func.count().label("amount"))
        .where(where)
        .group_by(owner)
        .subquery()
    )
