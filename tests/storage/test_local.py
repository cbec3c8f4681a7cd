"""What only a folder of this machine has to keep: races, quotas, what it leaves behind."""

# ruff: noqa: ASYNC240 - the files are small
from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bai_manager.clients.storage_proxy.download import download
from bai_manager.clients.storage_proxy.errors import (
    FolderMissing,
    LinkRefused,
    LocalFull,
    PathRefused,
    QuotaExceeded,
    StorageForbids,
    StorageFull,
    StorageTaskUnfinished,
    TransferBusy,
    UploadClash,
    UploadGone,
)
from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.clients.storage_proxy.protocol import UploadSession
from bai_manager.errors import BackendAIError
from tests.storage.helpers import (
    get,
    make_tree,
    names,
    new_folder,
    new_scope,
    pieces,
    put,
    put_some,
    read_tree,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from bai_manager.clients.storage_proxy.protocol import FolderRef
    from bai_manager.types.vfolder import QuotaScopeID

AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture
def storage(tmp_path: Path, volume: str) -> LocalStorageClient:
    (tmp_path / "volumes" / volume).mkdir(parents=True)
    return LocalStorageClient("local", tmp_path / "volumes")


@pytest_asyncio.fixture
async def place(storage: LocalStorageClient, folder: FolderRef) -> Path:
    return Path(await storage.mount_path(folder))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that must neither be read nor changed."""
    return make_tree(tmp_path / "outside", {"file": b"secret", "sub/file": b"secret"})


@contextmanager
def exchanging(one: Path, other: Path) -> Iterator[None]:
    """Let two names change places as fast as possible meanwhile."""
    done = threading.Event()

    def exchange() -> None:
        rename = ctypes.CDLL(None).renameat2
        paths = os.fsencode(one), os.fsencode(other)
        while not done.is_set():
            assert rename(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) == 0

    exchanger = threading.Thread(target=exchange)
    exchanger.start()
    try:
        yield
    finally:
        done.set()
        exchanger.join()


RACED: dict[str, Callable[[LocalStorageClient, FolderRef], Awaitable[object]]] = {
    "read": lambda storage, folder: get(storage, folder, "sub/file"),
    "list": lambda storage, folder: names(storage, folder, "sub"),
    "walk": lambda storage, folder: names(storage, folder, recursive=True),
    "upload": lambda storage, folder: put(storage, folder, "sub/new", b"planted"),
    "mkdir": lambda storage, folder: storage.make_folder(folder, "sub/made", exist_ok=True),
    "move": lambda storage, folder: storage.move(folder, "mine", "sub/mine"),
    "delete": lambda storage, folder: storage.delete_files(folder, ["sub/sub"], recursive=True),
    "clone": lambda storage, folder: _clone(storage, folder),  # noqa: PLW0108 - defined below
}


async def _clone(storage: LocalStorageClient, folder: FolderRef) -> bytes:
    target = new_folder(folder.volume)
    await storage.clone_folder(folder, target)
    copied = b"".join(read_tree(Path(await storage.mount_path(target))).values())
    await storage.delete_folder(target)
    return copied


@pytest.mark.parametrize("act", RACED)
async def test_folder_exchanged_for_a_link_meanwhile_leads_nowhere(
    storage: LocalStorageClient, folder: FolderRef, place: Path, outside: Path, act: str
) -> None:
    make_tree(place, {"sub/file": b"harmless", "sub/sub/file": b"harmless", "mine": b"mine"})
    (place / "link").symlink_to(outside)
    seen = Counter[str]()
    with exchanging(place / "sub", place / "link"):
        for _ in range(10 if act == "clone" else 30):
            make_tree(place, {"mine": b"mine"})
            try:
                answer = await RACED[act](storage, folder)
            except BackendAIError:
                seen["refused"] += 1
            else:
                seen["done"] += 1
                assert b"secret" not in (answer if isinstance(answer, bytes) else b"")
    assert seen["done"]
    assert read_tree(outside) == {"file": b"secret", "sub/file": b"secret"}


async def test_uploads_exchanged_for_a_link_are_written_nowhere(
    storage: LocalStorageClient, folder: FolderRef, place: Path, outside: Path
) -> None:
    (place / ".upload").symlink_to(outside)
    with pytest.raises(LinkRefused):
        await put(storage, folder, "a", b"1")
    assert read_tree(outside) == {"file": b"secret", "sub/file": b"secret"}


async def test_folder_whose_place_is_a_link_is_not_there(
    storage: LocalStorageClient, folder: FolderRef, place: Path, outside: Path
) -> None:
    place.rmdir()
    place.symlink_to(outside)
    with pytest.raises((FolderMissing, LinkRefused)):
        await names(storage, folder)
    place.unlink()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "volume1\0"])
async def test_volume_is_a_name_and_no_path(storage: LocalStorageClient, name: str) -> None:
    with pytest.raises(BackendAIError, match="no volume"):
        await storage.volume_usage(name)


async def test_special_files_are_refused_and_do_not_hang(
    storage: LocalStorageClient, folder: FolderRef, place: Path
) -> None:
    os.mkfifo(place / "pipe")
    async with asyncio.timeout(2):
        with pytest.raises(PathRefused):
            await get(storage, folder, "pipe")
        target = new_folder(folder.volume)
        await storage.clone_folder(folder, target)
        assert await names(storage, target) == []


async def test_names_that_are_no_text_go_in_and_out(
    storage: LocalStorageClient, folder: FolderRef
) -> None:
    name = os.fsdecode(b"\xff\xfe")
    await put(storage, folder, name, b"1")
    assert await names(storage, folder) == [name]
    assert await get(storage, folder, name) == b"1"
    with pytest.raises(PathRefused):
        await put(storage, folder, "\ud800", b"1")


async def test_folder_with_own_permissions_and_great_depth_is_removed(
    storage: LocalStorageClient, folder: FolderRef, place: Path
) -> None:
    deep = place
    for _ in range(400):
        deep = deep / "d"
        deep.mkdir()
    (deep / "file").touch()
    (place / "shut").mkdir()
    (place / "shut" / "file").touch()
    (place / "shut").chmod(0o000)
    await storage.delete_files(folder, ["d"], recursive=True)
    assert await names(storage, folder) == ["shut"]
    await storage.delete_folder(folder)
    assert not place.exists()


async def test_removed_folder_leaves_nothing_but_its_scope(
    storage: LocalStorageClient, folder: FolderRef, place: Path
) -> None:
    await put(storage, folder, "a", b"1")
    await storage.delete_folder(folder)
    assert [*place.parents[2].iterdir()] == []


async def test_clone_keeps_permissions_times_and_links(
    storage: LocalStorageClient, folder: FolderRef, place: Path
) -> None:
    make_tree(place, {"bin/tool": b"#!"})
    (place / "bin" / "tool").chmod(0o755)
    os.utime(place / "bin" / "tool", (1, 1_600_000_000))
    (place / "link").symlink_to("/etc/passwd")
    target = new_folder(folder.volume)
    await storage.clone_folder(folder, target)
    copy = Path(await storage.mount_path(target))
    assert (copy / "bin" / "tool").stat().st_mode & 0o777 == 0o755
    assert (copy / "bin" / "tool").stat().st_mtime == 1_600_000_000
    assert (copy / "link").readlink() == Path("/etc/passwd")


async def test_clone_between_volumes_is_a_copy(
    storage: LocalStorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    (tmp_path / "volumes" / "volume2").mkdir()
    await put(storage, folder, "a", b"1")
    target = new_folder("volume2")
    await storage.clone_folder(folder, target)
    assert await get(storage, target, "a") == b"1"


async def test_two_clones_to_one_target_at_once_make_one(
    storage: LocalStorageClient, folder: FolderRef, place: Path
) -> None:
    make_tree(place, {f"{number}": os.urandom(3000) for number in range(200)})
    target = new_folder(folder.volume)
    outcomes = await asyncio.gather(
        *(storage.clone_folder(folder, target) for _ in range(2)), return_exceptions=True
    )
    assert None in outcomes
    assert all(outcome is None or isinstance(outcome, TransferBusy) for outcome in outcomes)
    assert read_tree(Path(await storage.mount_path(target))) == read_tree(place)


async def test_long_work_stops_at_its_time_limit_and_goes_on_later(
    storage: LocalStorageClient, folder: FolderRef, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(place, {f"{number}": b"x" for number in range(100)})
    stuck, unlink = threading.Event(), os.unlink

    def slowly(name: str, *, dir_fd: int | None = None) -> None:
        stuck.wait(0.02)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", slowly)
    with pytest.raises(StorageTaskUnfinished):
        await storage.delete_folder(folder, timeout=0.05)
    assert not place.exists()
    monkeypatch.undo()
    await storage.delete_folder(folder)
    volume = place.parents[3]
    assert [*(volume / ".bai-manager" / "trash").iterdir()] == []


async def limited(storage: LocalStorageClient, volume: str, limit: int) -> FolderRef:
    scope = new_scope()
    folder = new_folder(volume, scope)
    await storage.create_folder(folder, scope_limit_bytes=limit)
    return folder


def scope_of(folder: FolderRef) -> QuotaScopeID:
    assert folder.id.quota_scope is not None
    return folder.id.quota_scope


async def test_quota_counts_all_folders_of_the_scope(
    storage: LocalStorageClient, volume: str
) -> None:
    one = await limited(storage, volume, 100)
    other = new_folder(volume, scope_of(one))
    await storage.create_folder(other)
    await put(storage, one, "a", b"x" * 60)
    usage = await storage.quota_scope(volume, scope_of(one))
    assert (usage.used_bytes, usage.limit_bytes) == (60, 100)
    with pytest.raises(QuotaExceeded) as raised:
        await storage.begin_upload(other, "b", 41)
    assert raised.value.details == {"storage": "local", "limit": 100, "used": 60, "asked": 41}
    await put(storage, other, "b", b"x" * 40)


async def test_quota_counts_what_is_announced_and_frees_what_is_replaced(
    storage: LocalStorageClient, volume: str
) -> None:
    folder = await limited(storage, volume, 100)
    session = await storage.begin_upload(folder, "a", 80)
    with pytest.raises(QuotaExceeded):
        await storage.begin_upload(folder, "b", 30)
    await storage.abort_upload(session)
    await put(storage, folder, "b", b"x" * 90)
    await put(storage, folder, "b", b"y" * 100)
    with pytest.raises(QuotaExceeded):
        await storage.begin_upload(folder, "b", 101)


async def test_part_is_kept_for_days_and_then_no_longer_counted(
    storage: LocalStorageClient, volume: str
) -> None:
    folder = await limited(storage, volume, 100)
    session = await storage.begin_upload(folder, "a", 80)
    place = Path(await storage.mount_path(folder)) / ".upload"
    for days, left in ((6, 2), (8, 1)):
        then = time.time() - days * 86_400
        os.utime(place / session.token, (then, then))
        begun = await storage.begin_upload(folder, "b", 1)
        assert len([*place.iterdir()]) == left
        await storage.abort_upload(begun)
    await storage.begin_upload(folder, "a", 100)


async def test_concurrent_uploads_never_pass_the_limit(
    storage: LocalStorageClient, volume: str
) -> None:
    folder = await limited(storage, volume, 80)
    outcomes = await asyncio.gather(
        *(put(storage, folder, f"{number}", b"x" * 10) for number in range(32)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(outcome, QuotaExceeded) for outcome in refused)
    assert len(refused) == 24
    assert (await storage.quota_scope(volume, scope_of(folder))).used_bytes == 80


async def test_clone_beyond_the_limit_is_refused_and_leaves_nothing(
    storage: LocalStorageClient, volume: str, folder: FolderRef
) -> None:
    await put(storage, folder, "a", b"x" * 60)
    full = await limited(storage, volume, 100)
    await put(storage, full, "a", b"x" * 60)
    target = new_folder(volume, scope_of(full))
    with pytest.raises(QuotaExceeded):
        await storage.clone_folder(folder, target)
    assert not await storage.folder_exists(target)
    assert (await storage.quota_scope(volume, scope_of(full))).used_bytes == 60


async def test_quota_can_be_raised_and_lifted(storage: LocalStorageClient, volume: str) -> None:
    folder = await limited(storage, volume, 10)
    await storage.set_quota(volume, scope_of(folder), 20)
    await put(storage, folder, "a", b"x" * 20)
    await storage.unset_quota(volume, scope_of(folder))
    await put(storage, folder, "b", b"x" * 200)


async def test_folder_of_a_scope_with_a_limit_keeps_the_limit(
    storage: LocalStorageClient, volume: str
) -> None:
    folder = await limited(storage, volume, 10)
    other = new_folder(volume, scope_of(folder))
    await storage.create_folder(other, scope_limit_bytes=1000)
    assert (await storage.quota_scope(volume, scope_of(folder))).limit_bytes == 10


async def test_usage_counts_files_and_nothing_unfinished(
    storage: LocalStorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "sub/a", b"12345")
    await put(storage, folder, "b", b"1")
    session = await storage.begin_upload(folder, "c", 10)
    await put_some(storage, session, b"123")
    usage = await storage.folder_usage(folder)
    assert (usage.file_count, usage.used_bytes) == (2, 6)


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, QuotaExceeded)]
)
async def test_full_disk_is_told_and_what_came_is_kept(
    storage: LocalStorageClient,
    folder: FolderRef,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[BackendAIError],
) -> None:
    data, written, write = os.urandom(1_000_000), 0, os.write

    def until_full(fd: int, rest: bytes) -> int:
        nonlocal written
        if written >= 500_000:
            raise OSError(number, os.strerror(number))
        count = write(fd, rest[:100_000])
        written += count
        return count

    session = await storage.begin_upload(folder, "file", len(data))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", until_full)
        with pytest.raises(error):
            await storage.write_file(session, 0, pieces(data))
    assert await names(storage, folder) == []
    offset = await storage.upload_offset(session)
    assert 500_000 <= offset < len(data)
    await storage.write_file(session, offset, pieces(data[offset:]))
    assert await get(storage, folder, "file") == data


@pytest.mark.parametrize("fits", [0, 1])
async def test_full_disk_of_this_machine_ends_a_download_and_it_goes_on_later(
    storage: LocalStorageClient,
    folder: FolderRef,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fits: int,
) -> None:
    """Also where the disk is slow, so that all writing but the first is left to a thread.

    What comes after that has room again, and must not be written behind a gap.
    """
    data, written, write = os.urandom(3 * 2**20), 0, os.pwritev
    await put(storage, folder, "file", data)

    def full(fd: int, buffers: list[memoryview], offset: int) -> int:
        nonlocal written
        written += 1
        if written == fits + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, buffers, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", full)
        patched.setattr("bai_manager.clients.storage_proxy.blocks._LONG_WRITE", -1)
        with pytest.raises(LocalFull):
            await download(storage, folder, ".", tmp_path / "back")
    assert not (tmp_path / "back" / "file").exists()
    await download(storage, folder, ".", tmp_path / "back")
    assert (tmp_path / "back" / "file").read_bytes() == data


async def test_what_the_system_forbids_is_told_as_forbidden(
    storage: LocalStorageClient, folder: FolderRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "mkdir", forbid)
    with pytest.raises(StorageForbids):
        await storage.make_folder(folder, "a")
    monkeypatch.undo()


async def test_session_is_written_by_one_at_a_time_and_from_its_end(
    storage: LocalStorageClient, folder: FolderRef
) -> None:
    session = await storage.begin_upload(folder, "file", 10)

    async def nested() -> AsyncIterator[bytes]:
        yield b"12345"
        with pytest.raises(UploadClash, match="another"):
            await storage.write_file(session, 5, pieces(b"67890"))
        yield b"67890"

    with pytest.raises(UploadClash, match="has 0 bytes"):
        await storage.write_file(session, 3, pieces(b"1234567"))
    await storage.write_file(session, 0, nested())
    assert await get(storage, folder, "file") == b"1234567890"


@pytest.mark.parametrize("token", ["../file", "x", "", "0" * 32 + "-5.part", "/etc/passwd"])
async def test_made_up_session_is_unknown(
    storage: LocalStorageClient, folder: FolderRef, token: str
) -> None:
    await put(storage, folder, "file", b"12345")
    session = UploadSession(folder=folder, path="file", size=5, token=token)
    with pytest.raises(UploadGone):
        await storage.upload_offset(session)
    with pytest.raises(UploadGone):
        await storage.write_file(session, 0, pieces(b"x"))
    await storage.abort_upload(session)
    assert await get(storage, folder, "file") == b"12345"


async def test_token_of_a_session_is_not_shown(
    storage: LocalStorageClient, folder: FolderRef
) -> None:
    session = await storage.begin_upload(folder, "file", 10)
    assert session.token not in repr(session)
    await storage.abort_upload(session)


async def test_descriptors_are_all_closed(storage: LocalStorageClient, volume: str) -> None:
    async def once() -> None:
        folder, target = new_folder(volume), new_folder(volume)
        await storage.create_folder(folder)
        await put(storage, folder, "sub/file", b"1")
        listing = storage.list_files(folder, recursive=True)
        await anext(listing)
        await listing.aclose()
        with suppress(BackendAIError):
            await get(storage, folder, "sub")
        with suppress(BackendAIError):
            await storage.begin_upload(folder, "sub/file/below", 1)
        await storage.clone_folder(folder, target)
        await storage.delete_files(folder, ["sub"], recursive=True)
        await storage.delete_folder(folder)
        await storage.delete_folder(target)

    await once()
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        await once()
    assert len([*Path("/proc/self/fd").iterdir()]) <= before


LISTING = """
import asyncio, resource, sys
from pathlib import Path
from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.clients.storage_proxy.protocol import FolderRef
from bai_manager.types.vfolder import VFolderID

async def main():
    storage = LocalStorageClient("local", Path(sys.argv[1]))
    folder = FolderRef("volume1", VFolderID.parse(sys.argv[2]))
    await anext(storage.list_files(folder))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = 0
    async for entry in storage.list_files(folder, recursive=True):
        count += 1
    print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

asyncio.run(main())
"""


async def test_listing_of_very_many_entries_takes_no_memory(
    folder: FolderRef, place: Path, tmp_path: Path
) -> None:
    """Twenty thousand; a hundred thousand are listed by the benchmark."""
    (place / "first").touch()
    for number in range(20_000):
        os.link(place / "first", place / f"a name of some length, as they are, {number}")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        LISTING,
        str(tmp_path / "volumes"),
        str(folder.id),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    said, _ = await process.communicate()
    count, kibibytes = map(int, said.split())
    assert count == 20_001
    assert kibibytes < 4096
