"""A storage proxy that fails: a clear error in time, nothing half-visible, and on it goes."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bai_manager.clients.storage_proxy import transfer, wire
from bai_manager.clients.storage_proxy.download import download, read_stream
from bai_manager.clients.storage_proxy.errors import (
    FileMissing,
    ListingCut,
    QuotaExceeded,
    StorageFull,
    StorageTaskFailed,
    StorageTaskUnfinished,
    StorageTokenRefused,
    StorageUnreachable,
    UnexpectedStorageAnswer,
    UnsupportedByStorage,
    UploadClash,
    UploadExpired,
)
from bai_manager.clients.storage_proxy.protocol import TaskReport, TaskState
from bai_manager.clients.storage_proxy.transfer import TransferOptions
from bai_manager.clients.storage_proxy.upload import upload
from bai_manager.clients.storage_proxy.wire import Timeouts
from bai_manager.errors import BackendAIError
from tests.storage import faults
from tests.storage.faults import at
from tests.storage.helpers import get, make_tree, names, new_folder, pieces, put, read_tree
from tests.storage.proxies import fake_proxy, http_client
from tests.storage.transfers import Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from bai_manager.clients.storage_proxy.http import HttpStorageClient
    from bai_manager.clients.storage_proxy.protocol import FolderRef
    from bai_manager.types.json import JsonObject
    from tests.storage.fake_proxy import FakeProxy
    from tests.storage.fault_server import Exchange, FaultServer

    Act = Callable[[Exchange], Awaitable[None]]
    Case = tuple[str, Act, type[BackendAIError]]

MiB = 2**20
SHORT = Timeouts(connect=0.6, answer=0.6, stall=0.6, task=0.8, settle=0.02)
IN_TIME = 6.0
"""Seconds after which a test is hung: several of the longest of the limits above."""

ONCE = TransferOptions(attempts=1)
ENTRY = (
    b'{"name": "a", "type": "FILE", "symlink_target": "", "stat": {"mode": 33188, "size": 1,'
    b' "created": "2026-01-01T00:00:00+00:00", "modified": "2026-01-01T00:00:00+00:00"}}'
)


@dataclass
class Setting:
    proxy: FakeProxy
    server: FaultServer
    storage: HttpStorageClient
    folder: FolderRef
    place: Path

    def visible(self) -> dict[str, bytes]:
        return {
            name: data
            for name, data in read_tree(self.place).items()
            if not name.startswith(".upload/")
        }


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    for module in (transfer, wire):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.01)


@asynccontextmanager
async def set_up(top: Path) -> AsyncIterator[Setting]:
    async with (
        fake_proxy(top / "volumes", "volume1", listing_limit=50) as (proxy, server),
        http_client(server.url, timeouts=SHORT, listing_limit=50) as client,
    ):
        folder = new_folder("volume1")
        await client.create_folder(folder)
        place = proxy.root / (await client.mount_path(folder))
        yield Setting(proxy, server, client, folder, place)


@pytest_asyncio.fixture
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    async with set_up(tmp_path) as setting:
        yield setting


async def all_at_once(
    tmp_path: Path, cases: Sequence[Case], check: Callable[[Setting, Path, Case], Awaitable[None]]
) -> None:
    """Each case on a proxy of its own, together: most of the time they wait for a limit."""

    async def run(number: int, case: Case) -> None:
        top = tmp_path / f"{number}"
        try:
            async with set_up(top) as setting:
                await check(setting, top, case)
        except BaseException as error:
            error.add_note(f"{case[0]} {case[1]}")
            raise

    async with asyncio.TaskGroup() as tasks:
        for number, case in enumerate(cases):
            tasks.create_task(run(number, case))


@pytest.fixture
def data() -> bytes:
    return os.urandom(4 * MiB)


UPLOAD_FAULTS: list[Case] = [
    ("PATCH /upload", faults.reset, StorageUnreachable),
    ("PATCH /upload", faults.hang, StorageUnreachable),
    ("PATCH /upload", faults.take_and_never_answer, StorageUnreachable),
    ("PATCH /upload", faults.drip_the_head, StorageUnreachable),
    ("PATCH /upload", faults.refuse_token, UploadExpired),
    ("PATCH /upload", faults.say_no_space, StorageFull),
    ("PATCH /upload", faults.say_welcome, UnexpectedStorageAnswer),
    ("POST /folder/file/upload", faults.reset, StorageUnreachable),
    ("POST /folder/file/upload", faults.hang, StorageUnreachable),
    ("POST /folder/file/upload", faults.drip, StorageUnreachable),
    ("POST /folder/file/upload", faults.stumble, UnexpectedStorageAnswer),
    ("POST /folder/file/upload", faults.say_half_of_it, UnexpectedStorageAnswer),
    ("POST /folder/file/upload", faults.say_something_else, UnexpectedStorageAnswer),
]


async def test_upload_that_fails_says_so_and_is_completed_by_another(
    tmp_path: Path, data: bytes
) -> None:
    async def check(setting: Setting, top: Path, case: Case) -> None:
        where, act, error = case
        (top / "big").write_bytes(data)
        setting.server.faults.append(at(where, act))
        async with asyncio.timeout(IN_TIME):
            raised = await _upload_failure(setting, top)
        assert isinstance(raised, error)
        assert raised.hint
        assert setting.visible() == {}
        setting.server.faults.clear()
        await upload(setting.storage, setting.folder, top / "big", "big", journal_folder=top / "j")
        assert setting.visible() == {"big": data}

    await all_at_once(tmp_path, UPLOAD_FAULTS, check)


async def _upload_failure(setting: Setting, tmp_path: Path) -> BackendAIError:
    """What is raised, or is the result of the one file."""
    told = Told()
    try:
        await upload(
            setting.storage,
            setting.folder,
            tmp_path / "big",
            "big",
            options=ONCE,
            observer=told,
            journal_folder=tmp_path / "j",
        )
    except BackendAIError as error:
        return error
    error_of_file = told.results["big"].error
    assert error_of_file is not None
    return error_of_file


async def test_upload_goes_on_by_itself_after_a_reset(
    setting: Setting, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "big").write_bytes(data)
    setting.server.faults.append(at("PATCH /upload", faults.reset, times=2))
    told = Told()
    await upload(setting.storage, setting.folder, tmp_path / "big", "big", observer=told)
    assert setting.visible() == {"big": data}
    assert told.bytes == len(data)
    assert setting.server.asked.count("POST /folder/file/upload") == 1


async def test_expired_token_is_replaced_by_itself(
    setting: Setting, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "big").write_bytes(data)
    setting.server.faults.append(at("PATCH /upload", faults.refuse_token, times=1))
    await upload(setting.storage, setting.folder, tmp_path / "big", "big")
    assert setting.visible() == {"big": data}


async def test_token_that_expires_in_the_middle_is_told_even_without_an_answer(
    setting: Setting, data: bytes
) -> None:
    async def expire(exchange: Exchange) -> None:
        await faults.take_some(exchange)
        setting.proxy.tokens_expire = True
        exchange.reset()

    session = await setting.storage.begin_upload(setting.folder, "big", len(data))
    setting.server.faults.append(at("PATCH /upload", expire))
    with pytest.raises(UploadExpired):
        await setting.storage.write_file(session, 0, pieces(data))


@pytest.mark.parametrize(
    ("where", "act", "error"),
    [
        ("GET /folder/fs-usage", faults.be_full, StorageFull),
        ("GET /quota-scope", faults.be_at_the_limit, QuotaExceeded),
    ],
)
async def test_stumbling_of_a_full_storage_is_explained(
    setting: Setting,
    tmp_path: Path,
    data: bytes,
    where: str,
    act: Act,
    error: type[BackendAIError],
) -> None:
    """A storage proxy answers 500 without a word when it cannot write."""
    (tmp_path / "big").write_bytes(data)
    setting.server.faults += [at("PATCH /upload", faults.stumble), at(where, act)]
    assert isinstance(await _upload_failure(setting, tmp_path), error)
    assert setting.visible() == {}


async def test_full_storage_ends_the_transfer_of_all_files(
    setting: Setting, tmp_path: Path
) -> None:
    make_tree(tmp_path / "source", {f"{number}": b"x" for number in range(30)})
    setting.server.faults.append(at("PATCH /upload", faults.say_no_space))
    with pytest.raises(StorageFull):
        await upload(setting.storage, setting.folder, tmp_path / "source", ".", options=ONCE)
    assert setting.server.asked.count("PATCH /upload") <= 16


async def test_storage_that_gets_more_than_was_sent_is_noticed(setting: Setting) -> None:
    """What an interrupted upload left in its buffers is mixed in: the file is not kept."""
    session = await setting.storage.begin_upload(setting.folder, "file", 10)

    async def mix_in(exchange: Exchange) -> bool:
        if exchange.method == "PATCH":
            (part,) = setting.place.glob(".upload/*")
            part.write_bytes(b"other")
        return False

    setting.server.faults.append(mix_in)
    with pytest.raises(UploadClash):
        await setting.storage.write_file(session, 0, pieces(b"0123456789"))
    assert setting.visible() == {}


DOWNLOAD_FAULTS: list[Case] = [
    ("GET /download", faults.reset, StorageUnreachable),
    ("GET /download", faults.reset_in_the_middle_of_an_answer, BackendAIError),
    ("GET /download", faults.hang, StorageUnreachable),
    ("GET /download", faults.stumble, UnexpectedStorageAnswer),
    ("GET /download", faults.refuse_token, UnexpectedStorageAnswer),
    ("GET /download", faults.drip_the_head, StorageUnreachable),
    ("POST /folder/file/download", faults.reset, StorageUnreachable),
    ("POST /folder/file/download", faults.say_half_of_it, UnexpectedStorageAnswer),
    ("POST /folder/file/download", faults.drip, StorageUnreachable),
    ("POST /folder/file/list", faults.hang, StorageUnreachable),
    ("POST /folder/file/list", faults.say_half_of_it, UnexpectedStorageAnswer),
    ("POST /folder/file/list", faults.say_something_else, UnexpectedStorageAnswer),
    ("POST /folder/file/list", faults.say_welcome, UnexpectedStorageAnswer),
    ("POST /folder/file/list", faults.reset_in_the_middle_of_an_answer, StorageUnreachable),
]


async def test_download_that_fails_says_so_and_is_completed_by_another(
    tmp_path: Path, data: bytes
) -> None:
    async def check(setting: Setting, top: Path, case: Case) -> None:
        where, act, error = case
        await put(setting.storage, setting.folder, "big", data)
        setting.server.faults.append(at(where, act))
        async with asyncio.timeout(IN_TIME):
            raised = await _download_failure(setting, top)
        assert isinstance(raised, error)
        assert not (top / "back" / "big").exists()
        setting.server.faults.clear()
        await download(setting.storage, setting.folder, ".", top / "back")
        assert read_tree(top / "back") == {"big": data}

    await all_at_once(tmp_path, DOWNLOAD_FAULTS, check)


async def _download_failure(setting: Setting, tmp_path: Path) -> BackendAIError:
    told = Told()
    try:
        await download(
            setting.storage, setting.folder, ".", tmp_path / "back", options=ONCE, observer=told
        )
    except BackendAIError as error:
        return error
    (result,) = told.results.values()
    assert result.error is not None
    return result.error


@pytest.fixture(params=["parsed", "straight"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How downloads come: through httpcore, as little does, or without that, as much does."""
    if request.param == "straight":
        monkeypatch.setattr(wire, "_MUCH", 1)


@pytest.mark.usefixtures("way")
async def test_download_that_stops_halfway_keeps_what_came(tmp_path: Path, data: bytes) -> None:
    async def check(setting: Setting, top: Path, case: Case) -> None:
        act, big = case[1], top / "back" / "big"
        await put(setting.storage, setting.folder, "big", data)
        modified = (await setting.storage.stat(setting.folder, "big")).modified

        async def half(exchange: Exchange) -> None:
            when = modified.strftime("%a, %d %b %Y %H:%M:%S GMT")
            exchange.keep_alive = False
            await exchange.head(200, {"Content-Length": str(len(data)), "Last-Modified": when})
            exchange.writer.write(data[: 2 * MiB])
            await exchange.writer.drain()
            await asyncio.sleep(0.05)
            await act(exchange)

        setting.server.faults.append(at("GET /download", half, times=1))
        async with asyncio.timeout(IN_TIME):
            with pytest.raises(StorageUnreachable):
                await download(setting.storage, setting.folder, "big", big, options=ONCE)
        (part,) = (top / "back").iterdir()
        kept = part.read_bytes()
        assert len(kept) > MiB
        assert data.startswith(kept)
        await download(setting.storage, setting.folder, "big", big)
        assert big.read_bytes() == data

    async def drip_on(exchange: Exchange) -> None:
        for sent in range(2 * MiB, len(data)):
            exchange.writer.write(data[sent : sent + 1])
            await asyncio.sleep(0.05)

    endings = [faults.drop, faults.end, faults.hang, drip_on]
    await all_at_once(tmp_path, [("", act, StorageUnreachable) for act in endings], check)


@pytest.mark.usefixtures("way")
async def test_download_and_stream_go_on_by_themselves_after_a_break(
    setting: Setting, tmp_path: Path, data: bytes
) -> None:
    await put(setting.storage, setting.folder, "big", data)
    setting.server.faults.append(at("GET /download", faults.reset, times=2))
    await download(setting.storage, setting.folder, "big", tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == data
    setting.server.faults[:] = [at("GET /download", faults.reset, times=2)]
    stream = read_stream(setting.storage, setting.folder, "big")
    assert b"".join([chunk async for chunk in stream]) == data


REFUSED: list[Callable[[HttpStorageClient, FolderRef], Awaitable[object]]] = [
    lambda storage, folder: storage.volumes(),  # noqa: ARG005
    names,
    lambda storage, folder: storage.folder_exists(folder),
    lambda storage, folder: storage.begin_upload(folder, "a", 1),
    lambda storage, folder: get(storage, folder, "a"),
]


async def test_refused_connection_is_said_with_the_address(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with http_client(url, timeouts=SHORT) as client:
        folder = new_folder("volume1")
        raised = await asyncio.gather(
            *(call(client, folder) for call in REFUSED), return_exceptions=True
        )
    for error in raised:
        assert isinstance(error, StorageUnreachable)
        assert url in error.message
        assert "runs" in str(error.hint)


async def test_wrong_secret_is_a_matter_of_configuration(setting: Setting) -> None:
    async with http_client(setting.server.url, secret="other") as client:
        with pytest.raises(StorageTokenRefused) as raised:
            await client.volumes()
    assert "other" not in raised.value.message


async def test_question_is_repeated_after_a_break_but_a_change_is_not(setting: Setting) -> None:
    setting.server.faults.append(at("GET /volumes", faults.reset, times=2))
    assert await setting.storage.volumes()
    setting.server.faults.append(at("POST /folder/create", faults.reset, times=1))
    with pytest.raises(StorageUnreachable):
        await setting.storage.create_folder(new_folder("volume1"))


async def test_listing_as_long_as_the_most_that_is_told_is_an_error(setting: Setting) -> None:
    make_tree(setting.place, {f"many/{number}": b"" for number in range(51)})
    make_tree(setting.place, {"few/1": b"1"})
    listing = setting.storage.list_files(setting.folder, "many")
    for _ in range(50):
        assert (await anext(listing)).path.startswith("many/")
    with pytest.raises(ListingCut) as raised:
        await anext(listing)
    assert "scandir-limit" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b' { "items" : [ ] } ', 0),
        (b'{"more": 1, "items": []}', 0),
        (b'{"items": [' + b", ".join([ENTRY] * 3) + b"]}", 3),
        (b'{"items": [' + ENTRY + b"], ", None),
        (b'{"items": [' + ENTRY, None),
        (b'{"items": [' + ENTRY + b", 3]}", None),
        (b'{"items": ["\xff"]}', None),
    ],
)
async def test_listing_is_read_as_json_entry_by_entry(
    setting: Setting, said: bytes, told: int | None
) -> None:
    async def say(exchange: Exchange) -> None:
        async for _ in exchange.body():
            pass
        await exchange.answer(200, said, "application/json")

    setting.server.faults.append(at("POST /folder/file/list", say))
    if told is None:
        with pytest.raises(UnexpectedStorageAnswer):
            await names(setting.storage, setting.folder)
    else:
        assert len(await names(setting.storage, setting.folder)) == told


async def test_cut_folder_is_a_failure_beside_what_could_be_downloaded(
    setting: Setting, tmp_path: Path
) -> None:
    make_tree(setting.place, {f"many/{number}": b"" for number in range(51)})
    make_tree(setting.place, {"few/1": b"1"})
    told = Told()
    summary = await download(setting.storage, setting.folder, ".", tmp_path / "back", observer=told)
    assert (summary.transferred, summary.failed) == (51, 1)
    assert isinstance(told.results["many"].error, ListingCut)
    assert read_tree(tmp_path / "back")["few/1"] == b"1"


async def test_entry_beyond_the_cut_is_found(setting: Setting) -> None:
    make_tree(setting.place, {f"{number:03}": b"12" for number in range(60)})
    (setting.place / "sub").mkdir()
    listed = [path.name for path in setting.place.iterdir()]
    for name in [*listed[50:], "sub"]:
        entry = await setting.storage.stat(setting.folder, name)
        assert entry.kind == ("folder" if name == "sub" else "file")
        assert await setting.storage.folder_exists(setting.folder)
    await setting.storage.delete_files(setting.folder, listed[50:], recursive=True)
    assert len([*setting.place.iterdir()]) <= 51
    with pytest.raises(FileMissing):
        await setting.storage.delete_files(setting.folder, ["nothing"])


async def test_file_that_is_gone_by_the_time_it_is_fetched_is_an_error(
    setting: Setting, tmp_path: Path
) -> None:
    """A storage proxy sends an empty file instead."""
    make_tree(setting.place, {"a": b"1", "b": b"2"})

    async def remove(exchange: Exchange) -> bool:
        if exchange.path == "/folder/file/fetch":
            (setting.place / "a").unlink(missing_ok=True)
        return False

    setting.server.faults.append(remove)
    told = Told()
    await download(setting.storage, setting.folder, ".", tmp_path / "back", observer=told)
    assert told.outcomes()["a"] == "failed"
    assert not (tmp_path / "back" / "a").exists()


@pytest.mark.parametrize("name", ["..", "a/b", "/etc/passwd", "", "."])
async def test_names_that_would_lead_elsewhere_on_this_machine_are_not_believed(
    setting: Setting, tmp_path: Path, name: str
) -> None:
    status: JsonObject = {"mode": 0o100644, "size": 1, "modified": "2026-01-01T00:00:00+00:00"}

    async def lie(exchange: Exchange) -> None:
        async for _ in exchange.body():
            pass
        await exchange.say({"items": [{"name": name, "type": "FILE", "stat": status}]})

    setting.server.faults.append(at("POST /folder/file/list", lie))
    with pytest.raises(UnexpectedStorageAnswer):
        await names(setting.storage, setting.folder)
    with pytest.raises(UnexpectedStorageAnswer):
        await download(setting.storage, setting.folder, ".", tmp_path / "back")
    assert not (tmp_path / "back").exists()


async def test_names_that_are_no_text_are_listed_but_refused_otherwise(setting: Setting) -> None:
    name = os.fsdecode(b"\xff\xfe")
    (setting.place / name).touch()
    assert await names(setting.storage, setting.folder) == [name]
    for call in (
        get(setting.storage, setting.folder, name),
        put(setting.storage, setting.folder, name, b""),
    ):
        with pytest.raises(BackendAIError, match="UTF-8"):
            await call


async def test_clone_that_fails_is_noticed_from_the_files(setting: Setting) -> None:
    """A storage proxy removes what it could not finish."""
    target = new_folder("volume1")

    async def fail(exchange: Exchange) -> None:
        place = setting.proxy.place({"volume": "volume1", "vfid": str(target.id)})
        place.mkdir(parents=True)
        setting.proxy.background(place.rmdir)
        async for _ in exchange.body():
            pass
        await exchange.say({"bgtask_id": "x"})

    make_tree(setting.place, {"a": b"1"})
    setting.server.faults.append(at("POST /folder/clone", fail))
    with pytest.raises(StorageTaskFailed):
        await setting.storage.clone_folder(setting.folder, target, timeout=2)


async def test_clone_that_never_begins_is_noticed(setting: Setting) -> None:
    async def forget(exchange: Exchange) -> None:
        async for _ in exchange.body():
            pass
        await exchange.say({"bgtask_id": "x"})

    setting.server.faults.append(at("POST /folder/clone", forget))
    with pytest.raises(StorageTaskFailed, match="never began"):
        await setting.storage.clone_folder(setting.folder, new_folder("volume1"), timeout=2)


async def test_removal_that_never_ends_is_given_up_waiting_for(setting: Setting) -> None:
    async def forget(exchange: Exchange) -> None:
        async for _ in exchange.body():
            pass
        await exchange.say({"bgtask_id": "x"}, 202)

    setting.server.faults.append(at("POST /folder/delete", forget))
    with pytest.raises(StorageTaskUnfinished):
        await setting.storage.delete_folder(setting.folder, timeout=0.1)
    setting.server.faults.clear()
    await setting.storage.delete_folder(setting.folder)
    assert not setting.place.exists()


async def test_clone_between_volumes_is_refused_with_a_way_out(setting: Setting) -> None:
    (setting.proxy.root / "volume2").mkdir()
    with pytest.raises(UnsupportedByStorage) as raised:
        await setting.storage.clone_folder(setting.folder, new_folder("volume2"))
    assert "ownload" in str(raised.value.hint)


async def test_watched_task_tells_its_failure(setting: Setting) -> None:
    async def watch(_: str) -> TaskReport:
        return TaskReport(state=TaskState.FAILURE, message="disk on fire")

    setting.storage._watch = watch
    with pytest.raises(StorageTaskFailed, match="disk on fire"):
        await setting.storage.clone_folder(setting.folder, new_folder("volume1"), timeout=2)


async def test_upload_that_can_be_gone_on_with_and_what_a_link_leads_to_are_not_removed(
    setting: Setting,
) -> None:
    elsewhere, uploads = setting.place / "elsewhere", setting.place / ".upload"
    elsewhere.mkdir()
    old = elsewhere / ("a" * 32)
    old.touch()
    long_ago = time.time() - 20 * 86_400
    os.utime(old, (long_ago, long_ago))
    uploads.symlink_to(elsewhere)
    await put(setting.storage, setting.folder, "a", b"1")
    assert old.exists()
    uploads.unlink(missing_ok=True)
    elsewhere.rename(uploads)
    for days, stays in ((30, True), (1, False)):
        setting.proxy.session_expire = days * 86_400
        async with http_client(setting.server.url) as client:
            await put(client, setting.folder, "a", b"1")
        assert (uploads / old.name).exists() is stays
