"""Images by name and alias, agents with what they hold; on both shapes of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.repositories.agent import AgentRepository
from bai_manager.repositories.image import ImageRepository
from bai_manager.services.agent.errors import AgentNotFound
from bai_manager.services.session.errors import ImageNotFound
from bai_manager.types.query import Query
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import AgentStatus, KernelStatus, SessionStatus
from tests import seeds

if TYPE_CHECKING:
    from bai_manager.repositories.database import Database

TORCH = "cr.example.com/stable/torch:2.5-py311"


async def test_an_image_is_found_by_its_whole_name_and_by_alias(shaped_db: Database) -> None:
    async with shaped_db.transaction() as connection:
        image_id = await seeds.seed_image(
            connection, TORCH, aliases=("torch", "pytorch"), labels={"ai.backend.features": "batch"}
        )
    repository = ImageRepository(shaped_db)
    for name in (TORCH, "torch", "pytorch"):
        image = await repository.resolve(name, None)
        assert image.id == image_id
    assert image.name == TORCH
    assert (image.registry, image.project, image.tag) == ("cr.example.com", "stable", "2.5-py311")
    assert image.labels["ai.backend.features"] == "batch"
    assert image.aliases == ["pytorch", "torch"]
    assert image.resources == {}
    assert image.digest == f"sha256:{'0' * 64}"


async def test_the_architecture_chooses_among_images_of_one_name(db: Database) -> None:
    async with db.transaction() as connection:
        for architecture in ("x86_64", "aarch64"):
            await seeds.seed_image(connection, TORCH, architecture=architecture)
    repository = ImageRepository(db)
    assert (await repository.resolve(TORCH, "x86_64")).architecture == "x86_64"
    assert (await repository.resolve(TORCH, "aarch64")).architecture == "aarch64"
    with pytest.raises(ImageNotFound):
        await repository.resolve(TORCH, "riscv64")


async def test_a_deleted_image_is_neither_found_nor_listed(db: Database) -> None:
    async with db.transaction() as connection:
        await seeds.seed_image(connection, TORCH, aliases=("torch",), status="DELETED")
    repository = ImageRepository(db)
    for name in (TORCH, "torch"):
        with pytest.raises(ImageNotFound):
            await repository.resolve(name, None)
    assert await repository.list_images(Query()) == []


async def test_a_name_beside_the_mark_is_answered_with_close_ones(db: Database) -> None:
    async with db.transaction() as connection:
        await seeds.seed_image(connection, TORCH, aliases=("pytorch",))
    with pytest.raises(ImageNotFound, match="Did you mean pytorch") as raised:
        await ImageRepository(db).resolve("pytroch", None)
    assert raised.value.details["suggestions"] == ["pytorch"]


async def test_an_alias_that_is_another_image_s_name_loses(db: Database) -> None:
    async with db.transaction() as connection:
        named = await seeds.seed_image(connection, "local/stable/a:1")
        await seeds.seed_image(connection, "local/stable/b:1", aliases=("local/stable/a:1",))
    assert (await ImageRepository(db).resolve("local/stable/a:1", None)).id == named


async def test_images_are_listed_by_name_each_with_its_aliases(shaped_db: Database) -> None:
    async with shaped_db.transaction() as connection:
        await seeds.seed_image(connection, TORCH, aliases=("torch",))
        await seeds.seed_image(connection, "cr.example.com/stable/alpine:3")
    listed = await ImageRepository(shaped_db).list_images(Query())
    assert [(image.name, image.aliases) for image in listed] == [
        ("cr.example.com/stable/alpine:3", []),
        (TORCH, ["torch"]),
    ]


async def test_an_agent_counts_the_kernels_that_hold_something_on_it(shaped_db: Database) -> None:
    async with shaped_db.transaction() as connection:
        world = await seeds.seed_world(connection)
        for index, status in enumerate(SessionStatus):
            await seeds.seed_session(
                connection, world.alice, name=f"session-{index}", status=status, kernel_count=2
            )
    agent = await AgentRepository(shaped_db).get_agent("i-local")
    holding = {
        KernelStatus.SCHEDULED,
        KernelStatus.PREPARING,
        KernelStatus.PULLING,
        KernelStatus.PREPARED,
        KernelStatus.CREATING,
        KernelStatus.RUNNING,
        KernelStatus.TERMINATING,
    }
    degraded = 1  # whose kernels are running too
    assert agent.kernel_count == 2 * (len(holding) + degraded)
    assert agent.status is AgentStatus.ALIVE
    assert agent.available_slots == ResourceSlot({"cpu": 4, "mem": 8 * seeds.GIB})
    assert agent.scaling_group == "default"


async def test_an_agent_that_is_not_there_is_not_found(db: Database) -> None:
    with pytest.raises(AgentNotFound, match="There is no agent 'i-gone'"):
        await AgentRepository(db).get_agent("i-gone")


async def test_agents_are_listed_by_id(shaped_db: Database) -> None:
    async with shaped_db.transaction() as connection:
        await seeds.seed_scaling_group(connection, domains=())
        for agent_id, status in (("i-b", "LOST"), ("i-a", "ALIVE")):
            await seeds.seed_agent(connection, agent_id, status=status)
    listed = await AgentRepository(shaped_db).list_agents(Query())
    assert [(agent.id, agent.status.value) for agent in listed] == [
        ("i-a", "ALIVE"),
        ("i-b", "LOST"),
    ]
