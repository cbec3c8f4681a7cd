"""Keeping sessions of a cluster: what agents are asked for, and what bounds it."""

from __future__ import annotations

from collections.abc import AsyncIterator  # noqa: TC003 - pytest evaluates fixtures
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, select, update

from bai_manager.actions.errors import InsufficientPrivilege
from bai_manager.clients.agent.protocol import CommitStarted
from bai_manager.errors import TimedOut
from bai_manager.models.container_registry import container_registries
from bai_manager.models.group import groups
from bai_manager.models.image import images
from bai_manager.models.session import kernels, sessions
from bai_manager.services.session.errors import SessionNotFound
from bai_manager.services.session_commit import service
from bai_manager.services.session_commit.actions import (
    CommitSessionAction,
    ConvertSessionToImageAction,
    GetCommitStatusAction,
)
from bai_manager.services.session_commit.errors import (
    CustomizedImageQuotaExceeded,
    InvalidImageName,
    NoProjectRegistry,
    ProjectRegistryNotFound,
)
from tests import seeds

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.base import Action, ActionResult
    from bai_manager.clients.agent.protocol import ImageSpec
    from tests.door import Door

LABEL = "ai.backend.customized-image."


class KeepingAgent:
    """Is at work for as many questions as ``ongoing`` says."""

    def __init__(self) -> None:
        self.commits: list[tuple[str, dict[str, Any]]] = []
        self.pushed: list[ImageSpec] = []
        self.ongoing = 0

    def client(self, _agent_id: str, _addr: str) -> KeepingAgent:
        return self

    async def aclose(self) -> None:
        pass

    async def commit(self, _kernel_id: UUID, subdir: str, **given: Any) -> CommitStarted:
        self.commits.append((subdir, given))
        return CommitStarted(task_id="task-1", path="/commits/a.tar.gz")

    async def commit_status(self, _kernel_id: UUID, _subdir: str) -> str:
        self.ongoing -= 1
        return "ongoing" if self.ongoing >= 0 else "ready"

    async def push_image(self, image: ImageSpec) -> str:
        self.pushed.append(image)
        return "task-2"


class Kept:
    """A session of alice's, and a project with a registry."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.agent = KeepingAgent()

    async def run(self, action: Action[ActionResult], name: str = "alice") -> Any:
        async with self.door.app(name) as app:
            app.__dict__["agents"] = self.agent
            return await app.processor.run(action)

    async def convert(self, name: str = "tools", **given: Any) -> Any:
        action = ConvertSessionToImageAction(session="train-1", image_name=name, **given)
        return await self.run(action)

    async def execute(self, statement: Any) -> Any:
        async with self.door.database.transaction() as connection:
            return await connection.execute(statement)


@pytest.fixture
async def kept(shared: Door, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    monkeypatch.setattr(service, "_PAUSE", 0.0)
    made = Kept(shared)
    async with shared.database.transaction() as connection:
        await seeds.seed_session(connection, shared.world.alice, name="train-1")
        await connection.execute(update(kernels).values(agent_addr="tcp://10.0.0.8:6001"))
        await connection.execute(
            insert(container_registries).values(
                url="https://cr.example.com",
                registry_name="cr.example.com",
                type="harbor2",
                project="team",
                username="robot",
                password="registry-secret",
            )
        )
        await connection.execute(
            update(groups).values(
                container_registry={"registry": "cr.example.com", "project": "team"}
            )
        )
    yield made
    for table in (kernels, sessions):
        await made.execute(delete(table))
    await made.execute(delete(container_registries).where(container_registries.c.project == "team"))
    await made.execute(delete(images).where(images.c.id != shared.world.image_id))


async def keep_image(kept: Kept, name: str, image_id: str, owner: str = "alice") -> None:
    """A customized image of somebody's."""
    person = getattr(kept.door.world, owner)
    labels = {"owner": f"user:{person.user_id}", "name": name, "id": image_id}
    async with kept.door.database.transaction() as connection:
        await seeds.seed_image(
            connection,
            f"cr.example.com/team/python:3.11-{name}",
            labels={f"{LABEL}{key}": text for key, text in labels.items()},
        )


async def test_a_commit_is_begun_in_the_owner_s_folder(kept: Kept) -> None:
    done = await kept.run(CommitSessionAction(session="train-1", filename="a.tar.gz"))
    assert (done.task_id, done.path) == ("task-1", "/commits/a.tar.gz")
    await kept.run(CommitSessionAction(session="train-1"))
    (first, second) = kept.agent.commits
    assert first == ("alice@example.com", {"filename": "a.tar.gz"})
    assert second[1]["filename"].startswith("train-1_2")


async def test_whether_it_goes_on_is_what_the_agent_says(kept: Kept) -> None:
    kept.agent.ongoing = 1
    action = GetCommitStatusAction(session="train-1")
    assert [(await kept.run(action)).status for _ in range(2)] == ["ongoing", "ready"]


async def test_an_image_is_made_labelled_and_pushed(kept: Kept) -> None:
    kept.agent.ongoing = 2
    done = await kept.convert()
    (subdir, given), alice = kept.agent.commits[0], kept.door.world.alice
    image_id = given["extra_labels"][f"{LABEL}id"]
    assert subdir == "alice@example.com"
    assert given["canonical"] == done.image
    tag = f"3.11-host-customized_{image_id.replace('-', '')}"
    assert done.image == f"cr.example.com/team/python:{tag}"
    assert given["extra_labels"] == {
        f"{LABEL}owner": f"user:{alice.user_id}",
        f"{LABEL}name": "tools",
        f"{LABEL}id": image_id,
        f"{LABEL}user.email": "alice@example.com",
    }
    (pushed,) = kept.agent.pushed
    assert (pushed.canonical, pushed.project, done.task_id) == (done.image, "team", "task-2")
    assert pushed.registry == {
        "name": "cr.example.com",
        "url": "https://cr.example.com",
        "username": "robot",
        "password": "registry-secret",
    }


async def test_an_image_of_the_same_name_is_made_anew(kept: Kept) -> None:
    known = "00000000-0000-4000-8000-0000000000aa"
    await keep_image(kept, "tools", known)
    assert (await kept.convert()).image.endswith(f"customized_{known.replace('-', '')}")


async def test_the_policy_bounds_how_many_there_may_be(kept: Kept) -> None:
    for index in range(3):
        await keep_image(kept, f"tools-{index}", f"00000000-0000-4000-8000-00000000000{index}")
    with pytest.raises(CustomizedImageQuotaExceeded) as raised:
        await kept.convert()
    assert raised.value.details == {"limit": 3, "current": 3}
    await kept.convert("tools-1")
    await kept.execute(
        update(images).where(images.c.id != kept.door.world.image_id).values(status="DELETED")
    )
    await kept.convert()


async def test_the_project_names_a_registry_that_there_is(kept: Kept) -> None:
    for wanted, error in (
        (None, NoProjectRegistry),
        ({"registry": "cr.example.com", "project": "other"}, ProjectRegistryNotFound),
    ):
        await kept.execute(update(groups).values(container_registry=wanted))
        with pytest.raises(error):
            await kept.convert()
    assert kept.agent.commits == []


async def test_an_image_has_a_name_of_its_own(kept: Kept) -> None:
    for name in ("", "two words", "a/b", "a:b"):
        with pytest.raises(InvalidImageName):
            await kept.convert(name)


async def test_what_takes_too_long_is_not_pushed(kept: Kept) -> None:
    kept.agent.ongoing = 1 << 40
    with pytest.raises(TimedOut, match="still makes"):
        await kept.convert(timeout=0.05)
    assert kept.agent.pushed == []


async def test_keeping_is_the_owner_s(kept: Kept) -> None:
    session = str((await kept.execute(select(sessions.c.id))).scalar_one())
    for action in (
        CommitSessionAction(session=session),
        ConvertSessionToImageAction(session=session, image_name="tools"),
    ):
        for name in ("alice", "admin", "root"):
            await kept.run(action, name)
        for name in ("monitor", "bob", "other_admin"):
            with pytest.raises((InsufficientPrivilege, SessionNotFound)):
                await kept.run(action, name)
    await kept.run(GetCommitStatusAction(session=session), "monitor")
