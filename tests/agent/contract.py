"""What every ``AgentClient`` keeps.

A test module for a client imports everything from here and provides two fixtures: ``agent``,
the client, and ``kernel``, a ``KernelUnderTest`` on it that runs Python code.
"""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from bai_manager.clients.agent.errors import AgentError, KernelNotOnAgent
from bai_manager.clients.agent.protocol import ExecutionMode, ExecutionStatus, KernelState
from tests.agent.kernels import (
    KernelUnderTest,
    create,
    make_config,
    report_of,
    text_of,
    until_state,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bai_manager.clients.agent.protocol import AgentClient


async def test_agent_is_healthy(agent: AgentClient) -> None:
    health = await agent.health()
    assert health.status == "ok"
    assert health.version


async def test_hardware_is_described(agent: AgentClient) -> None:
    assert {"cpu", "mem"} <= (await agent.gather_hwinfo()).keys()


async def test_created_kernel_is_reported_running(agent: AgentClient) -> None:
    config = make_config()
    (info,) = await create(agent, config)
    report = await report_of(agent, config.kernel_id)
    assert report.state is KernelState.RUNNING
    assert report.session_id == config.session_id
    assert report.creation_info == info
    assert info.kernel_id == config.kernel_id
    assert info.occupied_slots == config.resource_slots
    assert info.attached_devices["cpu"] == [
        {"device_id": "0", "model_name": "", "data": {"cores": 1}}
    ]


async def test_several_kernels_are_created_in_order(agent: AgentClient) -> None:
    configs = [make_config(), make_config()]
    infos = await create(agent, *configs)
    assert [info.kernel_id for info in infos] == [config.kernel_id for config in configs]


async def test_creating_again_returns_the_same(agent: AgentClient) -> None:
    config = make_config()
    assert await create(agent, config) == await create(agent, config)


async def test_destroyed_kernel_is_reported_with_the_reason(kernel: KernelUnderTest) -> None:
    await kernel.destroy("idle-timeout")
    report = await kernel.report()
    assert report.state is KernelState.EXITED
    assert report.reason == "idle-timeout"
    assert report.ended_at is not None
    assert report.ended_at.tzinfo is not None


async def test_destroying_again_changes_nothing(kernel: KernelUnderTest) -> None:
    await kernel.destroy("user-requested")
    report = await kernel.report()
    await kernel.destroy("idle-timeout")
    assert await kernel.report() == report


async def test_destroying_an_unknown_kernel_is_no_error(agent: AgentClient) -> None:
    await agent.destroy_kernel(uuid4(), uuid4(), "user-requested")
    assert await agent.kernel_reports() == []


async def test_log_of_an_ended_kernel_stays_until_it_is_forgotten(
    kernel: KernelUnderTest, agent: AgentClient
) -> None:
    await kernel.run("print('so long')")
    await kernel.destroy()
    assert "so long" in await agent.get_logs(kernel.id)
    await agent.forget_kernels([kernel.id])
    assert await agent.kernel_reports() == []
    with pytest.raises(KernelNotOnAgent):
        await agent.get_logs(kernel.id)


async def test_forgetting_leaves_living_kernels(
    kernel: KernelUnderTest, agent: AgentClient
) -> None:
    await agent.forget_kernels([kernel.id, uuid4()])
    assert (await kernel.report()).state is KernelState.RUNNING


@pytest.mark.parametrize(
    "call",
    [
        lambda agent: agent.interrupt_kernel(uuid4()),
        lambda agent: agent.restart_kernel(uuid4(), uuid4()),
        lambda agent: agent.trigger_batch_execution(uuid4(), uuid4(), "true", None),
        lambda agent: agent.get_completions(uuid4(), "a", {}),
        lambda agent: agent.get_logs(uuid4()),
        lambda agent: anext(agent.follow_logs(uuid4())),
        lambda agent: agent.list_files(uuid4(), "."),
        lambda agent: agent.upload_file(uuid4(), "a", b""),
        lambda agent: agent.download_single(uuid4(), "a"),
        lambda agent: agent.download_file(uuid4(), "a"),
        lambda agent: agent.start_service(uuid4(), "a", {}),
        lambda agent: agent.shutdown_service(uuid4(), "a"),
        lambda agent: agent.execute(
            uuid4(),
            uuid4(),
            run_id="r",
            mode=ExecutionMode.QUERY,
            code="",
            opts={},
            flush_timeout=1,
        ),
    ],
)
async def test_unknown_kernel_is_said_to_be_unknown(
    agent: AgentClient, call: Callable[[AgentClient], Awaitable[object]]
) -> None:
    with pytest.raises(KernelNotOnAgent):
        await call(agent)


async def test_code_is_run_and_its_output_told(kernel: KernelUnderTest) -> None:
    assert await kernel.run("print('out')") == ("out\n", "", 0)


async def test_failing_code_tells_a_traceback_and_exit_code_1(kernel: KernelUnderTest) -> None:
    _, err, exit_code = await kernel.run("1 / 0")
    assert "ZeroDivisionError" in err
    assert exit_code == 1


async def test_names_stay_from_run_to_run(kernel: KernelUnderTest) -> None:
    await kernel.run("answer = 42")
    assert (await kernel.run("print(answer)"))[0] == "42\n"


async def test_long_run_is_told_in_turns(kernel: KernelUnderTest) -> None:
    code = "import time\nprint('first', flush=True)\ntime.sleep(0.6)\nprint('last')"
    first = await kernel.turn(code, run_id="r", flush_timeout=0.3)
    assert first.status is ExecutionStatus.CONTINUED
    assert first.exit_code is None
    last = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
    assert last.status is ExecutionStatus.FINISHED
    assert last.exit_code == 0
    assert text_of([*first.console, *last.console], "stdout") == "first\nlast\n"


async def test_input_is_asked_for_and_given(kernel: KernelUnderTest) -> None:
    asked = await kernel.turn("print('hello', input('who? '))", run_id="r")
    assert asked.status is ExecutionStatus.WAITING_INPUT
    assert text_of(asked.console, "stdout") == "who? "
    told = await kernel.turn("world", run_id="r", mode=ExecutionMode.INPUT)
    assert told.status is ExecutionStatus.FINISHED
    assert text_of(told.console, "stdout") == "hello world\n"


async def test_interrupt_ends_the_run_but_not_the_kernel(kernel: KernelUnderTest) -> None:
    code = "import time\nkept = 1\nprint('asleep')\ntime.sleep(60)"
    told = await kernel.turn(code, run_id="r", flush_timeout=0.1)
    while "asleep" not in text_of(told.console, "stdout"):
        assert told.exit_code is None
        told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE, flush_timeout=0.1)
    await kernel.agent.interrupt_kernel(kernel.id)
    told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
    assert told.status is ExecutionStatus.FINISHED
    assert told.exit_code != 0
    assert "KeyboardInterrupt" in text_of(told.console, "stderr")
    assert (await kernel.run("kept"))[0] == "1\n"


async def test_batch_mode_runs_a_command(kernel: KernelUnderTest) -> None:
    told = await kernel.turn(mode=ExecutionMode.BATCH, opts={"exec": "echo done; exit 3"})
    assert told.status is ExecutionStatus.FINISHED
    assert told.exit_code == 3
    assert text_of(told.console, "stdout") == "done\n"


async def test_completion_knows_the_namespace(kernel: KernelUnderTest) -> None:
    await kernel.run("import string\nunusual_name = 1")
    found = await kernel.agent.get_completions(kernel.id, "unusual_n", {})
    assert found.status == "finished"
    assert [*found.suggestions] == ["unusual_name"]


async def test_batch_command_is_reported_with_its_exit_code(agent: AgentClient) -> None:
    config = make_config(session_type="batch")
    await create(agent, config)
    kernel = KernelUnderTest(agent, config)
    await kernel.batch("echo worked; exit 7")
    assert (await kernel.batch_end()).batch_exit_code == 7
    assert "worked" in await agent.get_logs(kernel.id)


async def test_batch_command_runs_once(kernel: KernelUnderTest) -> None:
    await kernel.batch("echo ran")
    await kernel.batch("echo ran")
    await kernel.batch_end()
    await kernel.batch("echo ran")
    assert (await kernel.agent.get_logs(kernel.id)).count("ran") == 1


async def test_logs_can_be_followed_to_the_end(kernel: KernelUnderTest) -> None:
    await kernel.run("print('before')")
    told = ""
    async for text in kernel.agent.follow_logs(kernel.id):
        told += text
        if told == "before\n":
            await kernel.run("print('after')")
        if told.endswith("after\n"):
            await kernel.destroy()
    assert told == "before\nafter\n"


async def test_uploaded_file_is_listed_and_downloaded(kernel: KernelUnderTest) -> None:
    await kernel.agent.upload_file(kernel.id, "data/in.bin", b"\0\1\2")
    (entry,) = await kernel.agent.list_files(kernel.id, "data")
    assert (entry.filename, entry.size, entry.mode[0]) == ("in.bin", 3, "-")
    assert await kernel.agent.download_single(kernel.id, "/home/work/data/in.bin") == b"\0\1\2"


async def test_folder_is_downloaded_as_an_archive(kernel: KernelUnderTest) -> None:
    await kernel.agent.upload_file(kernel.id, "out/deep/a.txt", b"abc")
    packed = await kernel.agent.download_file(kernel.id, "out")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        member = archive.extractfile("out/deep/a.txt")
        assert member is not None
        assert member.read() == b"abc"


async def test_code_sees_uploaded_files_in_its_folder(kernel: KernelUnderTest) -> None:
    await kernel.agent.upload_file(kernel.id, "hello.txt", b"from outside")
    assert (await kernel.run("print(open('hello.txt').read())"))[0] == "from outside\n"


@pytest.mark.parametrize("path", ["../escaped", "/etc/escaped", "a/../../escaped"])
async def test_uploading_outside_of_the_work_folder_is_refused(
    kernel: KernelUnderTest, path: str
) -> None:
    with pytest.raises(AgentError):
        await kernel.agent.upload_file(kernel.id, path, b"")


async def test_missing_file_is_an_error(kernel: KernelUnderTest) -> None:
    with pytest.raises(AgentError):
        await kernel.agent.download_single(kernel.id, "nothing")


async def test_unknown_service_is_an_error(kernel: KernelUnderTest) -> None:
    with pytest.raises(AgentError):
        await kernel.agent.start_service(kernel.id, "nothing", {})


async def test_restarted_kernel_has_a_fresh_namespace_and_its_files(
    kernel: KernelUnderTest,
) -> None:
    await kernel.run("open('kept', 'w').close()\ngone = 1")
    info = await kernel.agent.restart_kernel(kernel.id, kernel.session_id)
    assert info.kernel_id == kernel.id
    assert (await kernel.run("import os; print(os.path.exists('kept'), 'gone' in globals())"))[
        0
    ] == "True False\n"


async def test_live_usage_leaves_out_kernels_that_have_ended(
    kernel: KernelUnderTest, agent: AgentClient
) -> None:
    await kernel.run("block = bytearray(30_000_000)")
    stats = await agent.kernel_stats([kernel.id, uuid4()])
    assert [*stats] == [kernel.id]
    metrics = stats[kernel.id].metrics
    assert {"cpu_util", "cpu_used", "mem", "io_read", "io_write"} <= metrics.keys()
    assert int(metrics["mem"]["current"]) > 30_000_000
    assert metrics["mem"]["unit_hint"] == "bytes"


async def test_kernel_that_is_destroyed_while_code_runs_ends(kernel: KernelUnderTest) -> None:
    await kernel.turn("while True: pass", run_id="r", flush_timeout=0.1)
    await kernel.destroy()
    await until_state(kernel.agent, kernel.id, KernelState.EXITED)
    with pytest.raises(KernelNotOnAgent):
        await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
