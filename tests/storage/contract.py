"""What every ``StorageClient`` keeps.

A test module for a client imports everything from here and provides the fixtures ``storage``,
``volume`` and ``folder``: a fresh folder on that volume.
"""

# ruff: noqa: ASYNC240 - the files are small
from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.storage_proxy import wire
from bai_manager.clients.storage_proxy.errors import (
    FileExists,
    FileMissing,
    FolderExists,
    FolderMissing,
    IsAFolder,
    NotAFolder,
    PathRefused,
    QuotaScopeMissing,
    UploadClash,
    UploadGone,
    VolumeMissing,
)
from bai_manager.clients.storage_proxy.protocol import EntryKind, FolderRef
from bai_manager.types.vfolder import VFolderID
from tests.storage.helpers import (
    HOSTILE_NAMES,
    get,
    names,
    new_folder,
    new_scope,
    pieces,
    put,
    put_some,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bai_manager.clients.storage_proxy.protocol import StorageClient, UploadSession

ESCAPES = ["..", "../x", "a/../../x", "/etc/passwd", "a\0b", ".upload/x", "x" * 256]


async def test_volumes_are_told_with_their_capabilities(
    storage: StorageClient, volume: str
) -> None:
    found = {each.name: each for each in await storage.volumes()}
    assert "vfolder" in found[volume].capabilities
    assert found[volume].backend == "vfs"


async def test_usage_of_a_volume_is_within_its_capacity(
    storage: StorageClient, volume: str
) -> None:
    usage = await storage.volume_usage(volume)
    assert 0 < usage.used_bytes <= usage.capacity_bytes


@pytest.mark.parametrize(
    "call",
    [
        lambda storage, nowhere: storage.volume_usage(nowhere.volume),
        lambda storage, nowhere: storage.create_folder(nowhere),
        names,
        lambda storage, nowhere: storage.folder_usage(nowhere),
        lambda storage, nowhere: storage.quota_scope(nowhere.volume, new_scope()),
    ],
)
async def test_unknown_volume_is_said_to_be_unknown(
    storage: StorageClient, call: Callable[[StorageClient, FolderRef], Awaitable[object]]
) -> None:
    with pytest.raises(VolumeMissing, match="nowhere"):
        await call(storage, new_folder("nowhere"))


async def test_quota_scope_is_made_once(storage: StorageClient, volume: str) -> None:
    scope = new_scope()
    with pytest.raises(QuotaScopeMissing):
        await storage.quota_scope(volume, scope)
    await storage.create_quota_scope(volume, scope)
    await storage.create_quota_scope(volume, scope)
    assert (await storage.quota_scope(volume, scope)).limit_bytes is None


async def test_setting_a_quota_makes_the_scope_and_unsetting_keeps_it(
    storage: StorageClient, volume: str
) -> None:
    scope = new_scope()
    await storage.set_quota(volume, scope, 2**30)
    await storage.quota_scope(volume, scope)
    await storage.unset_quota(volume, scope)
    assert (await storage.quota_scope(volume, scope)).limit_bytes is None


async def test_unsetting_the_quota_of_a_missing_scope_is_an_error(
    storage: StorageClient, volume: str
) -> None:
    with pytest.raises(QuotaScopeMissing):
        await storage.unset_quota(volume, new_scope())


async def test_new_folder_exists_is_empty_and_brings_its_scope(
    storage: StorageClient, folder: FolderRef
) -> None:
    assert await storage.folder_exists(folder)
    assert await names(storage, folder) == []
    assert (await storage.folder_usage(folder)).file_count == 0
    assert folder.id.quota_scope is not None
    await storage.quota_scope(folder.volume, folder.id.quota_scope)


async def test_folder_is_not_made_twice(storage: StorageClient, folder: FolderRef) -> None:
    await put(storage, folder, "kept", b"x")
    with pytest.raises(FolderExists):
        await storage.create_folder(folder)
    assert await get(storage, folder, "kept") == b"x"


async def test_folder_is_where_a_vfs_backend_keeps_it(
    storage: StorageClient, folder: FolderRef
) -> None:
    (mount,) = [each.path for each in await storage.volumes() if each.name == folder.volume]
    name, scope = folder.id.folder.hex, folder.id.quota_scope
    assert scope is not None
    wanted = Path(mount, scope.id.hex, name[:2], name[2:4], name[4:])
    assert Path(await storage.mount_path(folder)) == wanted
    await put(storage, folder, "a/b", b"12")
    assert (wanted / "a" / "b").read_bytes() == b"12"
    assert (wanted / "a" / "b").stat().st_mode & 0o777 == 0o644


async def test_folder_of_the_old_kind_has_no_scope(storage: StorageClient, volume: str) -> None:
    old = FolderRef(volume, VFolderID(None, new_folder(volume).id.folder))
    (mount,) = [each.path for each in await storage.volumes() if each.name == volume]
    name = old.id.folder.hex
    place = Path(mount, name[:2], name[2:4], name[4:])
    place.mkdir(parents=True)
    assert Path(await storage.mount_path(old)) == place
    await put(storage, old, "a", b"1")
    assert await names(storage, old) == ["a"]
    await storage.delete_folder(old)
    assert not place.exists()


async def test_mode_of_a_folder_can_be_given(storage: StorageClient, volume: str) -> None:
    folder = new_folder(volume)
    await storage.create_folder(folder, mode=0o775)
    assert Path(await storage.mount_path(folder)).stat().st_mode & 0o777 == 0o775
    await storage.delete_folder(folder)


async def test_mount_path_of_a_subpath_must_be_there(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "sub/file", b"")
    assert await storage.mount_path(folder, "sub") == await storage.mount_path(folder)
    with pytest.raises(FileMissing):
        await storage.mount_path(folder, "nothing")
    with pytest.raises(NotAFolder):
        await storage.mount_path(folder, "sub/file")


async def test_deleted_folder_is_gone_with_all_in_it_and_deleting_again_is_fine(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "a/b/c", b"1")
    place = await storage.mount_path(folder)
    await storage.delete_folder(folder)
    assert not await storage.folder_exists(folder)
    assert not Path(place).exists()
    await storage.delete_folder(folder)


UNKNOWN_FOLDER: list[Callable[[StorageClient, FolderRef], Awaitable[object]]] = [
    lambda storage, folder: storage.mount_path(folder),
    lambda storage, folder: storage.folder_usage(folder),
    lambda storage, folder: storage.clone_folder(folder, new_folder(folder.volume)),
    lambda storage, folder: storage.begin_upload(folder, "a", 1),
]


@pytest.mark.parametrize("call", UNKNOWN_FOLDER)
async def test_unknown_folder_is_said_to_be_unknown(
    storage: StorageClient,
    volume: str,
    call: Callable[[StorageClient, FolderRef], Awaitable[object]],
) -> None:
    with pytest.raises(FolderMissing):
        await call(storage, new_folder(volume))


async def test_clone_has_every_file_and_leaves_the_source(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "a/b", b"one")
    await put(storage, folder, "empty", b"")
    await storage.make_folder(folder, "void")
    target = new_folder(folder.volume, folder.id.quota_scope)
    await storage.clone_folder(folder, target, timeout=20)
    assert await names(storage, target, recursive=True) == ["a", "a/b", "empty", "void"]
    assert await get(storage, target, "a/b") == b"one"
    assert await get(storage, folder, "a/b") == b"one"
    await storage.delete_folder(target)


async def test_cloning_again_finds_the_clone_complete(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "a", b"one")
    target = new_folder(folder.volume)
    await storage.clone_folder(folder, target, timeout=20)
    await storage.clone_folder(folder, target, timeout=20)
    await storage.delete_folder(target)


async def test_cloning_onto_another_folder_is_refused_and_changes_nothing(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "a", b"one")
    target = new_folder(folder.volume)
    await storage.create_folder(target)
    await put(storage, target, "mine", b"precious")
    with pytest.raises(FolderExists):
        await storage.clone_folder(folder, target, timeout=20)
    assert await names(storage, target) == ["mine"]
    await storage.delete_folder(target)


async def test_listing_tells_kind_size_mode_and_time(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "sub/file", b"12345")
    place = Path(await storage.mount_path(folder))
    (place / "sub" / "link").symlink_to("file")
    os.utime(place / "sub" / "file", (0, 1_700_000_000.123456))
    found = {entry.path: entry async for entry in storage.list_files(folder, "sub")}
    file, link = found["sub/file"], found["sub/link"]
    assert (file.kind, file.size, file.permissions) == (EntryKind.FILE, 5, "-rw-r--r--")
    assert file.modified == datetime.fromtimestamp(1_700_000_000.123456, UTC)
    assert (link.kind, link.link_target) == (EntryKind.LINK, "file")
    assert await storage.stat(folder, "sub/file") == file
    assert (await storage.stat(folder, "sub")).kind is EntryKind.FOLDER
    assert (await storage.stat(folder, ".")).kind is EntryKind.FOLDER


async def test_recursive_listing_has_everything_below_but_follows_no_link(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "a/b/c", b"")
    await put(storage, folder, "d", b"")
    (Path(await storage.mount_path(folder)) / "a" / "up").symlink_to("..")
    wanted = ["a", "a/b", "a/b/c", "a/up", "d"]
    assert await names(storage, folder, recursive=True) == wanted
    assert await names(storage, folder, "a", recursive=True) == wanted[1:4]
    assert await names(storage, folder, "./a/", recursive=False) == ["a/b", "a/up"]


async def test_pipe_is_told_from_a_file(storage: StorageClient, folder: FolderRef) -> None:
    os.mkfifo(Path(await storage.mount_path(folder)) / "pipe")
    assert (await storage.stat(folder, "pipe")).kind is EntryKind.OTHER


async def test_unfinished_uploads_are_in_no_listing(
    storage: StorageClient, folder: FolderRef
) -> None:
    session = await storage.begin_upload(folder, "a", 10)
    await put_some(storage, session, b"12345")
    assert await names(storage, folder, recursive=True) == []
    await storage.abort_upload(session)


@pytest.mark.parametrize("path", ["nothing", "nothing/below"])
async def test_what_is_missing_is_said_to_be_missing(
    storage: StorageClient, folder: FolderRef, path: str
) -> None:
    for call in (
        names(storage, folder, path),
        storage.stat(folder, path),
        get(storage, folder, path),
        storage.move(folder, path, "b"),
        storage.delete_files(folder, [path]),
        storage.checksum(folder, path),
    ):
        with pytest.raises(FileMissing):
            await call


async def test_file_is_no_folder(storage: StorageClient, folder: FolderRef) -> None:
    await put(storage, folder, "file", b"1")
    for call in (
        names(storage, folder, "file"),
        storage.stat(folder, "file/below"),
        put(storage, folder, "file/below", b"2"),
        storage.make_folder(folder, "file/below"),
    ):
        with pytest.raises(NotAFolder):
            await call
    assert await get(storage, folder, "file") == b"1"


async def test_folder_is_no_file(storage: StorageClient, folder: FolderRef) -> None:
    await put(storage, folder, "sub/file", b"1")
    for call in (
        get(storage, folder, "sub"),
        put(storage, folder, "sub", b"2"),
        storage.delete_files(folder, ["sub"]),
    ):
        with pytest.raises(IsAFolder):
            await call
    assert await get(storage, folder, "sub/file") == b"1"


async def test_folders_are_made_with_those_above(storage: StorageClient, folder: FolderRef) -> None:
    await storage.make_folder(folder, "a/b/c")
    assert await names(storage, folder, recursive=True) == ["a", "a/b", "a/b/c"]
    await storage.make_folder(folder, "a/b/c", exist_ok=True)
    with pytest.raises(FileExists):
        await storage.make_folder(folder, "a/b/c")
    with pytest.raises(FileMissing):
        await storage.make_folder(folder, "x/y", parents=False)


async def test_file_is_in_the_way_of_a_folder(storage: StorageClient, folder: FolderRef) -> None:
    await put(storage, folder, "a", b"1")
    with pytest.raises((FileExists, NotAFolder)):
        await storage.make_folder(folder, "a", exist_ok=True)


async def test_files_and_folders_are_moved_and_nothing_is_replaced(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "a", b"1")
    await put(storage, folder, "sub/b", b"2")
    await storage.move(folder, "a", "new/place/c")
    assert await get(storage, folder, "new/place/c") == b"1"
    await storage.move(folder, "sub", "new/sub")
    assert await get(storage, folder, "new/sub/b") == b"2"
    for target in ("new/sub/b", "new/sub"):
        with pytest.raises(FileExists):
            await storage.move(folder, "new/place/c", target)
    with pytest.raises(PathRefused):
        await storage.move(folder, "new", "new/sub/new")


async def test_deleting_removes_what_is_named_and_nothing_else(
    storage: StorageClient, folder: FolderRef
) -> None:
    for path in ("a", "b", "sub/deep/c", "sub/d"):
        await put(storage, folder, path, b"1")
    await storage.delete_files(folder, ["a", "sub/d"])
    await storage.delete_files(folder, ["sub", "b"], recursive=True)
    assert await names(storage, folder) == []


async def test_nothing_is_deleted_when_one_is_missing_or_a_folder(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "a", b"1")
    await storage.make_folder(folder, "sub")
    with pytest.raises(FileMissing):
        await storage.delete_files(folder, ["a", "nothing"])
    with pytest.raises(IsAFolder):
        await storage.delete_files(folder, ["a", "sub"])
    assert await names(storage, folder) == ["a", "sub"]


@pytest.mark.parametrize("path", [".", "", "./"])
async def test_virtual_folder_itself_is_neither_deleted_nor_moved(
    storage: StorageClient, folder: FolderRef, path: str
) -> None:
    for call in (
        storage.delete_files(folder, [path], recursive=True),
        storage.move(folder, path, "a"),
        storage.make_folder(folder, path, exist_ok=True),
        storage.begin_upload(folder, path, 1),
    ):
        with pytest.raises(PathRefused):
            await call
    assert await storage.folder_exists(folder)


@pytest.mark.parametrize("path", ESCAPES)
async def test_paths_that_lead_out_are_refused(
    storage: StorageClient, folder: FolderRef, path: str
) -> None:
    for call in (
        names(storage, folder, path),
        storage.stat(folder, path),
        get(storage, folder, path),
        storage.checksum(folder, path),
        storage.make_folder(folder, path),
        storage.move(folder, path, "b"),
        storage.move(folder, "b", path),
        storage.delete_files(folder, [path], recursive=True),
        storage.begin_upload(folder, path, 1),
        storage.mount_path(folder, path),
    ):
        with pytest.raises(PathRefused):
            await call


async def test_links_lead_nowhere(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    place = Path(await storage.mount_path(folder))
    (place / "out").symlink_to(outside)
    (place / "leak").symlink_to(outside / "secret")
    await put(storage, folder, "mine", b"1")
    for call in (
        names(storage, folder, "out"),
        get(storage, folder, "out/secret"),
        get(storage, folder, "leak"),
        put(storage, folder, "out/planted", b"1"),
        storage.make_folder(folder, "out/planted"),
        storage.move(folder, "mine", "out/mine"),
        storage.move(folder, "out/secret", "stolen"),
        storage.delete_files(folder, ["out/secret"]),
    ):
        with pytest.raises((PathRefused, FileMissing)):
            await call
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert await get(storage, folder, "mine") == b"1"


async def test_deleting_or_moving_a_link_never_touches_what_it_leads_to(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "precious/file", b"1")
    (Path(await storage.mount_path(folder)) / "link").symlink_to("precious")
    for call in (
        storage.delete_files(folder, ["link"], recursive=True),
        storage.move(folder, "link", "elsewhere"),
    ):
        try:
            await call
        except (PathRefused, FileMissing):
            continue
    assert await get(storage, folder, "precious/file") == b"1"


async def test_uploading_replaces_a_link_and_not_what_it_leads_to(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (Path(await storage.mount_path(folder)) / "link").symlink_to(tmp_path / "secret")
    await put(storage, folder, "link", b"new")
    assert (tmp_path / "secret").read_text() == "secret"
    assert (await storage.stat(folder, "link")).kind is EntryKind.FILE


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_hostile_names_go_in_and_out(
    storage: StorageClient, folder: FolderRef, name: str
) -> None:
    await put(storage, folder, f"sub/{name}", b"12")
    assert await names(storage, folder, "sub") == [f"sub/{name}"]
    assert await get(storage, folder, f"sub/{name}", 1) == b"2"
    await storage.move(folder, f"sub/{name}", name)
    await storage.delete_files(folder, [name])
    assert await names(storage, folder) == ["sub"]


@pytest.fixture
def nothing_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP, have all that is downloaded straight from the connection."""
    monkeypatch.setattr(wire, "_MUCH", 1)


@pytest.mark.parametrize("size", [0, 1, 2**18, 2**20 + 1, 5 * 2**20 + 3])
async def test_what_is_uploaded_is_read_byte_for_byte(
    storage: StorageClient, folder: FolderRef, size: int
) -> None:
    data = os.urandom(size)
    await put(storage, folder, "a/file", data)
    assert await get(storage, folder, "a/file") == data
    assert await storage.checksum(folder, "a/file") == sha256(data).hexdigest()


@pytest.mark.usefixtures("nothing_is_much")
@pytest.mark.parametrize("size", [1, 2**18 + 1, 5 * 2**20 + 3])
async def test_what_is_read_without_a_detour_is_the_same(
    storage: StorageClient, folder: FolderRef, size: int
) -> None:
    data = os.urandom(size)
    await put(storage, folder, "file", data)
    for offset in (0, size // 2, size - 1):
        assert await get(storage, folder, "file", offset) == data[offset:]


@pytest.mark.parametrize("offset", [0, 1, 2**20, 2**20 + 10])
async def test_reading_begins_anywhere(
    storage: StorageClient, folder: FolderRef, offset: int
) -> None:
    data = os.urandom(2**20 + 10)
    await put(storage, folder, "file", data)
    async with storage.read_file(folder, "file", offset=offset) as content:
        assert (content.size, content.offset) == (len(data), offset)
        assert b"".join([chunk async for chunk in content.chunks]) == data[offset:]


async def test_reading_beyond_the_end_is_refused(storage: StorageClient, folder: FolderRef) -> None:
    await put(storage, folder, "file", b"123")
    with pytest.raises(PathRefused):
        await get(storage, folder, "file", 4)


async def test_time_of_an_open_file_is_that_of_the_listing(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "file", b"123")
    entry = await storage.stat(folder, "file")
    for expected in (None, entry):
        async with storage.read_file(folder, "file", expected=expected) as content:
            assert content.modified is not None
            assert abs(content.modified - entry.modified) <= timedelta(seconds=1)
            assert b"".join([chunk async for chunk in content.chunks]) == b"123"


async def test_upload_that_was_given_up_is_removed_by_another_after_a_week(
    storage: StorageClient, folder: FolderRef
) -> None:
    uploads = Path(await storage.mount_path(folder)) / ".upload"
    sessions: dict[int, tuple[Path, UploadSession]] = {}
    for days in (8, 6):
        session = await storage.begin_upload(folder, f"{days} days", 3)
        (part,) = set(uploads.iterdir()) - {known for known, _ in sessions.values()}
        sessions[days] = part, session
    for days, (part, _) in sessions.items():
        os.utime(part, (0, time.time() - days * 86_400))
    (uploads / "what is this").touch()
    os.utime(uploads / "what is this", (0, 0))
    await put(storage, folder, "another", b"new")
    with pytest.raises(UploadGone):
        await storage.upload_offset(sessions[8][1])
    assert (uploads / "what is this").exists()
    await storage.write_file(sessions[6][1], 0, pieces(b"old"))
    assert await names(storage, folder) == ["6 days", "another"]


async def test_upload_goes_on_where_it_stopped(storage: StorageClient, folder: FolderRef) -> None:
    data = os.urandom(300_000)
    session = await storage.begin_upload(folder, "a/file", len(data))
    assert await storage.upload_offset(session) == 0
    offset = await put_some(storage, session, data[:100_000])
    assert 0 <= offset <= 100_000
    assert await names(storage, folder, "a") == []
    await storage.write_file(session, offset, pieces(data[offset:]))
    assert await get(storage, folder, "a/file") == data
    with pytest.raises(UploadGone):
        await storage.upload_offset(session)
    with pytest.raises(UploadGone):
        await storage.write_file(session, len(data), pieces(b""))


async def test_upload_cut_off_in_the_middle_goes_on(
    storage: StorageClient, folder: FolderRef
) -> None:
    data = os.urandom(3 * 2**20)

    async def cut() -> AsyncIterator[bytes]:
        yield data[: 2**20]
        yield data[2**20 : 2 * 2**20]
        raise ConnectionError("the source broke")

    session = await storage.begin_upload(folder, "file", len(data))
    with pytest.raises(ConnectionError):
        await storage.write_file(session, 0, cut())
    offset = await storage.upload_offset(session)
    assert await names(storage, folder) == []
    await storage.write_file(session, offset, pieces(data[offset:]))
    assert await get(storage, folder, "file") == data


@pytest.mark.parametrize("data", [b"123456", b"1234", b"12", b""])
async def test_other_than_announced_is_never_seen(
    storage: StorageClient, folder: FolderRef, data: bytes
) -> None:
    session = await storage.begin_upload(folder, "file", 3)
    with pytest.raises(UploadClash):
        await storage.write_file(session, 0, pieces(data))
    with pytest.raises(FileMissing):
        await storage.stat(folder, "file")
    await storage.abort_upload(session)


async def test_uploaded_file_takes_the_place_of_the_old_one_at_once(
    storage: StorageClient, folder: FolderRef
) -> None:
    await put(storage, folder, "file", b"old and longer")
    session = await storage.begin_upload(folder, "file", 3)
    offset = await put_some(storage, session, b"ne")
    assert await get(storage, folder, "file") == b"old and longer"
    await storage.write_file(session, offset, pieces(b"new"[offset:]))
    assert await get(storage, folder, "file") == b"new"


async def test_aborted_upload_leaves_nothing(storage: StorageClient, folder: FolderRef) -> None:
    session = await storage.begin_upload(folder, "file", 10)
    await put_some(storage, session, b"12345")
    await storage.abort_upload(session)
    await storage.abort_upload(session)
    assert await names(storage, folder) == []
    assert [*Path(await storage.mount_path(folder)).glob(".upload/*")] == []
