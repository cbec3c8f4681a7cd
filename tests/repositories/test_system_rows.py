"""The rows of a new system: all of them, once, whoever else is making them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, delete, func, select, update

from bai_manager.models.agent import agents
from bai_manager.models.all import metadata
from bai_manager.models.domain import domains
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.image import image_aliases, images
from bai_manager.models.scaling_group import sgroups_for_domains
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.database import Database
from bai_manager.repositories.system import SystemRepository
from bai_manager.services.system.types import LocalImage, Secrets, Superadmin, SystemSpec
from bai_manager.types.credentials import Secret, new_access_key, new_secret_key
from bai_manager.types.resource_slot import ResourceSlot
from tests.seeds import ARCHITECTURE, GIB, NO_DOTFILES, seed_agent, seed_world

if TYPE_CHECKING:
    from sqlalchemy import Executable


PYTHON = LocalImage(
    canonical="local/stable/python:3.11-host",
    registry="local",
    project="stable",
    image="stable/python",
    tag="3.11-host",
    architecture=ARCHITECTURE,
    labels={"ai.backend.role": "COMPUTE"},
    aliases=("python", "python3"),
)
EVERYTHING = [
    "keypair resource policy default",
    "user resource policy default",
    "project resource policy default",
    "domain default",
    "resource group default",
    "project default",
    "superadmin admin@localhost",
    "agent i-local",
    "image local/stable/python:3.11-host",
]


def _spec(access_key: str = "AKIAFIRST") -> SystemSpec:
    return SystemSpec(
        domain_name="default",
        project_name="default",
        scaling_group="default",
        storage_host="local:volume1",
        admin_email="admin@localhost",
        admin_username="admin",
        admin_full_name="Administrator",
        secrets=Secrets(
            access_key=access_key, secret_key=new_secret_key(), admin_password=Secret("pass")
        ),
        password_hash="$2b$hash",
        agent_id="i-local",
        agent_addr="local://",
        agent_version="0.1.0",
        architecture=ARCHITECTURE,
        available_slots=ResourceSlot({"cpu": 4, "mem": 8 * GIB}),
        images=(PYTHON,),
    )


async def _one(db: Database, statement: Executable) -> dict[str, object]:
    async with db.transaction() as connection:
        return dict((await connection.execute(statement)).mappings().one())


async def _counts(db: Database) -> dict[str, int]:
    """How many rows each table has, but those that have none."""
    async with db.transaction() as connection:
        counts = {
            table.name: await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata.tables.values()
        }
    return {name: count for name, count in counts.items() if count}


async def test_an_empty_database_gets_everything_and_says_so(shaped_db: Database) -> None:
    spec = _spec()
    created = await SystemRepository(shaped_db).complete(spec)
    assert created == [*EVERYTHING[:7], f"key pair {spec.secrets.access_key}", *EVERYTHING[7:]]


async def test_the_rows_fit_together(shaped_db: Database) -> None:
    spec = _spec()
    await SystemRepository(shaped_db).complete(spec)
    admin = await _one(
        shaped_db,
        select(
            users.c.email,
            users.c.main_access_key,
            users.c.domain_name,
            users.c.password,
            cast(users.c.role, Text).label("role"),
            cast(users.c.status, Text).label("status"),
            keypairs.c.user_id,
            keypairs.c.secret_key,
            keypairs.c.is_admin,
            keypairs.c.dotfiles,
            groups.c.name.label("project"),
        )
        .join(keypairs, keypairs.c.user == users.c.uuid)
        .join(association_groups_users, association_groups_users.c.user_id == users.c.uuid)
        .join(groups, groups.c.id == association_groups_users.c.group_id),
    )
    assert admin == {
        "email": "admin@localhost",
        "main_access_key": "AKIAFIRST",
        "domain_name": "default",
        "password": "$2b$hash",
        "role": "superadmin",
        "status": "active",
        "user_id": "admin@localhost",
        "secret_key": spec.secrets.secret_key.reveal(),
        "is_admin": True,
        "dotfiles": NO_DOTFILES,
        "project": "default",
    }
    domain = await _one(
        shaped_db,
        select(domains.c.allowed_docker_registries, sgroups_for_domains.c.scaling_group).join(
            sgroups_for_domains, sgroups_for_domains.c.domain == domains.c.name
        ),
    )
    assert domain == {"allowed_docker_registries": ["local"], "scaling_group": "default"}
    async with shaped_db.transaction() as connection:
        aliases = await connection.scalars(
            select(image_aliases.c.alias)
            .join(images, images.c.id == image_aliases.c.image)
            .where(images.c.name == PYTHON.canonical)
            .order_by(image_aliases.c.alias)
        )
        assert list(aliases) == ["python", "python3"]


async def test_again_nothing_is_created_and_nothing_doubled(shaped_db: Database) -> None:
    system = SystemRepository(shaped_db)
    await system.complete(_spec())
    before = await _counts(shaped_db)
    again = replace(_spec("AKIAOTHER"), password_hash="")  # as the service asks the second time
    assert await system.complete(again) == []
    assert await _counts(shaped_db) == before


async def test_what_was_lost_is_made_again(db: Database) -> None:
    system = SystemRepository(db)
    await system.complete(_spec())
    async with db.transaction() as connection:
        for table in (image_aliases, images, agents):
            await connection.execute(delete(table))
    again = replace(_spec(), password_hash="")
    assert await system.complete(again) == EVERYTHING[7:]


async def test_the_agent_s_row_follows_the_machine(db: Database) -> None:
    system = SystemRepository(db)
    await system.complete(_spec())
    async with db.transaction() as connection:
        await connection.execute(update(agents).values(status="LOST", schedulable=False))
    larger = replace(
        _spec(), password_hash="", available_slots=ResourceSlot({"cpu": 8, "mem": 16 * GIB})
    )
    assert await system.complete(larger) == []
    agent = await _one(
        db,
        select(
            cast(agents.c.status, Text).label("status"),
            agents.c.available_slots,
            agents.c.schedulable,
        ),
    )
    assert agent == {
        "status": "ALIVE",
        "available_slots": {"cpu": "8", "mem": str(16 * GIB)},
        "schedulable": False,  # somebody's decision, not a fact about the machine
    }


async def test_two_at_once_make_one_system(database: str) -> None:
    first, second = Database(database), Database(database)
    spec = _spec()
    try:
        created = await asyncio.gather(
            SystemRepository(first).complete(spec), SystemRepository(second).complete(spec)
        )
        counts = await _counts(first)
    finally:
        await first.close()
        await second.close()
    assert sorted(sum(created, [])) == sorted(set(sum(created, [])))  # noqa: RUF017 - two lists
    assert counts["users"] == counts["keypairs"] == counts["domains"] == counts["groups"] == 1
    assert counts["images"] == counts["agents"] == 1
    assert counts["roles"] == 3  # of the domain, the project and the user


async def test_the_superadmin_is_the_oldest_active_one_with_an_active_key(db: Database) -> None:
    system = SystemRepository(db)
    assert await system.superadmin() is None
    async with db.transaction() as connection:
        world = await seed_world(connection)
    assert await system.superadmin() == Superadmin(
        email=world.root.email,
        access_key=world.root.access_key,
        secret_key=world.root.secret_key,
    )
    async with db.transaction() as connection:
        await connection.execute(update(keypairs).values(is_active=False))
    assert await system.superadmin() is None


async def test_an_agent_of_a_cluster_is_left_alone(db: Database) -> None:
    async with db.transaction() as connection:
        await seed_world(connection)
        await seed_agent(connection, "i-cluster", status="LOST")
    await SystemRepository(db).complete(replace(_spec(new_access_key()), password_hash=""))
    other = await _one(
        db, select(cast(agents.c.status, Text).label("status")).where(agents.c.id == "i-cluster")
    )
    assert other == {"status": "LOST"}


async def test_labels_of_an_earlier_release_are_brought_up_to_date_and_no_others(
    shaped_db: Database,
) -> None:
    system = SystemRepository(shaped_db)
    await system.complete(_spec())
    newer = replace(
        PYTHON,
        labels={"ai.backend.role": "COMPUTE", "ai.backend.service-ports": "files:http:8080"},
        former_labels=(PYTHON.labels,),
    )
    spec = replace(_spec(), images=(newer,))
    async with shaped_db.transaction() as connection:
        await connection.execute(update(images).values(resources={"cpu": {"min": "2"}}))
        await connection.execute(delete(image_aliases).where(image_aliases.c.alias == "python3"))
    assert await system.complete(spec) == ["labels of image local/stable/python:3.11-host"]
    assert await system.complete(spec) == []
    row = select(images.c.labels, images.c.resources)
    assert await _one(shaped_db, row) == {
        "labels": newer.labels,
        "resources": {"cpu": {"min": "2"}},
    }
    own = {**PYTHON.labels, "ai.backend.role": "SYSTEM"}
    async with shaped_db.transaction() as connection:
        await connection.execute(update(images).values(labels=own))
    assert await system.complete(spec) == []
    assert (await _one(shaped_db, row))["labels"] == own
    async with shaped_db.transaction() as connection:
        assert list(await connection.scalars(select(image_aliases.c.alias))) == ["python"]
