"""Who a session is for, and which project it counts against (``reference/actions.md`` §7.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.repositories.owner import OwnerRepository
from bai_manager.services.session.errors import ProjectNotFound
from bai_manager.types.status import UserRole
from tests import seeds

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.repositories.database import Database
    from tests.seeds import Person, World


async def _world(db: Database) -> World:
    async with db.transaction() as connection:
        return await seeds.seed_world(connection)


async def _project(db: Database, name: str, *members: Person, domain: str = "default") -> UUID:
    async with db.transaction() as connection:
        project_id = await seeds.seed_project(connection, name, domain=domain)
        for member in members:
            await seeds.seed_membership(connection, member, project_id)
    return project_id


async def _resolve(
    db: Database, who: Person, project: str | None = None, domain: str = "default"
) -> UUID:
    owners = OwnerRepository(db)
    owner = await owners.get_owner(who.access_key)
    return await owners.resolve_project(owner, domain_name=domain, project=project)


async def test_an_owner_is_the_user_of_the_key_pair(shaped_db: Database) -> None:
    alice = (await _world(shaped_db)).alice
    owner = await OwnerRepository(shaped_db).get_owner(alice.access_key)
    assert (owner.access_key, owner.user_id) == (alice.access_key, alice.user_id)
    assert (owner.email, owner.username) == (alice.email, alice.username)
    assert (owner.domain_name, owner.bootstrap_script) == ("default", "")
    assert owner.sudo_session_enabled is False


async def test_an_identity_has_role_policy_and_active_projects_by_name(
    shaped_db: Database,
) -> None:
    world = await _world(shaped_db)
    await _project(shaped_db, "alpha", world.alice)
    closed = await _project(shaped_db, "closed", world.alice)
    async with shaped_db.transaction() as connection:
        await connection.execute(
            update(groups).where(groups.c.id == closed).values(is_active=False)
        )
    identity = await OwnerRepository(shaped_db).get_identity(world.alice.access_key)
    assert identity.email == world.alice.email
    assert identity.role is UserRole.USER
    assert identity.resource_policy == "default"
    assert identity.projects == ["alpha", "default"]


async def test_the_only_project_is_the_one(shaped_db: Database) -> None:
    world = await _world(shaped_db)
    assert await _resolve(shaped_db, world.alice) == world.project_id


async def test_of_several_projects_the_one_called_default_is_taken(db: Database) -> None:
    world = await _world(db)
    await _project(db, "alpha", world.alice)
    assert await _resolve(db, world.alice) == world.project_id


async def test_a_project_is_taken_by_name_or_id(db: Database) -> None:
    world = await _world(db)
    alpha = await _project(db, "alpha", world.alice)
    assert await _resolve(db, world.alice, "alpha") == alpha
    assert await _resolve(db, world.alice, str(alpha)) == alpha


@pytest.mark.parametrize("name", ["alice", "admin", "root"])
async def test_nobody_gets_a_project_without_being_a_member(db: Database, name: str) -> None:
    world = await _world(db)
    await _project(db, "alpha", world.bob)
    with pytest.raises(ProjectNotFound, match="is no member of project 'alpha'") as raised:
        await _resolve(db, getattr(world, name), "alpha")
    assert raised.value.details == {"projects": ["default"]}


async def test_a_project_of_another_domain_is_not_found_in_this_one(db: Database) -> None:
    world = await _world(db)
    await _project(db, "alpha", world.alice, domain="other")
    with pytest.raises(ProjectNotFound):
        await _resolve(db, world.alice, "alpha")


async def test_a_project_that_is_closed_is_not_found(db: Database) -> None:
    world = await _world(db)
    async with db.transaction() as connection:
        await connection.execute(update(groups).values(is_active=False))
    with pytest.raises(ProjectNotFound, match="any project"):
        await _resolve(db, world.alice)


async def test_a_domain_that_is_closed_has_no_projects(db: Database) -> None:
    world = await _world(db)
    async with db.transaction() as connection:
        await connection.execute(update(domains).values(is_active=False))
    with pytest.raises(ProjectNotFound, match="in domain 'default'"):
        await _resolve(db, world.alice)
