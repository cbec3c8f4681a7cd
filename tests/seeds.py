"""Rows for tests, through the Core tables: each function inserts one thing and says what it is.

Everything has a default, so a test names what it is about::

    async with database.transaction() as connection:
        world = await seed_world(connection)
        seeded = await seed_session(connection, world.alice, name="train-1", status="RUNNING")
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from sqlalchemy import insert, update

from bai_manager.actions.actor import Actor, Credentials
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
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import keypairs, users
from bai_manager.types.credentials import Secret, new_access_key, new_secret_key
from bai_manager.types.status import (
    KERNEL_RESOURCE_OCCUPIED,
    SESSION_DEAD,
    ClusterMode,
    KernelStatus,
    SessionResult,
    SessionStatus,
    SessionType,
    UserRole,
    UserStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
GIB: Final = 1 << 30
SLOTS: Final = {"cpu": "1", "mem": str(GIB)}
ARCHITECTURE: Final = "x86_64"
IMAGE: Final = "local/stable/python:3.11-host"
NO_DOTFILES: Final = b"\x90"

_LIVE_ON_AGENT: Final = frozenset(SessionStatus) - SESSION_DEAD - {SessionStatus.PENDING}


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user with one key pair."""

    user_id: UUID
    email: str
    username: str
    role: UserRole
    domain_name: str
    access_key: str
    secret_key: Secret
    project_id: UUID | None = None

    @property
    def actor(self) -> Actor:
        return Actor(
            user_id=self.user_id,
            email=self.email,
            username=self.username,
            role=self.role,
            domain_name=self.domain_name,
            access_key=self.access_key,
            authenticated_by=self.access_key,
        )

    @property
    def credentials(self) -> Credentials:
        return Credentials(access_key=self.access_key, secret_key=self.secret_key)


@dataclass(frozen=True, kw_only=True)
class SeededSession:
    """``kernel_ids`` has the main kernel first."""

    id: UUID
    name: str
    kernel_ids: tuple[UUID, ...]


@dataclass(frozen=True, kw_only=True)
class World:
    """Two domains with a project each, one resource group, one agent, one image, six people.

    ``root`` is the superadmin, ``admin`` and ``other_admin`` the admins of the domains
    ``default`` and ``other``; ``alice`` and ``bob`` are users of ``default``, ``carol`` of
    ``other``; ``monitor`` is in ``default``.
    """

    project_id: UUID
    other_project_id: UUID
    image_id: UUID
    root: Person
    admin: Person
    other_admin: Person
    alice: Person
    bob: Person
    carol: Person
    monitor: Person


async def seed_world(connection: AsyncConnection) -> World:
    """What most tests stand on."""
    await seed_policies(connection)
    projects = {}
    for domain in ("default", "other"):
        await seed_domain(connection, domain)
        projects[domain] = await seed_project(connection, "default", domain=domain)
    await seed_scaling_group(connection, domains=("default", "other"))
    await seed_agent(connection)
    image_id = await seed_image(connection, aliases=("python",))

    async def person(name: str, role: UserRole = UserRole.USER, domain: str = "default") -> Person:
        return await seed_user(
            connection, name, role=role, domain=domain, project_id=projects[domain]
        )

    return World(
        project_id=projects["default"],
        other_project_id=projects["other"],
        image_id=image_id,
        root=await person("root", UserRole.SUPERADMIN),
        admin=await person("admin", UserRole.ADMIN),
        other_admin=await person("other-admin", UserRole.ADMIN, "other"),
        alice=await person("alice"),
        bob=await person("bob"),
        carol=await person("carol", domain="other"),
        monitor=await person("monitor", UserRole.MONITOR),
    )


async def seed_policies(connection: AsyncConnection, name: str = "default") -> None:
    """A policy of that name for key pairs, users and projects; nothing is limited but counts."""
    await seed_keypair_policy(connection, name)
    await connection.execute(
        insert(user_resource_policies).values(
            name=name,
            max_vfolder_count=0,
            max_quota_scope_size=-1,
            max_session_count_per_model_session=10,
            max_customized_image_count=3,
        )
    )
    await connection.execute(
        insert(project_resource_policies).values(
            name=name, max_vfolder_count=0, max_quota_scope_size=-1, max_network_count=3
        )
    )


async def seed_keypair_policy(connection: AsyncConnection, name: str, **changed: object) -> None:
    """``changed`` are columns of ``keypair_resource_policies``."""
    await connection.execute(
        insert(keypair_resource_policies).values(
            {
                "name": name,
                "default_for_unspecified": "UNLIMITED",
                "total_resource_slots": {},
                "max_session_lifetime": 0,
                "max_concurrent_sessions": 30,
                "max_concurrent_sftp_sessions": 3,
                "max_containers_per_session": 16,
                "idle_timeout": 1800,
                "allowed_vfolder_hosts": {},
                **changed,
            }
        )
    )


async def seed_domain(
    connection: AsyncConnection,
    name: str = "default",
    *,
    is_active: bool = True,
    total_resource_slots: Mapping[str, str] | None = None,
) -> None:
    await connection.execute(
        insert(domains).values(
            name=name,
            is_active=is_active,
            total_resource_slots=dict(total_resource_slots or {}),
            allowed_vfolder_hosts={},
            allowed_docker_registries=["local"],
            dotfiles=NO_DOTFILES,
        )
    )


async def seed_project(
    connection: AsyncConnection,
    name: str = "default",
    *,
    domain: str = "default",
    is_active: bool = True,
    total_resource_slots: Mapping[str, str] | None = None,
    policy: str = "default",
) -> UUID:
    project_id = uuid4()
    await connection.execute(
        insert(groups).values(
            id=project_id,
            name=name,
            is_active=is_active,
            domain_name=domain,
            total_resource_slots=dict(total_resource_slots or {}),
            allowed_vfolder_hosts={},
            dotfiles=NO_DOTFILES,
            resource_policy=policy,
            type="general",
        )
    )
    return project_id


async def seed_scaling_group(
    connection: AsyncConnection,
    name: str = "default",
    *,
    domains: Sequence[str] = ("default",),
    is_active: bool = True,
    is_public: bool = True,
    scheduler: str = "fifo",
    scheduler_opts: Mapping[str, object] | None = None,
) -> None:
    """``domains`` are those that may use it."""
    await connection.execute(
        insert(scaling_groups).values(
            name=name,
            is_active=is_active,
            is_public=is_public,
            driver="static",
            driver_opts={},
            scheduler=scheduler,
            use_host_network=False,
            scheduler_opts={
                "allowed_session_types": ["interactive", "batch", "inference"],
                "pending_timeout": 0,
                "config": {},
                **(scheduler_opts or {}),
            },
        )
    )
    for domain in domains:
        await connection.execute(
            insert(sgroups_for_domains).values(scaling_group=name, domain=domain)
        )


async def seed_user(
    connection: AsyncConnection,
    name: str,
    *,
    role: UserRole = UserRole.USER,
    domain: str = "default",
    project_id: UUID | None = None,
    status: UserStatus = UserStatus.ACTIVE,
    keypair_active: bool = True,
    policy: str = "default",
) -> Person:
    """``NAME@example.com`` with a main key pair, a member of the project if one is given.

    ``policy`` is that of the key pair; the user's own is ``default``.
    """
    person = Person(
        user_id=uuid4(),
        email=f"{name}@example.com",
        username=name,
        role=role,
        domain_name=domain,
        access_key=new_access_key(),
        secret_key=new_secret_key(),
        project_id=project_id,
    )
    await connection.execute(
        insert(users).values(
            uuid=person.user_id,
            username=name,
            email=person.email,
            password=None,
            need_password_change=False,
            full_name=name.title(),
            status=status.value,
            domain_name=domain,
            role=role.value,
            totp_activated=False,
            resource_policy="default",
            sudo_session_enabled=False,
        )
    )
    await seed_keypair(connection, person, is_active=keypair_active, policy=policy)
    await connection.execute(
        update(users)
        .where(users.c.uuid == person.user_id)
        .values(main_access_key=person.access_key)
    )
    if project_id is not None:
        await seed_membership(connection, person, project_id)
    return person


async def seed_keypair(
    connection: AsyncConnection,
    person: Person,
    *,
    is_active: bool = True,
    policy: str = "default",
) -> None:
    """The key pair that ``person`` names; for a second one give ``replace(person, …)``."""
    await connection.execute(
        insert(keypairs).values(
            user_id=person.email,
            access_key=person.access_key,
            secret_key=person.secret_key.reveal(),
            is_active=is_active,
            is_admin=person.role in {UserRole.SUPERADMIN, UserRole.ADMIN},
            rate_limit=10000,
            num_queries=0,
            user=person.user_id,
            resource_policy=policy,
            dotfiles=NO_DOTFILES,
            bootstrap_script="",
        )
    )


async def seed_membership(connection: AsyncConnection, person: Person, project_id: UUID) -> None:
    await connection.execute(
        insert(association_groups_users).values(user_id=person.user_id, group_id=project_id)
    )


async def seed_agent(
    connection: AsyncConnection,
    agent_id: str = "i-local",
    *,
    status: str = "ALIVE",
    scaling_group: str = "default",
    schedulable: bool = True,
    addr: str = "local://",
    architecture: str = ARCHITECTURE,
    version: str = "25.17.0",
    slots: Mapping[str, str] | None = None,
    first_contact: datetime = NOW,
) -> None:
    """4 cores and 8 GiB unless ``slots`` says otherwise."""
    await connection.execute(
        insert(agents).values(
            id=agent_id,
            status=status,
            region="local",
            scaling_group=scaling_group,
            schedulable=schedulable,
            available_slots=dict(slots or {"cpu": "4", "mem": str(8 * GIB)}),
            occupied_slots={},
            addr=addr,
            public_host="127.0.0.1",
            first_contact=first_contact,
            version=version,
            architecture=architecture,
            compute_plugins={},
        )
    )


async def seed_image(
    connection: AsyncConnection,
    name: str = IMAGE,
    *,
    aliases: Sequence[str] = (),
    architecture: str = ARCHITECTURE,
    labels: Mapping[str, str] | None = None,
    status: str = "ALIVE",
    is_local: bool = True,
) -> UUID:
    """``name`` is REGISTRY/PROJECT/IMAGE:TAG; it needs one core and 64 MiB unless labelled."""
    path, _, tag = name.rpartition(":")
    registry, project, image = path.split("/", 2)
    registry_id, image_id = uuid4(), uuid4()
    await connection.execute(
        insert(container_registries).values(
            id=registry_id,
            url="http://localhost",
            registry_name=registry,
            type="local",
            project=project,
        )
    )
    least = {"ai.backend.resource.min.cpu": "1", "ai.backend.resource.min.mem": "64m"}
    await connection.execute(
        insert(images).values(
            id=image_id,
            name=name,
            project=project,
            image=f"{project}/{image}",
            tag=tag,
            registry=registry,
            registry_id=registry_id,
            architecture=architecture,
            config_digest=f"sha256:{'0' * 64}",
            size_bytes=0,
            is_local=is_local,
            type="COMPUTE",
            labels={**least, **(labels or {})},
            resources={},
            status=status,
        )
    )
    for alias in aliases:
        await connection.execute(insert(image_aliases).values(alias=alias, image=image_id))
    return image_id


async def seed_session(
    connection: AsyncConnection,
    owner: Person,
    *,
    name: str = "train-1",
    status: SessionStatus | str = SessionStatus.RUNNING,
    session_id: UUID | None = None,
    kernel_ids: Sequence[UUID] = (),
    kernel_count: int = 1,
    kernel_status: KernelStatus | str | None = None,
    slots: Mapping[str, str] = SLOTS,
    agent: str | None = "i-local",
    agent_addr: str = "local://",
    scaling_group: str = "default",
    session_type: SessionType = SessionType.INTERACTIVE,
    cluster_mode: ClusterMode = ClusterMode.SINGLE_NODE,
    priority: int = 10,
    image: str = IMAGE,
    created_at: datetime = NOW,
    terminated_at: datetime | None = None,
    starts_at: datetime | None = None,
    status_info: str | None = None,
    tag: str | None = None,
    result: SessionResult = SessionResult.UNDEFINED,
    startup_command: str | None = None,
    container_log: bytes | None = None,
) -> SeededSession:
    """A session of the owner's project with its kernels.

    ``slots`` are those of each kernel. Kernels have the session's status unless
    ``kernel_status`` says otherwise, and are on the agent once they are scheduled.
    """
    if owner.project_id is None:
        raise ValueError(f"{owner.email} has no project to create a session in")
    status = SessionStatus(status)
    of_kernels = KernelStatus(kernel_status or _status_of_kernels(status))
    made = SeededSession(
        id=session_id or uuid4(),
        name=name,
        kernel_ids=tuple(kernel_ids) or tuple(uuid4() for _ in range(kernel_count)),
    )
    ended = terminated_at or (created_at if status in SESSION_DEAD else None)
    history = {"PENDING": created_at.isoformat(), status.name: created_at.isoformat()}
    shared = {
        "session_type": session_type.name,
        "cluster_mode": cluster_mode.value,
        "cluster_size": len(made.kernel_ids),
        "domain_name": owner.domain_name,
        "group_id": owner.project_id,
        "user_uuid": owner.user_id,
        "access_key": owner.access_key,
        "tag": tag,
        "use_host_network": False,
        "created_at": created_at,
        "terminated_at": ended,
        "starts_at": starts_at,
        "status_info": status_info,
        "status_history": history,
        "result": result.name,
        "num_queries": 0,
    }
    on_agent = agent if status in _LIVE_ON_AGENT else None
    total = {slot: _times(amount, len(made.kernel_ids)) for slot, amount in slots.items()}
    await connection.execute(
        insert(sessions).values(
            **shared,
            id=made.id,
            creation_id=made.id.hex[:22],
            name=name,
            priority=priority,
            scaling_group_name=scaling_group,
            agent_ids=[on_agent] if on_agent else None,
            images=[image],
            occupying_slots=total if of_kernels in KERNEL_RESOURCE_OCCUPIED else {},
            requested_slots=total,
            vfolder_mounts=[],
            environ={},
            status=status.value,
            startup_command=startup_command,
        )
    )
    for index, kernel_id in enumerate(made.kernel_ids):
        await connection.execute(
            insert(kernels).values(
                **shared,
                id=kernel_id,
                session_id=made.id,
                session_creation_id=made.id.hex[:22],
                session_name=name,
                cluster_role="sub" if index else "main",
                cluster_idx=index or 1,
                local_rank=index,
                cluster_hostname=f"sub{index}" if index else "main1",
                scaling_group=scaling_group,
                agent=on_agent,
                agent_addr=agent_addr if on_agent else None,
                image=image,
                architecture=ARCHITECTURE,
                registry=image.partition("/")[0],
                occupied_slots=dict(slots) if of_kernels in KERNEL_RESOURCE_OCCUPIED else {},
                requested_slots=dict(slots),
                occupied_shares={},
                environ=[],
                mounts=[],
                mount_map={},
                vfolder_mounts=[],
                attached_devices={},
                resource_opts={},
                bootstrap_script="",
                repl_in_port=0,
                repl_out_port=0,
                stdin_port=0,
                stdout_port=0,
                status=of_kernels.value,
                status_changed=created_at,
                startup_command=startup_command,
                container_log=container_log,
                internal_data={},
            )
        )
    return made


def _status_of_kernels(status: SessionStatus) -> str:
    return "RUNNING" if status is SessionStatus.RUNNING_DEGRADED else status.value


def _times(amount: str, count: int) -> str:
    return str(int(amount) * count)
