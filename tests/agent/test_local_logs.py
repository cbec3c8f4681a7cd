"""The console log: capped, followed, never cut within a character."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.agent.local.client import LocalAgentClient
from bai_manager.clients.agent.local.logs import LogStore, read_log
from tests.agent.kernels import KernelUnderTest, create, make_config

if TYPE_CHECKING:
    from pathlib import Path


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("log*"))


def test_log_keeps_the_last_part(tmp_path: Path) -> None:
    log = LogStore(str(tmp_path), 1000)
    lines = [f"{number:09}\n" for number in range(500)]
    for line in lines:
        log.append(line)
        assert size_of(tmp_path) <= 1000
    kept = read_log(str(tmp_path))
    assert len(kept) >= 500
    assert "".join(lines).endswith(kept)


def test_log_begins_with_a_whole_character(tmp_path: Path) -> None:
    log = LogStore(str(tmp_path), 100)
    for _ in range(100):
        log.append("한€")
    log.append("한" * 200)
    kept = read_log(str(tmp_path))
    assert set(kept) == {"한", "€"}
    assert kept.endswith("한" * 16)


def test_reader_that_falls_behind_goes_on_with_the_oldest_there_is(tmp_path: Path) -> None:
    log = LogStore(str(tmp_path), 20)
    log.append("0123456789")
    assert log.read(0, 4) == (4, b"0123")
    log.append("abcdefghij")
    assert log.read(8, 10) == (10, b"89")
    assert log.read(10, 100) == (20, b"abcdefghij")
    log.append("ABCDEFGHIJ")
    assert log.read(0, 100) == (20, b"abcdefghij")
    assert log.read(30, 100) == (30, b"")


def test_log_of_nothing_is_empty(tmp_path: Path) -> None:
    assert read_log(str(tmp_path)) == ""


async def test_everything_a_kernel_writes_is_in_its_log(kernel: KernelUnderTest) -> None:
    await kernel.run("print('from code')")
    await kernel.shell("echo from command; echo and error >&2")
    await kernel.batch("echo from batch")
    await kernel.batch_end()
    lines = (await kernel.agent.get_logs(kernel.id)).splitlines()
    assert sorted(lines) == ["and error", "from batch", "from code", "from command"]


async def test_log_of_a_kernel_is_capped(root: Path) -> None:
    agent = LocalAgentClient("i-local", root, log_limit=100_000)
    config = make_config()
    await create(agent, config)
    kernel = KernelUnderTest(agent, config)
    await kernel.batch("for i in $(seq 1 60000); do echo $i; done")
    await kernel.batch_end()
    assert size_of(root / kernel.id.hex) <= 100_000
    kept = (await agent.get_logs(kernel.id)).splitlines()
    assert kept[-1] == "60000"
    assert len(kept) >= 50_000 // 6
    await kernel.destroy()


async def test_follower_sees_everything_in_order(kernel: KernelUnderTest) -> None:
    await kernel.batch("for i in $(seq 1 20000); do echo $i; done")
    told = ""
    async for text in kernel.agent.follow_logs(kernel.id):
        told += text
        if told.endswith("\n20000\n"):
            break
    assert told == "".join(f"{number}\n" for number in range(1, 20001))


async def test_followers_do_not_hinder_each_other(kernel: KernelUnderTest) -> None:
    followers = [kernel.agent.follow_logs(kernel.id) for _ in range(3)]
    await kernel.run("print('one')")
    assert [await anext(follower) for follower in followers] == ["one\n"] * 3
    await kernel.run("print('two')")
    assert [await anext(follower) for follower in followers] == ["two\n"] * 3
    await kernel.destroy()
    for follower in followers:
        with pytest.raises(StopAsyncIteration):
            await anext(follower)


async def test_following_an_ended_kernel_tells_its_log(kernel: KernelUnderTest) -> None:
    await kernel.run("print('that was it')")
    await kernel.destroy()
    assert [text async for text in kernel.agent.follow_logs(kernel.id)] == ["that was it\n"]
