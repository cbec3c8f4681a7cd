"""Files of a kernel: nothing outside of its work folder can be reached."""

from __future__ import annotations

import ctypes
import io
import os
import tarfile
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bai_manager.clients.agent.errors import AgentError, KernelNotOnAgent
from bai_manager.clients.agent.local import files
from bai_manager.clients.agent.local.files import FileRefused, WorkTree
from bai_manager.clients.agent.local.spec import Mount
from bai_manager.clients.agent.protocol import MountSpec
from tests.agent.kernels import KernelUnderTest, create, make_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bai_manager.clients.agent.local.client import LocalAgentClient


AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder beside a secret that must not be reached."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def tree(work: Path) -> WorkTree:
    return WorkTree(str(work), ())


ACTS: dict[str, Callable[[WorkTree, str], object]] = {
    "list": lambda tree, path: tree.list(path),
    "read": lambda tree, path: tree.read(path),
    "write": lambda tree, path: tree.write(path, b"spoiled"),
    "archive": lambda tree, path: tree.archive(path),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "/home/work/../../etc/passwd",
        "/home/workshop",
        "link/secret",
        "a\0b",
    ],
)
def test_paths_that_lead_out_are_refused(tree: WorkTree, work: Path, act: str, path: str) -> None:
    (work / "link").symlink_to("../outside")
    with pytest.raises(FileRefused):
        ACTS[act](tree, path)
    assert (work.parent / "secret").read_text() == "secret"
    assert (work.parent / "outside" / "secret").read_text() == "secret"


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "file", "link"])
def test_link_itself_is_neither_read_nor_written_through(
    tree: WorkTree, work: Path, target: str
) -> None:
    (work / "file").write_text("file")
    (work / "link").symlink_to(target)
    with pytest.raises(FileRefused) as refused:
        tree.read("link")
    assert refused.value.name == "PermissionError"
    tree.write("link", b"new")
    assert not (work / "link").is_symlink()
    assert (work.parent / "secret").read_text() == "secret"
    assert (work / "file").read_text() == "file"


def test_folder_exchanged_for_a_link_meanwhile_leads_nowhere(tree: WorkTree, work: Path) -> None:
    """Folder and link change names as fast as possible, while files below are used."""
    (work / "folder").mkdir()
    (work / "folder" / "secret").write_text("harmless")
    (work / "link").symlink_to("../outside")
    done = threading.Event()

    def exchange() -> None:
        rename = ctypes.CDLL(None).renameat2
        names = os.fsencode(work / "folder"), os.fsencode(work / "link")
        while not done.is_set():
            assert rename(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0

    exchanger = threading.Thread(target=exchange)
    exchanger.start()
    seen = Counter[object]()
    try:
        while not (seen[b"harmless"] > 100 and seen["refused"] > 100):
            try:
                seen[tree.read("folder/secret")] += 1
                tree.write("folder/new", b"x")
            except FileRefused:
                seen["refused"] += 1
    finally:
        done.set()
        exchanger.join()
    assert b"secret" not in seen
    assert not (work.parent / "outside" / "new").exists()


def test_written_file_is_complete_or_not_there(tree: WorkTree, work: Path) -> None:
    tree.write("a/b/file", b"one")
    tree.write("a/b/file", b"two")
    assert (work / "a" / "b" / "file").read_bytes() == b"two"
    assert [path.name for path in (work / "a" / "b").iterdir()] == ["file"]


def test_failed_write_leaves_nothing(tree: WorkTree, work: Path) -> None:
    (work / "folder").mkdir()
    with pytest.raises(FileRefused) as refused:
        tree.write("folder", b"x")
    assert refused.value.name == "IsADirectoryError"
    assert [path.name for path in work.iterdir()] == ["folder"]


@pytest.mark.parametrize("path", ["", ".", "/home/work", "/home/work/", "./"])
def test_work_folder_itself_has_many_names(tree: WorkTree, work: Path, path: str) -> None:
    (work / "file").touch()
    assert [entry.filename for entry in tree.list(path)] == ["file"]
    with pytest.raises(FileRefused):
        tree.write(path, b"")


def test_listing_tells_what_entries_are(tree: WorkTree, work: Path) -> None:
    (work / "folder").mkdir(mode=0o750)
    (work / "file").write_text("123")
    (work / "file").chmod(0o640)
    (work / "link").symlink_to("/etc/passwd")
    modes = {
        entry.filename: (entry.mode, entry.mtime.tzinfo is not None) for entry in tree.list("")
    }
    assert modes == {
        "folder": ("drwxr-x---", True),
        "file": ("-rw-r-----", True),
        "link": ("lrwxrwxrwx", True),
    }


@pytest.mark.parametrize(
    "name",
    [
        "-rf",
        "a b",
        "new\nline",
        "\x1b[31mred",
        "ü",
        "*",
        "'",
        b"\xff\xfe".decode("utf-8", "surrogateescape"),
    ],
)
def test_hostile_names_go_in_and_out(tree: WorkTree, name: str) -> None:
    tree.write(name, b"x")
    assert [entry.filename for entry in tree.list("")] == [name]
    assert tree.read(name) == b"x"
    with tarfile.open(fileobj=io.BytesIO(tree.archive(name))) as archive:
        assert archive.getnames() == [name]


def test_pipe_is_refused_and_does_not_hang(tree: WorkTree, work: Path) -> None:
    os.mkfifo(work / "pipe")
    with pytest.raises(FileRefused, match="no regular file"):
        tree.read("pipe")
    with tarfile.open(fileobj=io.BytesIO(tree.archive(""))) as archive:
        assert archive.getnames() == ["work"]


def test_folder_is_no_file_and_file_is_no_folder(tree: WorkTree, work: Path) -> None:
    (work / "folder").mkdir()
    (work / "file").touch()
    with pytest.raises(FileRefused, match="is a folder"):
        tree.read("folder")
    with pytest.raises(FileRefused, match="is no folder"):
        tree.list("file")


def test_links_are_packed_as_links(tree: WorkTree, work: Path) -> None:
    (work / "folder").mkdir()
    (work / "folder" / "link").symlink_to("/etc/passwd")
    with tarfile.open(fileobj=io.BytesIO(tree.archive("folder"))) as archive:
        (member,) = [member for member in archive if member.name == "folder/link"]
        assert (member.issym(), member.linkname) == (True, "/etc/passwd")


def test_too_much_is_refused(tree: WorkTree, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SIZE_LIMIT", 10)
    (work / "a").write_bytes(b"x" * 6)
    (work / "b").write_bytes(b"x" * 6)
    assert len(tree.read("a")) == 6
    with pytest.raises(FileRefused, match="at most 10"):
        tree.archive("")
    with pytest.raises(FileRefused, match="at most 10"):
        tree.write("c", b"x" * 11)
    with (work / "sparse").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(FileRefused, match="at most 10"):
        tree.read("sparse")


def test_very_deep_folders_are_refused(tree: WorkTree, work: Path) -> None:
    deep = work
    for _ in range(150):
        deep = deep / "d"
        deep.mkdir()
    with pytest.raises(FileRefused, match="too deep"):
        tree.archive("")


def test_mounts_are_walked_from_their_host_path(work: Path) -> None:
    """Also when code of the session has put something else where the link was."""
    outside = work.parent / "outside"
    (outside / "in").mkdir()
    (outside / "in" / "file").write_text("folder")
    (outside / "escape").symlink_to("..")
    tree = WorkTree(str(work), [Mount(target="sub/vf", host_path=str(outside), read_only=False)])
    (work / "sub").mkdir()
    (work / "sub" / "vf").symlink_to("/etc")
    assert tree.list("sub")[0].mode[0] == "d"
    assert tree.read("/home/work/sub/vf/in/file") == b"folder"
    tree.write("sub/vf/in/new", b"new")
    assert (outside / "in" / "new").read_bytes() == b"new"
    with pytest.raises(FileRefused):
        tree.read("sub/vf/escape/secret")
    with tarfile.open(fileobj=io.BytesIO(tree.archive("sub"))) as archive:
        assert "sub/vf/in/file" in archive.getnames()


def mount(path: Path, kernel_path: str, mount_perm: str = "rw") -> MountSpec:
    return MountSpec(
        name=path.name,
        vfid="",
        vfsubpath=".",
        host_path=str(path),
        kernel_path=kernel_path,
        mount_perm=mount_perm,
    )


@pytest_asyncio.fixture
async def mounted(agent: LocalAgentClient, tmp_path: Path) -> KernelUnderTest:
    for name in ("data", "models", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "models" / "weights").write_text("heavy")
    config = make_config(
        mounts=(
            mount(tmp_path / "data", "/home/work/data"),
            mount(tmp_path / "models", "/home/work/deep/models", "ro"),
            mount(tmp_path / "elsewhere", "/home/linuxbrew/.linuxbrew"),
        )
    )
    await create(agent, config)
    return KernelUnderTest(agent, config)


async def test_mounts_appear_in_the_work_folder(mounted: KernelUnderTest, tmp_path: Path) -> None:
    assert (await mounted.shell("cat deep/models/weights; echo new > data/new"))[0] == "heavy"
    assert (tmp_path / "data" / "new").read_text() == "new\n"
    assert "elsewhere is not mounted" in await mounted.agent.get_logs(mounted.id)


async def test_read_only_mounts_take_no_uploads(mounted: KernelUnderTest) -> None:
    with pytest.raises(AgentError, match="read-only"):
        await mounted.agent.upload_file(mounted.id, "deep/models/new", b"")
    await mounted.agent.upload_file(mounted.id, "data/new", b"x")
    assert await mounted.agent.download_single(mounted.id, "deep/models/weights") == b"heavy"


async def test_a_commit_packs_the_work_folder_without_what_is_mounted(
    mounted: KernelUnderTest,
) -> None:
    await mounted.agent.upload_file(mounted.id, "deep/own.txt", b"own")
    started = await mounted.agent.commit(mounted.id, "user@example.com", filename="kept.tar.gz")
    assert started.path is not None
    assert started.path.endswith("/.commits/user@example.com/kept.tar.gz")
    with tarfile.open(started.path) as packed:
        assert set(packed.getnames()) == {"work", "work/deep", "work/deep/own.txt"}
    assert await mounted.agent.commit_status(mounted.id, "user@example.com") == "ready"
    assert [report.kernel_id for report in await mounted.agent.kernel_reports()] == [mounted.id]
    for name in ("../up", "a/b", ".."):
        with pytest.raises(AgentError, match="no name of a file"):
            await mounted.agent.commit(mounted.id, "user@example.com", filename=name)
    with pytest.raises(AgentError, match="no image"):
        await mounted.agent.commit(mounted.id, "user@example.com", canonical="a/b:c")


async def test_destroying_leaves_what_was_mounted(mounted: KernelUnderTest, tmp_path: Path) -> None:
    await mounted.destroy()
    assert (tmp_path / "models" / "weights").read_text() == "heavy"


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b")])
async def test_overlapping_mounts_are_refused(
    agent: LocalAgentClient, tmp_path: Path, paths: tuple[str, str]
) -> None:
    config = make_config(mounts=tuple(mount(tmp_path, path) for path in paths))
    with pytest.raises(AgentError, match="overlap"):
        await create(agent, config)


async def test_dotfiles_are_there_before_the_kernel(agent: LocalAgentClient) -> None:
    dotfile = {"path": ".config/tool.toml", "perm": "600", "data": "a = 1\n"}
    config = make_config(internal_data={"dotfiles": [{**dotfile}]})
    await create(agent, config)
    (entry,) = await agent.list_files(config.kernel_id, ".config")
    assert entry.mode == "-rw-------"
    assert await agent.download_single(config.kernel_id, ".config/tool.toml") == b"a = 1\n"


@pytest.mark.parametrize("path", ["../out", "/etc/out", "."])
async def test_dotfiles_outside_of_the_home_are_refused(agent: LocalAgentClient, path: str) -> None:
    dotfile = {"path": path, "perm": "600", "data": ""}
    with pytest.raises(AgentError) as refused:
        await create(agent, make_config(internal_data={"dotfiles": [{**dotfile}]}))
    assert refused.value.name == "InvalidDotfile"


async def test_files_of_a_destroyed_kernel_are_gone(kernel: KernelUnderTest) -> None:
    await kernel.agent.upload_file(kernel.id, "file", b"")
    await kernel.destroy()
    with pytest.raises(KernelNotOnAgent):
        await kernel.agent.list_files(kernel.id, "")


async def test_what_is_done_with_a_kernel_is_its_last_use_and_looking_is_not(
    kernel: KernelUnderTest,
) -> None:
    async def last() -> float:
        (report,) = await kernel.agent.kernel_reports()
        assert report.last_access is not None
        return report.last_access.timestamp()

    before = await last()
    await kernel.agent.get_logs(kernel.id)
    await kernel.agent.kernel_stats([kernel.id])
    assert await last() == before
    await kernel.run("1")
    used = await last()
    assert used > before
    await kernel.agent.upload_file(kernel.id, "a.txt", b"a")
    assert await last() > used
