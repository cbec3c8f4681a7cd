"""Container registries: found by name, never with a password, for those who run the cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from bai_manager.models.container_registry import (
    association_container_registries_groups,
    container_registries,
)
from bai_manager.services.container_registry.actions import (
    GetContainerRegistryAction,
    ListContainerRegistriesAction,
)
from bai_manager.services.container_registry.errors import (
    AmbiguousContainerRegistry,
    ContainerRegistryNotFound,
)
from bai_manager.types.jsonable import to_jsonable
from bai_manager.types.query import Filter, Op, Query

if TYPE_CHECKING:
    from uuid import UUID

    from tests.door import Door


async def seed_registry(door: Door, project: str | None, **given: object) -> UUID:
    async with door.database.transaction() as connection:
        found: UUID | None = await connection.scalar(
            insert(container_registries)
            .values(
                {
                    "url": "https://cr.example.com",
                    "registry_name": "cr.example.com",
                    "type": "harbor2",
                    "project": project,
                    "username": "robot",
                    "password": "registry-secret",
                    **given,
                }
            )
            .returning(container_registries.c.id)
        )
    assert found is not None
    return found


async def test_registries_are_read_without_their_passwords(both: Door) -> None:
    team = await seed_registry(both, "team", is_global=False)
    await seed_registry(both, None, password=None, type="docker")
    async with both.database.transaction() as connection:
        await connection.execute(
            insert(association_container_registries_groups).values(
                registry_id=team, group_id=both.world.project_id
            )
        )
    listed = (await both.run("root", ListContainerRegistriesAction())).registries
    assert [(one.registry_name, one.project, one.image_count) for one in listed] == [
        ("cr.example.com", None, 0),
        ("cr.example.com", "team", 0),
        ("local", "stable", 1),
    ]
    assert "registry-secret" not in json.dumps(to_jsonable(listed))
    assert [one.has_password for one in listed] == [False, True, False]
    assert (listed[1].is_global, listed[1].allowed_groups) == (False, ["default/default"])
    harbor = Query(filters=(Filter("type", Op.EQ, ("harbor2",)),))
    found = (await both.run("root", ListContainerRegistriesAction(query=harbor))).registries
    assert [one.id for one in found] == [team]
    for word in ("cr.example.com/team", str(team), str(team)[:8]):
        shown = await both.run("root", GetContainerRegistryAction(registry=word))
        assert shown.registry.id == team
    shown = await both.run("root", GetContainerRegistryAction(registry="cr.example.com"))
    assert shown.registry.project is None
    await seed_registry(both, "other", registry_name="cr.example.org")
    await seed_registry(both, "another", registry_name="cr.example.org")
    with pytest.raises(AmbiguousContainerRegistry, match="another"):
        await both.run("root", GetContainerRegistryAction(registry="cr.example.org"))
    for word in ("none", "%", "____", ""):
        with pytest.raises(ContainerRegistryNotFound):
            await both.run("root", GetContainerRegistryAction(registry=word))


async def test_registries_are_of_those_who_run_the_cluster(shared: Door) -> None:
    for action in (ListContainerRegistriesAction(), GetContainerRegistryAction(registry="local")):
        assert await shared.allowed(action) == {"root", "monitor"}
