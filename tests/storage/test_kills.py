"""SIGKILL in the middle: nothing half-done is visible, and running again completes it."""

# ruff: noqa: ASYNC240 - the files are small
from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bai_manager.clients.storage_proxy.download import download
from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.clients.storage_proxy.paths import folder_parts
from bai_manager.clients.storage_proxy.upload import upload
from tests.storage.helpers import make_tree, new_folder, read_tree
from tests.storage.proxies import cluster_client, fake_proxy, http_client
from tests.storage.transfers import Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bai_manager.clients.storage_proxy.protocol import FolderRef, StorageClient

pytestmark = pytest.mark.thorough

MiB = 2**20
REPOSITORY = Path(__file__).parents[2]


@dataclass
class Setting:
    """``storage`` is at ``where``; ``tmp`` is for files of this machine."""

    storage: StorageClient
    where: str
    folder: FolderRef
    place: Path
    tmp: Path

    async def kill(
        self,
        what: str,
        when: Callable[[], bool],
        target: FolderRef | None = None,
        *,
        may_end: bool = False,
    ) -> None:
        """Run it in a process of its own, and kill that as soon as WHEN."""
        told = {
            "what": what,
            "storage": self.where,
            "folder": str(self.folder.id),
            "target": str(target.id) if target else "",
            "path": str(self.tmp / ("source" if what == "upload" else "back")),
            "journal": str(self.tmp / "journal"),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.storage.victim", json.dumps(told), cwd=REPOSITORY
        )
        try:
            async with asyncio.timeout(20):
                while not when() and process.returncode is None:  # noqa: ASYNC110 - not ours
                    await asyncio.sleep(0.002)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            ended = await process.wait()
        assert ended == -9 or may_end, "it ended before it could be killed"

    def stored(self) -> dict[str, bytes]:
        """What can be seen in the folder, also while it is being removed."""
        found = read_tree(self.place)
        return {name: data for name, data in found.items() if not name.startswith(".upload/")}


PROXIES = ["http", pytest.param("cluster", marks=pytest.mark.cluster)]


@pytest_asyncio.fixture(params=["local", *PROXIES])
async def setting(
    request: pytest.FixtureRequest, tmp_path: Path, volume: str
) -> AsyncIterator[Setting]:
    async with AsyncExitStack() as stack:
        storage, where = await _storage(stack, request.param, tmp_path / "volumes", volume)
        folder = new_folder(volume)
        await storage.create_folder(folder)
        yield Setting(storage, where, folder, Path(await storage.mount_path(folder)), tmp_path)
        await storage.delete_folder(folder)


async def _storage(
    stack: AsyncExitStack, kind: str, volumes: Path, volume: str
) -> tuple[StorageClient, str]:
    if kind == "cluster":
        return await stack.enter_async_context(cluster_client()), kind
    if kind == "http":
        _, server = await stack.enter_async_context(fake_proxy(volumes, volume))
        return await stack.enter_async_context(http_client(server.url)), server.url
    (volumes / volume).mkdir(parents=True)
    return LocalStorageClient("local", volumes), str(volumes)


def size_of(path: Path, pattern: str) -> int:
    """Of files that may vanish meanwhile."""
    size = 0
    for found in path.glob(pattern):
        with suppress(FileNotFoundError):
            size += found.stat().st_size
    return size


def count(path: Path) -> int:
    return sum(len(found) for _, _, found in os.walk(path))


async def test_killed_upload_is_completed_by_the_same_call(setting: Setting) -> None:
    files = {"big": os.urandom(12 * MiB), "small": b"1", "other": os.urandom(12 * MiB)}
    make_tree(setting.tmp / "source", files)
    await setting.kill("upload", lambda: size_of(setting.place, ".upload/*") > 3 * MiB)
    for name, data in setting.stored().items():
        assert data == files[name]
    assert "big" not in setting.stored() or "other" not in setting.stored()
    told = Told()
    summary = await upload(
        setting.storage,
        setting.folder,
        setting.tmp / "source",
        ".",
        observer=told,
        journal_folder=setting.tmp / "journal",
    )
    assert summary.failed == 0
    assert told.bytes == 24 * MiB + 1
    assert setting.stored() == files


async def test_killed_download_is_completed_by_the_same_call(setting: Setting) -> None:
    files = {"big": os.urandom(12 * MiB), "small": b"1", "sub/other": os.urandom(12 * MiB)}
    make_tree(setting.place, files)
    back = setting.tmp / "back"
    await setting.kill("download", lambda: size_of(back, "**/*.part") > 3 * MiB)
    for name, data in read_tree(back).items():
        assert name.endswith(".part") or data == files[name]
    parts = {path.stat().st_ino for path in back.rglob("*.part")}
    await download(setting.storage, setting.folder, ".", back)
    assert read_tree(back) == files
    assert parts <= {path.stat().st_ino for path in back.rglob("*")}


@pytest.mark.parametrize("setting", PROXIES, indirect=True)
async def test_call_to_clone_that_is_killed_is_completed_by_the_same_call(setting: Setting) -> None:
    """A storage proxy goes on meanwhile, and may be quicker than we are with the kill."""
    files = {f"{number % 9}/{number}": os.urandom(20_000) for number in range(300)}
    make_tree(setting.place, files)
    target = new_folder("volume1", setting.folder.id.quota_scope)
    copy = setting.place.parents[2].joinpath(*folder_parts(target.id)[1:])
    box = copy.parents[2] / f".copy-{target.id.folder.hex}"
    await setting.kill(
        "clone", lambda: copy.exists() or (box / "tree" / "0").exists(), target, may_end=True
    )
    await setting.storage.clone_folder(setting.folder, target, timeout=20)
    assert read_tree(copy) == files
    await setting.storage.delete_folder(target)


@pytest.mark.parametrize("setting", PROXIES, indirect=True)
async def test_call_to_delete_that_is_killed_is_completed_by_the_same_call(
    setting: Setting,
) -> None:
    files = {f"{number % 9}/{number}": b"x" for number in range(300)}
    make_tree(setting.place, files)
    await setting.kill("delete", lambda: count(setting.place) < 300, may_end=True)
    await setting.storage.delete_folder(setting.folder, timeout=20)
    assert not setting.place.exists()


@pytest.fixture
def local(tmp_path: Path, volume: str) -> LocalStorageClient:
    (tmp_path / "volumes" / volume).mkdir(parents=True)
    return LocalStorageClient("local", tmp_path / "volumes")


async def _local_setting(local: LocalStorageClient, tmp_path: Path) -> Setting:
    folder = new_folder("volume1")
    await local.create_folder(folder)
    place = Path(await local.mount_path(folder))
    make_tree(place, {f"{number % 9}/{number}": os.urandom(2000) for number in range(150)})
    (place / "link").symlink_to("0")
    return Setting(local, str(tmp_path / "volumes"), folder, place, tmp_path)


async def test_killed_clone_is_not_there_until_it_is_run_again(
    local: LocalStorageClient, tmp_path: Path
) -> None:
    setting = await _local_setting(local, tmp_path)
    target = new_folder("volume1", setting.folder.id.quota_scope)
    scope = setting.place.parents[2]
    await setting.kill("clone", lambda: len([*scope.glob(".copy-*/tree/*/*")]) > 30, target)
    assert not await local.folder_exists(target)
    copied = {path.stat().st_ino for path in scope.glob(".copy-*/tree/*/*")}
    await local.clone_folder(setting.folder, target)
    place = Path(await local.mount_path(target))
    assert read_tree(place) == setting.stored()
    assert (place / "link").is_symlink()
    assert [*scope.glob(".copy-*")] == []
    kept = copied & {path.stat().st_ino for path in place.rglob("*")}
    assert len(kept) >= len(copied) - 1


async def test_killed_clone_goes_with_its_target_when_that_is_deleted(
    local: LocalStorageClient, tmp_path: Path
) -> None:
    setting = await _local_setting(local, tmp_path)
    target = new_folder("volume1", setting.folder.id.quota_scope)
    scope = setting.place.parents[2]
    await setting.kill("clone", lambda: any(scope.glob(".copy-*/tree/*/*")), target)
    await local.delete_folder(target)
    assert [*scope.glob(".copy-*")] == []


async def test_killed_removal_is_gone_at_once_and_completed_by_the_next(
    local: LocalStorageClient, tmp_path: Path
) -> None:
    setting = await _local_setting(local, tmp_path)
    trash = tmp_path / "volumes" / "volume1" / ".bai-manager" / "trash"
    await setting.kill("delete", lambda: 0 < count(trash) < 140)
    assert not setting.place.exists()
    assert not await local.folder_exists(setting.folder)
    assert count(trash)
    await local.delete_folder(setting.folder)
    assert [*trash.iterdir()] == []


async def test_removals_at_the_same_time_do_not_disturb_each_other(
    local: LocalStorageClient, tmp_path: Path
) -> None:
    folders = [new_folder("volume1") for _ in range(8)]
    for folder in folders:
        await local.create_folder(folder)
        make_tree(Path(await local.mount_path(folder)), {f"{n}/{n}": b"x" for n in range(50)})
    await asyncio.gather(*(local.delete_folder(folder) for folder in [*folders, *folders]))
    for folder in folders:
        assert not await local.folder_exists(folder)
    trash = tmp_path / "volumes" / "volume1" / ".bai-manager" / "trash"
    assert [*trash.iterdir()] == []
