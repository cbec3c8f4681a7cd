"""The rows that a new system starts with."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import and_, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from bai_manager.models.agent import agents
from bai_manager.models.container_registry import container_registries
from bai_manager.models.domain import domains
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.image import image_aliases, images
from bai_manager.models.resource_policy import (
    keypair_resource_policies,
    project_resource_policies,
    user_resource_policies,
)
from bai_manager.models.scaling_group import scaling_groups, sgroups_for_domains
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.rbac import (
    create_domain_role,
    create_project_role,
    create_user_role,
)
from bai_manager.services.system.types import LocalImage, Superadmin, SystemSpec
from bai_manager.types.credentials import Secret
from bai_manager.types.status import AgentStatus, ImageStatus, UserRole, UserStatus

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database

_POLICY = "default"
_NO_DOTFILES = b"\x90"
_HOST_PERMISSIONS = [
    "create-vfolder",
    "modify-vfolder",
    "delete-vfolder",
    "mount-in-session",
    "upload-file",
    "download-file",
    "invite-others",
    "set-user-specific-permission",
]
_DIGEST = "sha256:" + "0" * 64


class SystemRepository:
    """Finds the superadmin, and completes what is missing in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def superadmin(self) -> Superadmin | None:
        """The oldest active superadmin with an active key pair."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    select(users.c.email, keypairs.c.access_key, keypairs.c.secret_key)
                    .join(keypairs, keypairs.c.access_key == users.c.main_access_key)
                    .where(
                        users.c.role == UserRole.SUPERADMIN.value,
                        users.c.status == UserStatus.ACTIVE.value,
                        keypairs.c.is_active,
                    )
                    .order_by(users.c.created_at)
                    .limit(1)
                )
            ).one_or_none()
        if row is None:
            return None
        return Superadmin(
            email=row.email, access_key=row.access_key, secret_key=Secret(row.secret_key)
        )

    async def complete(self, spec: SystemSpec) -> list[str]:
        """Insert whatever is not there yet; returns the names of what was created."""
        async with self._database.transaction() as connection:
            created = await _policies(connection)
            created += await _domain(connection, spec)
            created += await _scaling_group(connection, spec)
            created += await _project(connection, spec)
            created += await _admin(connection, spec)
            created += await _agent(connection, spec)
            created += await _images(connection, spec)
            return created


async def _policies(connection: AsyncConnection) -> list[str]:
    keypair_policy = {
        "name": _POLICY,
        "default_for_unspecified": "UNLIMITED",
        "total_resource_slots": {},
        "max_session_lifetime": 0,
        "max_concurrent_sessions": 30,
        "max_concurrent_sftp_sessions": 3,
        "max_containers_per_session": 16,
        "idle_timeout": 1800,
        "allowed_vfolder_hosts": {},
    }
    user_policy = {
        "name": _POLICY,
        "max_vfolder_count": 0,
        "max_quota_scope_size": -1,
        "max_session_count_per_model_session": 10,
        "max_customized_image_count": 3,
    }
    project_policy = {
        "name": _POLICY,
        "max_vfolder_count": 0,
        "max_quota_scope_size": -1,
        "max_network_count": 3,
    }
    created = []
    for table, values, noun in (
        (keypair_resource_policies, keypair_policy, "keypair"),
        (user_resource_policies, user_policy, "user"),
        (project_resource_policies, project_policy, "project"),
    ):
        if await _insert_missing(connection, table, values):
            created.append(f"{noun} resource policy {_POLICY}")
    return created


async def _domain(connection: AsyncConnection, spec: SystemSpec) -> list[str]:
    if not await _insert_missing(
        connection,
        domains,
        {
            "name": spec.domain_name,
            "description": "The default domain.",
            "is_active": True,
            "total_resource_slots": {},
            "allowed_vfolder_hosts": {spec.storage_host: _HOST_PERMISSIONS},
            "allowed_docker_registries": sorted({image.registry for image in spec.images}),
            "dotfiles": _NO_DOTFILES,
        },
    ):
        return []
    await create_domain_role(connection, spec.domain_name)
    return [f"domain {spec.domain_name}"]


async def _scaling_group(connection: AsyncConnection, spec: SystemSpec) -> list[str]:
    created = await _insert_missing(
        connection,
        scaling_groups,
        {
            "name": spec.scaling_group,
            "description": "The agents of this machine.",
            "is_active": True,
            "is_public": True,
            "driver": "static",
            "driver_opts": {},
            "scheduler": "fifo",
            "use_host_network": False,
            "scheduler_opts": {
                "allowed_session_types": ["interactive", "batch", "inference"],
                "pending_timeout": 0,
                "config": {},
                "agent_selection_strategy": "dispersed",
                "agent_selector_config": {},
                "enforce_spreading_endpoint_replica": False,
                "allow_fractional_resource_fragmentation": True,
                "route_cleanup_target_statuses": ["unhealthy"],
            },
        },
    )
    await _insert_missing(
        connection,
        sgroups_for_domains,
        {"scaling_group": spec.scaling_group, "domain": spec.domain_name},
    )
    return [f"resource group {spec.scaling_group}"] if created else []


async def _project(connection: AsyncConnection, spec: SystemSpec) -> list[str]:
    project_id = uuid4()
    if not await _insert_missing(
        connection,
        groups,
        {
            "id": project_id,
            "name": spec.project_name,
            "description": "The default project.",
            "is_active": True,
            "domain_name": spec.domain_name,
            "total_resource_slots": {},
            "allowed_vfolder_hosts": {},
            "dotfiles": _NO_DOTFILES,
            "resource_policy": _POLICY,
            "type": "general",
        },
    ):
        return []
    await create_project_role(connection, project_id)
    return [f"project {spec.project_name}"]


async def _admin(connection: AsyncConnection, spec: SystemSpec) -> list[str]:
    if not spec.password_hash:
        return []
    user_id = uuid4()
    if not await _insert_missing(
        connection,
        users,
        {
            "uuid": user_id,
            "username": spec.admin_username,
            "email": spec.admin_email,
            "password": spec.password_hash,
            "need_password_change": False,
            "full_name": spec.admin_full_name,
            "description": "The first superadmin.",
            "status": UserStatus.ACTIVE.value,
            "domain_name": spec.domain_name,
            "role": UserRole.SUPERADMIN.value,
            "totp_activated": False,
            "resource_policy": _POLICY,
            "sudo_session_enabled": False,
        },
    ):
        return []  # another process was quicker
    await connection.execute(
        insert(keypairs).values(
            user_id=spec.admin_email,
            access_key=spec.secrets.access_key,
            secret_key=spec.secrets.secret_key.reveal(),
            is_active=True,
            is_admin=True,
            rate_limit=10000,
            num_queries=0,
            user=user_id,
            resource_policy=_POLICY,
            dotfiles=_NO_DOTFILES,
            bootstrap_script="",
        )
    )
    await connection.execute(
        update(users).where(users.c.uuid == user_id).values(main_access_key=spec.secrets.access_key)
    )
    project_id = await connection.scalar(
        select(groups.c.id).where(
            groups.c.name == spec.project_name, groups.c.domain_name == spec.domain_name
        )
    )
    await connection.execute(
        insert(association_groups_users).values(user_id=user_id, group_id=project_id)
    )
    await create_user_role(connection, user_id, spec.domain_name)
    return [f"superadmin {spec.admin_email}", f"key pair {spec.secrets.access_key}"]


async def _agent(connection: AsyncConnection, spec: SystemSpec) -> list[str]:
    """The machine may have changed since: what it offers is written every time."""
    facts = {
        "status": AgentStatus.ALIVE.name,
        "available_slots": spec.available_slots.to_json(),
        "addr": spec.agent_addr,
        "version": spec.agent_version,
        "architecture": spec.architecture,
        "lost_at": None,
    }
    created = await _insert_missing(
        connection,
        agents,
        {
            "id": spec.agent_id,
            "region": "local",
            "scaling_group": spec.scaling_group,
            "schedulable": True,
            "occupied_slots": {},
            "public_host": "127.0.0.1",
            "compute_plugins": {
                "cpu": {"version": spec.agent_version},
                "mem": {"version": spec.agent_version},
            },
            **facts,
        },
    )
    if created:
        return [f"agent {spec.agent_id}"]
    await connection.execute(update(agents).where(agents.c.id == spec.agent_id).values(**facts))
    return []


async def _images(connection: AsyncConnection, spec: SystemSpec) -> list[str]:
    """Images with their aliases; one that is there keeps everything but labels of a former init."""
    created = []
    for image in spec.images:
        if await _insert_missing(
            connection,
            images,
            {
                "name": image.canonical,
                "project": image.project,
                "image": image.image,
                "tag": image.tag,
                "registry": image.registry,
                "registry_id": await _registry(connection, image),
                "architecture": image.architecture,
                "config_digest": _DIGEST,
                "size_bytes": 0,
                "is_local": True,
                "type": "COMPUTE",
                "labels": dict(image.labels),
                "resources": {},
                "status": ImageStatus.ALIVE.value,
            },
        ):
            created.append(f"image {image.canonical}")
            await _aliases(connection, image)
        elif await _relabelled(connection, image):
            created.append(f"labels of image {image.canonical}")
    return created


async def _aliases(connection: AsyncConnection, image: LocalImage) -> None:
    image_id = await connection.scalar(select(images.c.id).where(_is(image)))
    for alias in image.aliases:
        await _insert_missing(connection, image_aliases, {"alias": alias, "image": image_id})


async def _relabelled(connection: AsyncConnection, image: LocalImage) -> bool:
    """Bring labels up to date that are as an earlier release wrote them; an operator's stay."""
    row = (
        await connection.execute(
            select(images.c.id, images.c.labels).where(_is(image)).with_for_update()
        )
    ).one()
    if row.labels not in image.former_labels:
        return False
    await connection.execute(
        update(images).where(images.c.id == row.id).values(labels=dict(image.labels))
    )
    return True


def _is(image: LocalImage) -> ColumnElement[bool]:
    return and_(images.c.name == image.canonical, images.c.architecture == image.architecture)


async def _registry(connection: AsyncConnection, image: LocalImage) -> UUID:
    known = await connection.scalar(
        select(container_registries.c.id).where(
            container_registries.c.registry_name == image.registry,
            container_registries.c.project == image.project,
        )
    )
    if known is not None:
        found: UUID = known
        return found
    registry_id = uuid4()
    await connection.execute(
        insert(container_registries).values(
            id=registry_id,
            url="http://localhost",
            registry_name=image.registry,
            type="local",
            project=image.project,
            ssl_verify=False,
            is_global=True,
        )
    )
    return registry_id


async def _insert_missing(
    connection: AsyncConnection, table: Table, values: dict[str, object]
) -> bool:
    """Insert a row unless one of its unique keys is taken."""
    inserted = await connection.scalar(
        upsert(table).values(values).on_conflict_do_nothing().returning(literal(value=True))
    )
    return inserted is not None
