"""What moving many files keeps, on any storage.

A test module imports everything from here and provides ``storage``, ``volume`` and ``folder``.
"""

# ruff: noqa: ASYNC240 - the files are small
from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bai_manager.clients.storage_proxy.download import download, read_stream
from bai_manager.clients.storage_proxy.errors import (
    FileMissing,
    FolderMissing,
    LocalFailure,
    TransferBusy,
)
from bai_manager.clients.storage_proxy.transfer import FileResult, Outcome, TransferOptions
from bai_manager.clients.storage_proxy.upload import upload, upload_stream
from tests.storage.helpers import (
    HOSTILE_NAMES,
    get,
    make_tree,
    names,
    new_folder,
    pieces,
    put,
    read_tree,
)

if TYPE_CHECKING:
    from bai_manager.clients.storage_proxy.protocol import FolderRef, StorageClient, UploadSession

MiB = 2**20


@dataclass
class Told:
    """Everything an observer hears."""

    sizes: int = 0
    bytes: int = 0
    results: dict[str, FileResult] = field(default_factory=dict)

    def found(self, size: int) -> None:
        self.sizes += size

    def moved(self, size: int) -> None:
        self.bytes += size

    def finished(self, result: FileResult) -> None:
        self.results[result.path] = result

    def outcomes(self) -> dict[str, str]:
        return {path: result.outcome.value for path, result in sorted(self.results.items())}


class StopAfter(Told):
    """Cancels the transfer when so many bytes have moved."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self.task: asyncio.Task[object] | None = None

    def moved(self, size: int) -> None:
        super().moved(size)
        if self.bytes >= self._limit and self.task is not None:
            self.task.cancel()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    files = {
        "a.txt": b"one",
        "sub/b.bin": os.urandom(3 * MiB + 5),
        "sub/deep/c": b"",
        "x.log": b"l",
    }
    top = make_tree(tmp_path / "source", files)
    (top / "void").mkdir()
    return top


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


async def test_folder_goes_up_and_down_byte_for_byte(
    storage: StorageClient, folder: FolderRef, source: Path, tmp_path: Path
) -> None:
    told = Told()
    summary = await upload(storage, folder, source, "data", observer=told)
    assert (summary.transferred, summary.failed) == (4, 0)
    assert summary.size == told.sizes == told.bytes == 3 * MiB + 5 + 4
    assert "data/void" in await names(storage, folder, "data")
    summary = await download(storage, folder, "data", tmp_path / "back", observer=Told())
    assert summary.transferred == 4
    assert read_tree(tmp_path / "back") == read_tree(source)
    assert (tmp_path / "back" / "void").is_dir()


async def test_transfers_are_the_same_where_the_disk_does_not_keep_up(
    storage: StorageClient,
    folder: FolderRef,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for what in ("READ", "WRITE"):
        monkeypatch.setattr(f"bai_manager.clients.storage_proxy.blocks._LONG_{what}", -1)
    await upload(storage, folder, source, "data")
    summary = await download(storage, folder, "data", tmp_path / "back")
    assert summary.transferred == 4
    assert read_tree(tmp_path / "back") == read_tree(source)


async def test_single_file_goes_where_it_is_said(
    storage: StorageClient, folder: FolderRef, source: Path, tmp_path: Path
) -> None:
    await upload(storage, folder, source / "a.txt", "new/name")
    assert await get(storage, folder, "new/name") == b"one"
    await download(storage, folder, "new/name", tmp_path / "made" / "here")
    assert (tmp_path / "made" / "here").read_bytes() == b"one"


async def test_downloaded_file_has_the_time_it_has_in_the_folder(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    await put(storage, folder, "file", b"1")
    await download(storage, folder, "file", tmp_path / "file")
    modified = (await storage.stat(folder, "file")).modified.timestamp()
    assert (tmp_path / "file").stat().st_mtime == pytest.approx(modified, abs=1e-6)


async def test_what_is_there_already_is_not_downloaded_again(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    await put(storage, folder, "same", b"1")
    await put(storage, folder, "other", b"1")
    await download(storage, folder, ".", tmp_path / "back")
    await put(storage, folder, "other", b"22")
    told = Told()
    await download(storage, folder, ".", tmp_path / "back", observer=told)
    assert told.outcomes() == {"other": "transferred", "same": "unchanged"}
    assert read_tree(tmp_path / "back") == {"same": b"1", "other": b"22"}


async def test_patterns_say_what_is_taken(
    storage: StorageClient, folder: FolderRef, source: Path, tmp_path: Path
) -> None:
    options = TransferOptions(include=["*.txt", "sub/**"], exclude=["deep/"])
    await upload(storage, folder, source, ".", options=options)
    wanted = ["a.txt", "sub", "sub/b.bin"]
    assert await names(storage, folder, recursive=True) == wanted
    await upload(storage, folder, source, "all")
    told = Told()
    await download(storage, folder, "all", tmp_path / "back", options=options, observer=told)
    assert [*told.outcomes()] == ["a.txt", "sub/b.bin"]


async def test_links_and_pipes_are_skipped_both_ways(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    top = make_tree(tmp_path / "source", {"file": b"1"})
    (top / "link").symlink_to("file")
    (top / "loop").symlink_to(".")
    os.mkfifo(top / "pipe")
    wanted = {"file": "transferred", "link": "skipped", "loop": "skipped", "pipe": "skipped"}
    told = Told()
    await upload(storage, folder, top, ".", observer=told)
    assert told.outcomes() == wanted
    place = Path(await storage.mount_path(folder))
    (place / "link").symlink_to("file")
    (place / "loop").symlink_to(".")
    os.mkfifo(place / "pipe")
    told = Told()
    await download(storage, folder, ".", tmp_path / "back", observer=told)
    assert told.outcomes() == wanted


async def test_file_that_cannot_be_sent_is_its_own_failure(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    top = make_tree(tmp_path / "source", {"good": b"1", "bad": b"2"})
    await storage.make_folder(folder, "bad")
    told = Told()
    summary = await upload(storage, folder, top, ".", observer=told)
    assert (summary.transferred, summary.failed) == (1, 1)
    error = told.results["bad"].error
    assert error is not None
    assert "is a folder" in error.message
    assert await names(storage, folder, recursive=True) == ["bad", "good"]


async def test_file_that_cannot_be_written_here_is_its_own_failure(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    await put(storage, folder, "good", b"1")
    await put(storage, folder, "bad", b"2")
    (tmp_path / "back" / "bad" / "in the way").mkdir(parents=True)
    told = Told()
    summary = await download(storage, folder, ".", tmp_path / "back", observer=told)
    assert (summary.transferred, summary.failed) == (1, 1)
    assert told.outcomes() == {"bad": "failed", "good": "transferred"}


async def test_nothing_is_replaced_when_so_asked(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    options = TransferOptions(replace=False)
    top = make_tree(tmp_path / "source", {"file": b"new", "sub/more": b"more"})
    await put(storage, folder, "file", b"old")
    told = Told()
    await upload(storage, folder, top, ".", options=options, observer=told)
    assert told.outcomes() == {"file": "failed", "sub/more": "transferred"}
    assert await get(storage, folder, "file") == b"old"
    told = Told()
    await download(storage, folder, ".", top, options=options, observer=told)
    assert told.outcomes()["file"] == "failed"
    assert (top / "file").read_bytes() == b"new"


async def test_verified_files_tell_their_checksum(
    storage: StorageClient, folder: FolderRef, source: Path, tmp_path: Path
) -> None:
    options = TransferOptions(verify=True)
    wanted = sha256((source / "sub" / "b.bin").read_bytes()).hexdigest()
    told = Told()
    await upload(storage, folder, source, ".", options=options, observer=told)
    assert told.results["sub/b.bin"].checksum == wanted
    told = Told()
    await download(storage, folder, ".", tmp_path / "back", options=options, observer=told)
    assert told.results["sub/b.bin"].checksum == wanted


async def test_hostile_names_go_up_and_down(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    top = make_tree(tmp_path / "source", {name: name.encode() for name in HOSTILE_NAMES})
    summary = await upload(storage, folder, top, ".")
    assert (summary.transferred, summary.failed) == (len(HOSTILE_NAMES), 0)
    await download(storage, folder, ".", tmp_path / "back")
    assert read_tree(tmp_path / "back") == read_tree(top)


async def test_longest_names_can_be_downloaded(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    await put(storage, folder, "n" * 255, b"1")
    await download(storage, folder, ".", tmp_path / "back")
    assert read_tree(tmp_path / "back") == {"n" * 255: b"1"}


async def test_stopped_upload_goes_on_and_sends_nothing_twice(
    storage: StorageClient, folder: FolderRef, tmp_path: Path, journal: Path
) -> None:
    files = {f"{number}": os.urandom(4 * MiB) for number in range(4)}
    top = make_tree(tmp_path / "source", files)
    options = TransferOptions(in_flight=2)
    stopping = StopAfter(6 * MiB)
    stopping.task = asyncio.ensure_future(
        upload(
            storage,
            folder,
            top,
            ".",
            options=options,
            observer=stopping,
            journal_folder=journal,
        )
    )
    with pytest.raises(asyncio.CancelledError):
        await stopping.task
    for path in await names(storage, folder):
        assert await get(storage, folder, path) == files[path]
    told = Told()
    summary = await upload(
        storage, folder, top, ".", options=options, observer=told, journal_folder=journal
    )
    assert summary.failed == 0
    assert summary.unchanged == len(stopping.results)
    assert told.bytes == 16 * MiB
    assert {path: await get(storage, folder, path) for path in files} == files
    assert [*journal.iterdir()] == []
    assert [*Path(await storage.mount_path(folder)).glob(".upload/*")] == []


async def test_stopped_upload_goes_on_in_the_middle_of_a_file(
    storage: StorageClient, folder: FolderRef, tmp_path: Path, journal: Path
) -> None:
    top = make_tree(tmp_path / "source", {"big": os.urandom(32 * MiB)})
    stopping = StopAfter(4 * MiB)
    stopping.task = asyncio.ensure_future(
        upload(storage, folder, top / "big", "big", observer=stopping, journal_folder=journal)
    )
    with pytest.raises(asyncio.CancelledError):
        await stopping.task
    assert await names(storage, folder) == []
    (part,) = (Path(await storage.mount_path(folder)) / ".upload").iterdir()
    inode = part.stat().st_ino
    await upload(storage, folder, top / "big", "big", journal_folder=journal)
    place = Path(await storage.mount_path(folder)) / "big"
    assert place.stat().st_ino == inode
    assert place.read_bytes() == (top / "big").read_bytes()


async def test_upload_stopped_while_it_is_announced_leaves_nothing_that_nobody_knows_of(
    storage: StorageClient,
    folder: FolderRef,
    tmp_path: Path,
    journal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    top = make_tree(tmp_path / "source", {"file": b"1"})
    begin, announced = storage.begin_upload, asyncio.Event()

    async def slow(*given: Any) -> UploadSession:
        session = await begin(*given)
        announced.set()
        await asyncio.sleep(0.05)
        return session

    with monkeypatch.context() as patched:
        patched.setattr(storage, "begin_upload", slow)
        sending = asyncio.ensure_future(
            upload(storage, folder, top / "file", "file", journal_folder=journal)
        )
        await announced.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    await upload(storage, folder, top / "file", "file", journal_folder=journal)
    assert await get(storage, folder, "file") == b"1"
    assert [*Path(await storage.mount_path(folder)).glob(".upload/*")] == []


async def test_file_that_changed_since_is_begun_anew(
    storage: StorageClient, folder: FolderRef, tmp_path: Path, journal: Path
) -> None:
    top = make_tree(tmp_path / "source", {"big": os.urandom(32 * MiB)})
    stopping = StopAfter(4 * MiB)
    stopping.task = asyncio.ensure_future(
        upload(storage, folder, top / "big", "big", observer=stopping, journal_folder=journal)
    )
    with suppress(asyncio.CancelledError):
        await stopping.task
    (top / "big").write_bytes(b"short now")
    await upload(storage, folder, top / "big", "big", journal_folder=journal)
    assert await get(storage, folder, "big") == b"short now"


async def test_upload_after_a_complete_one_sends_everything(
    storage: StorageClient, folder: FolderRef, source: Path, journal: Path
) -> None:
    for _ in range(2):
        summary = await upload(storage, folder, source, ".", journal_folder=journal)
        assert summary.transferred == 4


async def test_two_runs_of_one_upload_do_not_meet(
    storage: StorageClient, folder: FolderRef, source: Path, journal: Path
) -> None:
    waiting, going_on = asyncio.Event(), asyncio.Event()

    class Held(Told):
        def found(self, size: int) -> None:
            super().found(size)
            waiting.set()

    async def slowly() -> None:
        await upload(storage, folder, source, ".", observer=Held(), journal_folder=journal)
        going_on.set()

    first = asyncio.ensure_future(slowly())
    await waiting.wait()
    assert not going_on.is_set()
    with pytest.raises(TransferBusy):
        await upload(storage, folder, source, ".", journal_folder=journal)
    await first


async def test_stopped_download_goes_on_from_its_part(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    data = os.urandom(8 * MiB)
    await put(storage, folder, "big", data)
    stopping = StopAfter(4 * MiB)
    stopping.task = asyncio.ensure_future(
        download(storage, folder, ".", tmp_path / "back", observer=stopping)
    )
    with pytest.raises(asyncio.CancelledError):
        await stopping.task
    (part,) = (tmp_path / "back").iterdir()
    assert part.name.startswith("big.")
    assert part.name.endswith(".part")
    kept = part.read_bytes()
    assert 0 < len(kept) < len(data)
    assert data.startswith(kept)
    inode = part.stat().st_ino
    await download(storage, folder, ".", tmp_path / "back")
    assert read_tree(tmp_path / "back") == {"big": data}
    assert (tmp_path / "back" / "big").stat().st_ino == inode


async def test_part_of_another_version_is_not_gone_on_from(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    await put(storage, folder, "big", os.urandom(8 * MiB))
    stopping = StopAfter(4 * MiB)
    stopping.task = asyncio.ensure_future(
        download(storage, folder, "big", tmp_path / "big", observer=stopping)
    )
    with suppress(asyncio.CancelledError):
        await stopping.task
    data = os.urandom(8 * MiB)
    await put(storage, folder, "big", data)
    await download(storage, folder, "big", tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == data


async def test_source_that_is_not_there_is_said_to_be_missing(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    with pytest.raises(LocalFailure):
        await upload(storage, folder, tmp_path / "nothing", ".")
    with pytest.raises(FileMissing):
        await download(storage, folder, "nothing", tmp_path / "x")


async def test_missing_folder_ends_the_transfer(
    storage: StorageClient, volume: str, source: Path
) -> None:
    with pytest.raises(FolderMissing):
        await upload(storage, new_folder(volume), source / "a.txt", "a")


async def test_stream_of_unknown_length_is_stored(
    storage: StorageClient, folder: FolderRef, tmp_path: Path
) -> None:
    data = os.urandom(2 * MiB)
    result = await upload_stream(storage, folder, pieces(data), "out/file", spool=tmp_path)
    assert (result.outcome, result.size) == (Outcome.TRANSFERRED, len(data))
    stream = read_stream(storage, folder, "out/file")
    assert b"".join([chunk async for chunk in stream]) == data
    assert [*tmp_path.glob("tmp*")] == []


async def test_rehearsal_tells_what_would_be_moved_and_moves_nothing(
    storage: StorageClient, folder: FolderRef, source: Path, tmp_path: Path
) -> None:
    await put(storage, folder, "here", b"1")
    options = TransferOptions(rehearse=True, exclude=["*.log"])
    told = Told()
    await upload(storage, folder, source, "data", options=options, observer=told)
    wanted = dict.fromkeys(["a.txt", "sub/b.bin", "sub/deep/c"], "transferred")
    assert told.outcomes() == wanted
    assert await names(storage, folder, recursive=True) == ["here"]
    told = Told()
    await download(storage, folder, ".", tmp_path / "back", options=options, observer=told)
    assert told.outcomes() == {"here": "transferred"}
    assert not (tmp_path / "back").exists()
