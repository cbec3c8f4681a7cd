"""Many at once, and processes that are killed: what is committed is always right."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, text, update

from bai_manager.models.resource_policy import user_resource_policies
from bai_manager.models.session import sessions
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.session_mounts import hold_folders
from bai_manager.services.vfolder.actions import CreateVFolderAction, DeleteVFolderAction
from bai_manager.services.vfolder.errors import (
    TooManyVFolders,
    VFolderAlreadyExists,
    VFolderDeletionNotAllowed,
    VFolderFilterStatusFailed,
)
from bai_manager.services.vfolder.types import VFolderSpec
from bai_manager.types.mounts import VFolderMount
from bai_manager.types.vfolder import VFolderPermission
from tests import seeds
from tests.vfolder import victim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bai_manager.services.vfolder.types import VFolderData
    from tests.vfolder.sites import FolderSite

pytestmark = pytest.mark.thorough


async def test_32_creates_under_a_policy_of_8_make_exactly_8(own_folders: FolderSite) -> None:
    await own_folders.execute(update(user_resource_policies).values(max_vfolder_count=8))
    apps = [own_folders.app(own_folders.world.alice) for _ in range(4)]
    made = await asyncio.gather(
        *(
            apps[number % 4].processor.run(
                CreateVFolderAction(spec=VFolderSpec(name=f"data-{number}"))
            )
            for number in range(32)
        ),
        return_exceptions=True,
    )
    refused = [one for one in made if isinstance(one, TooManyVFolders)]
    assert (len(made) - len(refused), len(refused)) == (8, 24)
    ((count,),) = await own_folders.rows(select(func.count()).select_from(vfolders))
    assert count == 8
    scope = own_folders.volumes / "volume1" / own_folders.world.alice.user_id.hex
    assert len([*scope.glob("*/*/*")]) == 8
    await own_folders.execute(update(user_resource_policies).values(max_vfolder_count=0))
    action = CreateVFolderAction(spec=VFolderSpec(name="same"))
    same = await asyncio.gather(
        *(app.processor.run(action) for app in apps), return_exceptions=True
    )
    assert sum(isinstance(one, VFolderAlreadyExists) for one in same) == 3


def _mount(folder: VFolderData) -> VFolderMount:
    return VFolderMount(
        name=folder.name,
        vfid=folder.vfid,
        host_path="/mnt",
        kernel_path="/home/work/data",
        mount_perm=VFolderPermission.READ_WRITE,
    )


async def _waits_for_a_lock(site: FolderSite) -> None:
    waiting = text("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with asyncio.timeout(10):
        while not await site.rows(waiting):  # noqa: ASYNC110 - the database has no event for it
            await asyncio.sleep(0.01)


async def test_a_session_and_a_deletion_do_not_both_win(own_folders: FolderSite) -> None:
    site, alice = own_folders, own_folders.world.alice
    folder = await site.create()
    delete = DeleteVFolderAction(vfolder="data")
    async with site.database.transaction() as connection:
        await hold_folders(connection, [_mount(folder)])
        deleting = asyncio.create_task(site.run(delete, alice))
        await _waits_for_a_lock(site)
        session = await seeds.seed_session(connection, alice)
        await connection.execute(
            update(sessions)
            .where(sessions.c.id == session.id)
            .values(vfolder_mounts=[_mount(folder).to_json()])
        )
    with pytest.raises(VFolderDeletionNotAllowed):
        await deleting
    await site.execute(update(sessions).values(status="TERMINATED"))
    await site.run(delete, alice)
    with pytest.raises(VFolderFilterStatusFailed):
        async with site.database.transaction() as connection:
            await hold_folders(connection, [_mount(folder)])


class Victims:
    """Processes that are killed at a point of their work."""

    def __init__(self, site: FolderSite, nursery: asyncio.subprocess.Process) -> None:
        self._site = site
        self._nursery = nursery

    @asynccontextmanager
    async def killed(self, what: str, halt: str) -> AsyncIterator[None]:
        """What holds while the process is at that point; afterwards it is killed."""
        alice = self._site.world.alice
        told = {
            "url": self._site.url,
            "home": str(self._site._home),
            "volumes": str(self._site.volumes),
            "access_key": alice.access_key,
            "secret_key": alice.secret_key.reveal(),
            "what": what,
            "halt": halt,
        }
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(f"{json.dumps(told)}\n".encode())
        pid = int(await asyncio.wait_for(self._nursery.stdout.readline(), 30))
        try:
            yield
        finally:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
async def victims(own_folders: FolderSite) -> AsyncIterator[Victims]:
    pipe = asyncio.subprocess.PIPE
    nursery = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.vfolder.victim"), stdin=pipe, stdout=pipe
    )
    yield Victims(own_folders, nursery)
    nursery.kill()
    await nursery.wait()


async def _statuses(site: FolderSite) -> dict[str, str]:
    rows = await site.rows(select(vfolders.c.name, vfolders.c.status))
    return {row.name: row.status for row in rows}


async def test_a_killed_process_leaves_what_the_same_command_completes(
    own_folders: FolderSite, victims: Victims
) -> None:
    site, alice = own_folders, own_folders.world.alice
    async with victims.killed("create", "after"):
        assert await _statuses(site) == {}
    made = (await site.run(victim.ACTIONS["create"], alice)).vfolder
    assert site.path_of(made).is_dir()
    source = await site.create(cloneable=True)
    (site.path_of(source) / "file").write_text("hello")
    for halt in ("before", "after"):
        async with victims.killed("clone", halt):
            assert await _statuses(site) == {"new": "ready", "data": "cloning", "copy": "cloning"}
    done = await site.run(victim.ACTIONS["clone"], alice)
    assert (done.resumed, (site.path_of(done.vfolder) / "file").read_text()) == (True, "hello")
    assert await _statuses(site) == {"new": "ready", "data": "ready", "copy": "ready"}
    await site.run(DeleteVFolderAction(vfolder="data"), alice)
    for halt in ("before", "after"):
        async with victims.killed("purge", halt):
            assert (await _statuses(site))["data"] == "delete-ongoing"
            assert site.path_of(source).exists() is (halt == "before")
    await site.run(victim.ACTIONS["purge"], alice)
    assert await _statuses(site) == {"new": "ready", "copy": "ready"}
