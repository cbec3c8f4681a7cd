"""In a dry run storage refuses what it would refuse, and keeps everything as it is."""

# ruff: noqa: ASYNC240 - the files are small

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bai_manager.clients.storage_proxy.errors import (
    FileExists,
    FileMissing,
    FolderExists,
    FolderMissing,
    IsAFolder,
    PathRefused,
    QuotaScopeMissing,
)
from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.clients.storage_proxy.rehearsal import RehearsalStorage
from tests.storage.helpers import names, new_folder, new_scope, put

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bai_manager.clients.storage_proxy.protocol import FolderRef, StorageClient
    from bai_manager.errors import BackendAIError
    from bai_manager.types.vfolder import QuotaScopeID

    Call = Callable[[StorageClient, FolderRef], Awaitable[object]]


@pytest.fixture
def storage(tmp_path: Path, volume: str) -> LocalStorageClient:
    (tmp_path / "volumes" / volume).mkdir(parents=True)
    return LocalStorageClient("local", tmp_path / "volumes")


@pytest_asyncio.fixture
async def rehearsal(storage: LocalStorageClient, folder: FolderRef) -> RehearsalStorage:
    await put(storage, folder, "sub/file", b"1")
    await storage.set_quota(folder.volume, scope_of(folder), 10**6)
    return RehearsalStorage(storage)


def scope_of(folder: FolderRef) -> QuotaScopeID:
    assert folder.id.quota_scope is not None
    return folder.id.quota_scope


DONE: list[Call] = [
    lambda storage, folder: storage.make_folder(folder, "new/deep"),
    lambda storage, folder: storage.make_folder(folder, "sub", exist_ok=True),
    lambda storage, folder: storage.move(folder, "sub/file", "moved"),
    lambda storage, folder: storage.delete_files(folder, ["sub"], recursive=True),
    lambda storage, folder: put(storage, folder, "sub/file", b"other"),
    lambda storage, folder: storage.clone_folder(folder, new_folder(folder.volume)),
    lambda storage, folder: storage.create_folder(new_folder(folder.volume)),
    lambda storage, folder: storage.set_quota(folder.volume, scope_of(folder), 5),
    lambda storage, folder: storage.unset_quota(folder.volume, scope_of(folder)),
    lambda storage, folder: storage.delete_folder(folder),
]


async def test_nothing_is_changed_by_what_would_be_done(
    storage: LocalStorageClient, rehearsal: RehearsalStorage, folder: FolderRef, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    for call in DONE:
        await call(rehearsal, folder)
    assert sorted(tmp_path.rglob("*")) == before
    assert (await storage.quota_scope(folder.volume, scope_of(folder))).limit_bytes == 10**6


async def test_folder_made_meanwhile_is_there_and_empty(
    rehearsal: RehearsalStorage, volume: str
) -> None:
    made = new_folder(volume)
    await rehearsal.create_folder(made)
    assert await rehearsal.folder_exists(made)
    assert (await rehearsal.folder_usage(made)).file_count == 0
    await rehearsal.delete_folder(made)
    assert not await rehearsal.folder_exists(made)


REFUSED: list[tuple[Call, type[BackendAIError]]] = [
    (lambda storage, folder: storage.create_folder(folder), FolderExists),
    (
        lambda storage, folder: storage.clone_folder(new_folder(folder.volume), folder),
        FolderMissing,
    ),
    (
        lambda storage, folder: storage.unset_quota(folder.volume, new_scope()),
        QuotaScopeMissing,
    ),
    (lambda storage, folder: storage.make_folder(folder, "sub"), FileExists),
    (lambda storage, folder: storage.make_folder(folder, "a/b", parents=False), FileMissing),
    (lambda storage, folder: storage.move(folder, "nothing", "x"), FileMissing),
    (lambda storage, folder: storage.move(folder, "sub/file", "sub"), FileExists),
    (lambda storage, folder: storage.move(folder, "sub", "sub/in"), PathRefused),
    (lambda storage, folder: storage.delete_files(folder, ["sub"]), IsAFolder),
    (lambda storage, folder: storage.delete_files(folder, ["sub/no"]), FileMissing),
    (lambda storage, folder: storage.begin_upload(folder, "sub", 1), IsAFolder),
    (lambda storage, folder: storage.begin_upload(folder, "../x", 1), PathRefused),
]


async def test_what_the_storage_would_refuse_is_refused(
    rehearsal: RehearsalStorage, folder: FolderRef, storage: LocalStorageClient
) -> None:
    for call, error in REFUSED:
        with pytest.raises(error):
            await call(rehearsal, folder)
    assert await names(storage, folder, recursive=True) == ["sub", "sub/file"]


async def test_a_limit_that_would_be_set_is_told(
    rehearsal: RehearsalStorage, storage: LocalStorageClient, folder: FolderRef
) -> None:
    scope, before = scope_of(folder), await storage.quota_scope(folder.volume, scope_of(folder))
    await rehearsal.set_quota(folder.volume, scope, 5)
    told = await rehearsal.quota_scope(folder.volume, scope)
    assert (told.used_bytes, told.limit_bytes) == (before.used_bytes, 5)
    await rehearsal.unset_quota(folder.volume, scope)
    assert (await rehearsal.quota_scope(folder.volume, scope)).limit_bytes is None
    other = new_scope()
    await rehearsal.set_quota(folder.volume, other, 7)
    assert (await rehearsal.quota_scope(folder.volume, other)).limit_bytes == 7
    assert await storage.quota_scope(folder.volume, scope) == before
    with pytest.raises(QuotaScopeMissing):
        await storage.quota_scope(folder.volume, other)
