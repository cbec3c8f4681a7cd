"""Batch commands, services, limits and measurements."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.agent.errors import AgentError
from bai_manager.clients.agent.local.limits import choose_cpus
from bai_manager.clients.agent.local.process import marked_processes
from bai_manager.clients.agent.local.spec import parse_service_ports
from bai_manager.clients.agent.protocol import KernelState
from tests.agent.kernels import KernelUnderTest, create, make_config, until_state

if TYPE_CHECKING:
    from bai_manager.clients.agent.local.client import LocalAgentClient
    from bai_manager.types.json import JsonObject

SERVER = {
    "ai.backend.service-ports": "web:http:8080,raw:tcp:[8081,8082],api:preopen:9000,old:pty:9001",
    "ai.backend.endpoint-ports": "api",
    "ai.backend.local.service.web": "exec python -m http.server --bind 127.0.0.1 {port}",
    "ai.backend.local.service.broken": "exit 3",
}


async def start(agent: LocalAgentClient, **wishes: dict[str, str]) -> KernelUnderTest:
    config = make_config(**wishes)  # type: ignore[arg-type]
    await create(agent, config)
    return KernelUnderTest(agent, config)


@pytest.mark.parametrize(
    ("command", "exit_code", "reason"),
    [
        ("true", 0, "task-finished"),
        ("exit 9", 9, "task-failed"),
        ("kill -KILL $$", 137, "task-failed"),
        ("kill -TERM $$", 143, "task-failed"),
        ("no-such-program", 127, "task-failed"),
    ],
)
async def test_end_of_a_batch_command_is_on_record(
    kernel: KernelUnderTest, command: str, exit_code: int, reason: str
) -> None:
    await kernel.batch(command)
    report = await kernel.batch_end()
    assert (report.batch_exit_code, report.reason) == (exit_code, reason)
    assert report.state is KernelState.RUNNING
    await kernel.destroy("task-finished")
    report = await kernel.report()
    assert (report.exit_code, report.batch_exit_code) == (exit_code, exit_code)


async def test_batch_command_that_takes_too_long_is_ended(kernel: KernelUnderTest) -> None:
    await kernel.batch("trap '' TERM; echo begun; sleep 60 & wait", limit=0.2)
    report = await kernel.batch_end()
    assert (report.batch_exit_code, report.reason) == (124, "task-timeout")
    assert "its 0.2 seconds are over" in await kernel.agent.get_logs(kernel.id)
    assert len(marked_processes(str(kernel.id))) == 2


async def test_batch_command_can_be_interrupted(kernel: KernelUnderTest) -> None:
    await kernel.batch("echo up; sleep 60")
    async for _ in kernel.agent.follow_logs(kernel.id):
        break
    await kernel.agent.interrupt_kernel(kernel.id)
    assert (await kernel.batch_end()).batch_exit_code == 130


async def test_code_can_be_run_beside_a_batch_command(kernel: KernelUnderTest) -> None:
    await kernel.batch("sleep 60")
    assert (await kernel.run("1"))[0] == "1\n"


async def test_service_listens_where_it_says(agent: LocalAgentClient) -> None:
    kernel = await start(agent, labels=SERVER)
    await agent.upload_file(kernel.id, "index.html", b"hello")
    told = await agent.start_service(kernel.id, "web", {})
    assert told["status"] == "started"
    port = told["port"]
    assert isinstance(port, int)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert (await reader.read()).endswith(b"hello")
    writer.close()
    assert (await agent.start_service(kernel.id, "web", {}))["port"] == port
    await agent.shutdown_service(kernel.id, "web")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await agent.shutdown_service(kernel.id, "web")


async def test_service_takes_arguments_and_variables(agent: LocalAgentClient) -> None:
    labels = {
        "ai.backend.local.service.echo": "echo >&2 $COLOR $BACKENDAI_SERVICE_TOKEN;"
        " exec python -m http.server {port}",
        "ai.backend.local.service-path.echo": "/{token}/",
    }
    kernel = await start(agent, labels=labels)
    opts: JsonObject = {"envs": {"COLOR": "blue"}, "arguments": {"--bind": "127.0.0.1"}}
    told = await agent.start_service(kernel.id, "echo", opts)
    token = str(told["path"]).strip("/")
    assert len(token) > 20
    assert f"blue {token}\n" in await agent.get_logs(kernel.id)


async def test_service_that_ends_at_once_has_failed(agent: LocalAgentClient) -> None:
    kernel = await start(agent, labels=SERVER)
    with pytest.raises(AgentError, match="ended with exit code 3") as failed:
        await agent.start_service(kernel.id, "broken", {})
    assert failed.value.name == "ServiceFailed"


async def test_service_ports_of_the_image_are_told(agent: LocalAgentClient) -> None:
    config = make_config(labels=SERVER)
    (info,) = await create(agent, config)
    assert info.service_ports == parse_service_ports(SERVER)
    assert info.service_ports == [
        {
            "name": "web",
            "protocol": "http",
            "container_ports": [8080],
            "host_ports": [None],
            "is_inference": False,
        },
        {
            "name": "raw",
            "protocol": "tcp",
            "container_ports": [8081, 8082],
            "host_ports": [None, None],
            "is_inference": False,
        },
        {
            "name": "api",
            "protocol": "preopen",
            "container_ports": [9000],
            "host_ports": [9000],
            "is_inference": True,
        },
    ]


def test_least_used_cpus_are_chosen() -> None:
    usable = sorted(os.sched_getaffinity(0))
    assert choose_cpus(0, ()) == (usable[0],)
    assert choose_cpus(0.5, [(usable[0],)]) == tuple(usable[1:2] or usable[:1])
    assert choose_cpus(10_000, [(usable[0],)]) == tuple(usable)
    assert choose_cpus(float("inf"), ()) == tuple(usable)


async def test_cpus_are_bound(agent: LocalAgentClient) -> None:
    kernels = [await start(agent, slots={"cpu": "1", "mem": "1073741824"}) for _ in range(2)]
    code = "import os; [*os.sched_getaffinity(0)]"
    found = [(await kernel.run(code))[0] for kernel in kernels]
    assert all(text.count(",") == 0 for text in found)
    if len(os.sched_getaffinity(0)) > 1:
        assert found[0] != found[1]


async def test_one_huge_request_is_a_memory_error(agent: LocalAgentClient) -> None:
    kernel = await start(agent, slots={"cpu": "1", "mem": "67108864"})
    _, err, exit_code = await kernel.run("block = bytearray(2**30)")
    assert err.endswith("MemoryError\n")
    assert exit_code == 1
    assert (await kernel.run("1"))[0] == "1\n"


async def test_run_that_uses_too_much_memory_is_killed(agent: LocalAgentClient) -> None:
    kernel = await start(agent, slots={"cpu": "1", "mem": "67108864"})
    code = "import time\nblocks = bytearray(b'x') * 100_000_000\ntime.sleep(60)"
    _, err, exit_code = await kernel.run(code)
    assert exit_code == 137
    assert "out of memory" in err
    assert (await kernel.run("1"))[0] == "1\n"


async def test_memory_counts_over_all_processes(agent: LocalAgentClient) -> None:
    kernel = await start(agent, slots={"cpu": "1", "mem": "100000000"})
    hog = "import time; b = bytearray([1]) * 30_000_000; time.sleep(60)"
    await kernel.batch(f"for i in 1 2 3 4; do python -c '{hog}' & done; wait")
    assert (await kernel.batch_end()).batch_exit_code == 137
    assert "out of memory" in await agent.get_logs(kernel.id)


async def test_processor_time_and_peaks_are_measured(kernel: KernelUnderTest) -> None:
    code = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    await kernel.run(code + "\nblock = bytearray(b'x') * 50_000_000\ntime.sleep(0.3)\ndel block")
    metrics = (await kernel.agent.kernel_stats([kernel.id]))[kernel.id].metrics
    assert float(metrics["cpu_used"]["current"]) >= 300
    assert metrics["cpu_used"]["unit_hint"] == "msec"
    assert metrics["cpu_util"]["unit_hint"] == "percent"
    assert int(metrics["mem"]["stats.max"]) > 50_000_000 > int(metrics["mem"]["current"])
    assert metrics["mem"]["capacity"] == "1073741824"


async def test_time_of_ended_programs_still_counts(kernel: KernelUnderTest) -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    await kernel.shell(f"python -c '{burn}'")
    metrics = (await kernel.agent.kernel_stats([kernel.id]))[kernel.id].metrics
    assert float(metrics["cpu_used"]["current"]) >= 150


async def test_size_of_the_work_folder_is_measured(kernel: KernelUnderTest) -> None:
    await kernel.agent.upload_file(kernel.id, "a/file", b"x" * 100_000)
    metrics = (await kernel.agent.kernel_stats([kernel.id]))[kernel.id].metrics
    assert int(metrics["io_scratch_size"]["current"]) >= 100_000


async def test_ended_kernels_have_no_live_usage(kernel: KernelUnderTest) -> None:
    await kernel.destroy()
    await until_state(kernel.agent, kernel.id, KernelState.EXITED)
    assert await kernel.agent.kernel_stats([kernel.id]) == {}
