"""What each function is asked with and what is made of its answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from bai_manager.clients.agent.callosum.functions import Function
from bai_manager.clients.agent.errors import AgentError, KernelNotOnAgent
from bai_manager.clients.agent.protocol import (
    AgentHealth,
    ClusterInfo,
    CommitStarted,
    Completions,
    ExecutionMode,
    ExecutionResult,
    ExecutionStatus,
    FileEntry,
    ImageSpec,
    KernelCreationConfig,
    KernelCreationInfo,
    MountSpec,
)
from bai_manager.types.resource_slot import ResourceSlot
from tests.rpc import upstream
from tests.rpc.fake_agent import Failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bai_manager.clients.agent.callosum.client import CallosumAgentClient
    from tests.rpc.fake_agent import FakeAgent

K = UUID("00000000-0000-4000-8000-000000000001")
S = UUID("00000000-0000-4000-9000-000000000001")
U = UUID("00000000-0000-4000-a000-000000000001")

IMAGE = ImageSpec(
    canonical="cr.example.com/stable/python:3.9-ubuntu20.04",
    architecture="x86_64",
    project="stable",
    registry={"name": "cr.example.com", "url": "https://cr.example.com"},
    labels={"ai.backend.role": "COMPUTE"},
    digest="sha256:0",
    is_local=False,
)
IMAGE_CONFIG = {
    "canonical": "cr.example.com/stable/python:3.9-ubuntu20.04",
    "project": "stable",
    "architecture": "x86_64",
    "digest": "sha256:0",
    "repo_digest": None,
    "registry": {
        "name": "cr.example.com",
        "url": "https://cr.example.com",
        "username": None,
        "password": None,
    },
    "labels": {"ai.backend.role": "COMPUTE"},
    "is_local": False,
    "auto_pull": "digest",
}
IMAGE_ARGUMENTS = ("python", "stable", "3.9-ubuntu20.04", "cr.example.com", "x86_64", False)

CONFIG = KernelCreationConfig(
    kernel_id=K,
    session_id=S,
    image=IMAGE,
    owner_user_id=U,
    session_type="interactive",
    cluster_mode="single-node",
    cluster_role="main",
    cluster_idx=1,
    cluster_hostname="main1",
    local_rank=0,
    resource_slots=ResourceSlot({"cpu": 1, "mem": 2**30}),
    resource_opts={"shmem": 67108864},
    environ={"A": "b"},
    mounts=(
        MountSpec(
            name="data",
            vfid="user:1/2",
            vfsubpath=".",
            host_path="/mnt/data",
            kernel_path="/home/work/data",
            mount_perm="rw",
        ),
    ),
    preopen_ports=(8080,),
    scaling_group="default",
    uid=1000,
)
CLUSTER = ClusterInfo(mode="single-node", size=1, replicas={"main": 1})
PORT = {
    "name": "sshd",
    "protocol": upstream.ServicePortProtocols.HTTP,
    "container_ports": (2200,),
    "host_ports": (30001,),
    "is_inference": False,
}
CREATED = {
    "id": str(K),
    "kernel_host": "10.0.0.1",
    "repl_in_port": 2000,
    "repl_out_port": 2001,
    "stdin_port": 2002,
    "stdout_port": 2003,
    "service_ports": [PORT],
    "container_id": "c" * 64,
    "resource_spec": {
        "allocations": {
            "cpu": {upstream.SlotName("cpu"): {"0": Decimal(1), "1": Decimal("0.5")}},
            "mem": {upstream.SlotName("mem"): {"root": upstream.BinarySize(2**30)}},
        },
        "slots": upstream.ResourceSlot({"cpu": Decimal(1)}),
        "mounts": [],
    },
    "attached_devices": {
        "cpu": [{"device_id": "0", "model_name": "", "data": {"cores": Decimal("1.5")}}]
    },
    "agent_addr": "tcp://10.0.0.1:6001",
    "scaling_group": "default",
}
CREATION_INFO = KernelCreationInfo(
    kernel_id=K,
    kernel_host="10.0.0.1",
    container_id="c" * 64,
    repl_in_port=2000,
    repl_out_port=2001,
    stdin_port=2002,
    stdout_port=2003,
    service_ports=[
        {
            "name": "sshd",
            "protocol": "http",
            "container_ports": [2200],
            "host_ports": [30001],
            "is_inference": False,
        }
    ],
    attached_devices={"cpu": [{"device_id": "0", "model_name": "", "data": {"cores": "1.5"}}]},
    occupied_slots=ResourceSlot({"cpu": "1.5", "mem": 2**30}),
)
TURN = {
    "runId": "run-1",
    "status": "finished",
    "exitCode": 3,
    "options": {"is_password": False},
    "console": [["stdout", "out"], ["media", ["image/png", "data"]]],
    "files": [],
}
LISTING = json.dumps(
    [{"mode": "-rw-r--r--", "size": 5, "ctime": 1.5, "mtime": 1.5, "atime": 1.5, "filename": "a"}]
)


@dataclass(frozen=True)
class Case:
    """``args`` are those on the wire; ``answer`` is packed as an agent does."""

    function: str
    call: Callable[[CallosumAgentClient], Awaitable[object]]
    args: list[object]
    answer: object
    result: object


CASES = [
    Case(
        "gather_hwinfo",
        lambda agent: agent.gather_hwinfo(),
        [],
        {"cpu": {"status": "healthy", "status_info": None, "metadata": {"n": Decimal("1.50")}}},
        {"cpu": {"status": "healthy", "status_info": None, "metadata": {"n": "1.50"}}},
    ),
    Case(
        "destroy_kernel",
        lambda agent: agent.destroy_kernel(K, S, "user-requested"),
        [str(K), str(S), "user-requested"],
        None,
        None,
    ),
    Case("interrupt_kernel", lambda agent: agent.interrupt_kernel(K), [str(K)], None, None),
    Case(
        "execute",
        lambda agent: agent.execute(
            S,
            K,
            run_id="run-1",
            mode=ExecutionMode.QUERY,
            code="print()",
            opts={"exec": "x"},
            flush_timeout=1.5,
        ),
        [str(S), str(K), 3, "run-1", "query", "print()", {"exec": "x"}, 1.5],
        TURN,
        ExecutionResult(
            run_id="run-1",
            status=ExecutionStatus.FINISHED,
            exit_code=3,
            console=[("stdout", "out"), ("media", '["image/png", "data"]')],
            options={"is_password": False},
            files=[],
        ),
    ),
    Case(
        "trigger_batch_execution",
        lambda agent: agent.trigger_batch_execution(S, K, "run", 60.0),
        [str(S), str(K), "run", 60.0],
        None,
        None,
    ),
    Case(
        "get_completions",
        lambda agent: agent.get_completions(K, "im", {"row": 1}),
        [str(K), "im", {"row": 1}],
        {"result": {"status": "finished", "error": None, "suggestions": ["import"]}},
        Completions(status="finished", suggestions=["import"]),
    ),
    Case("get_logs", lambda agent: agent.get_logs(K), [str(K)], {"logs": "héllo"}, "héllo"),
    Case(
        "list_files",
        lambda agent: agent.list_files(K, "data"),
        [str(K), "data"],
        {"files": LISTING, "errors": "", "abspath": "data"},
        [
            FileEntry(
                filename="a",
                size=5,
                mode="-rw-r--r--",
                mtime=datetime(1970, 1, 1, 0, 0, 1, 500000, tzinfo=UTC),
            )
        ],
    ),
    Case(
        "upload_file",
        lambda agent: agent.upload_file(K, "/home/work/data/a", b"\0x"),
        [str(K), "data/a", b"\0x"],
        None,
        None,
    ),
    Case(
        "download_single",
        lambda agent: agent.download_single(K, "data/a"),
        [str(K), "data/a"],
        b"\0content",
        b"\0content",
    ),
    Case(
        "download_file", lambda agent: agent.download_file(K, "data"), [str(K), "data"], b"t", b"t"
    ),
    Case(
        "start_service",
        lambda agent: agent.start_service(K, "ttyd", {"envs": {"A": "b"}}),
        [str(K), "ttyd", {"arguments": {}, "envs": {"A": "b"}}],
        {"status": "started", "error": None},
        {"status": "started", "error": None},
    ),
    Case(
        "shutdown_service",
        lambda agent: agent.shutdown_service(K, "ttyd"),
        [str(K), "ttyd"],
        None,
        None,
    ),
    Case(
        "get_commit_status",
        lambda agent: agent.commit_status(K, "user@example.com"),
        [str(K), "user@example.com"],
        {"kernel": str(K), "status": "ongoing"},
        "ongoing",
    ),
    Case(
        "push_image",
        lambda agent: agent.push_image(IMAGE),
        [IMAGE_ARGUMENTS, IMAGE_CONFIG["registry"]],
        {"bgtask_id": "task-1", "canonical": IMAGE.canonical},
        "task-1",
    ),
    Case(
        "purge_images",
        lambda agent: agent.purge_images(["a", "b"], force=True, noprune=False),
        [["a", "b"], True, False],
        {"responses": [{"image": "a", "error": None}, {"image": "b", "error": "in use"}]},
        {"a": None, "b": "in use"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.function)
async def test_function_is_asked_and_answered_as_on_the_wire(
    fake: FakeAgent, client: CallosumAgentClient, case: Case
) -> None:
    fake.answers |= {"check_creating": True, case.function: case.answer}
    assert await case.call(client) == case.result
    (asked,) = fake.asked(case.function)
    assert asked.header == {
        "type": 1,
        "meth": case.function,
        "okey": "",
        "seq": 0,
        "zip": False,
    }
    assert asked.args == case.args
    assert asked.kwargs == {"agent_id": "i-fake"}


async def test_health_is_asked_without_naming_an_agent(
    fake: FakeAgent, client: CallosumAgentClient
) -> None:
    fake.answers["health"] = {"status": "degraded", "version": "25.17.0", "component": "agent"}
    assert await client.health() == AgentHealth(status="degraded", version="25.17.0")
    assert fake.calls[0].kwargs == {}


async def test_kernels_are_created_from_everything_an_agent_expects(
    fake: FakeAgent, client: CallosumAgentClient
) -> None:
    fake.answers["create_kernels"] = [CREATED]
    assert await client.create_kernels(S, [CONFIG], CLUSTER) == [CREATION_INFO]
    session_id, kernel_ids, configs, cluster, images = fake.calls[0].args
    assert (session_id, kernel_ids) == (str(S), [str(K)])
    assert configs == [
        {
            "image": IMAGE_CONFIG,
            "kernel_id": str(K),
            "session_id": str(S),
            "owner_user_id": str(U),
            "owner_project_id": None,
            "network_id": str(S),
            "session_type": "interactive",
            "cluster_mode": "single-node",
            "cluster_role": "main",
            "cluster_idx": 1,
            "cluster_hostname": "main1",
            "local_rank": 0,
            "uid": 1000,
            "main_gid": None,
            "supplementary_gids": [],
            "resource_slots": {"cpu": "1", "mem": "1073741824"},
            "resource_opts": {"shmem": 67108864},
            "environ": {"A": "b"},
            "mounts": [
                {
                    "name": "data",
                    "vfid": "user:1/2",
                    "vfsubpath": ".",
                    "host_path": "/mnt/data",
                    "kernel_path": "/home/work/data",
                    "mount_perm": "rw",
                    "usage_mode": "general",
                }
            ],
            "package_directory": [],
            "idle_timeout": 600,
            "bootstrap_script": None,
            "startup_command": None,
            "internal_data": {},
            "auto_pull": "digest",
            "preopen_ports": [8080],
            "allocated_host_ports": [],
            "agent_addr": fake.addr,
            "scaling_group": "default",
            "endpoint_id": None,
        }
    ]
    assert cluster == {
        "mode": "single-node",
        "size": 1,
        "replicas": {"main": 1},
        "network_config": {},
        "ssh_keypair": None,
        "cluster_ssh_port_mapping": None,
    }
    assert images == {K: IMAGE_ARGUMENTS}


async def test_created_kernels_come_in_the_order_asked_for(
    fake: FakeAgent, client: CallosumAgentClient
) -> None:
    other = UUID(int=2)
    fake.answers["create_kernels"] = [{**CREATED, "id": str(other)}, CREATED]
    configs = [CONFIG, replace(CONFIG, kernel_id=other)]
    infos = await client.create_kernels(S, configs, CLUSTER)
    assert [info.kernel_id for info in infos] == [K, other]


async def test_commit_is_asked_with_keywords(fake: FakeAgent, client: CallosumAgentClient) -> None:
    fake.answers |= {
        "check_creating": True,
        "commit": {"bgtask_id": "task-1", "kernel": str(K), "path": "/commit/a.tar.gz"},
    }
    started = await client.commit(K, "user@example.com", filename="a", extra_labels={"l": "v"})
    assert started == CommitStarted(task_id="task-1", path="/commit/a.tar.gz")
    (asked,) = fake.asked("commit")
    assert asked.args == [str(K), "user@example.com"]
    assert asked.kwargs == {
        "agent_id": "i-fake",
        "canonical": None,
        "filename": "a",
        "extra_labels": {"l": "v"},
    }


async def test_pulling_is_waited_for(
    fake: FakeAgent, client: CallosumAgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bai_manager.clients.agent.callosum.client._PULL_PAUSE", 0.001)
    pulling = iter([True, False])
    fake.answers["check_pulling"] = lambda _image: next(pulling)
    fake.answers["check_and_pull"] = {IMAGE.canonical: "task-1"}
    await client.check_and_pull([IMAGE])
    assert fake.asked("check_and_pull")[0].args == [{IMAGE.canonical: IMAGE_CONFIG}]
    assert [call.args for call in fake.asked("check_pulling")] == [[IMAGE.canonical]] * 2


async def test_each_call_has_a_connection_of_its_own(
    fake: FakeAgent, client: CallosumAgentClient
) -> None:
    fake.answers["gather_hwinfo"] = {}
    await client.gather_hwinfo()
    await client.gather_hwinfo()
    assert fake.connections == 2


@pytest.mark.parametrize(
    ("function", "answer", "call", "name"),
    [
        (
            "start_service",
            {"status": "failed", "error": "invalid service name"},
            lambda agent: agent.start_service(K, "x", {}),
            "ServiceNotStarted",
        ),
        ("start_service", None, lambda agent: agent.start_service(K, "x", {}), "ServiceNotStarted"),
        (
            "list_files",
            {"files": "", "errors": "Traceback\nFileNotFoundError: x\n", "abspath": "x"},
            lambda agent: agent.list_files(K, "x"),
            "FilesNotListed",
        ),
        (
            "execute",
            {"status": "not-implemented"},
            lambda agent: agent.execute(
                S, K, run_id="", mode=ExecutionMode.QUERY, code="", opts={}, flush_timeout=1
            ),
            "ExecutionRefused",
        ),
    ],
)
async def test_failure_inside_of_a_result_is_an_error(
    fake: FakeAgent,
    client: CallosumAgentClient,
    function: str,
    answer: object,
    call: Callable[[CallosumAgentClient], Awaitable[object]],
    name: str,
) -> None:
    fake.answers |= {"check_creating": True, function: answer}
    with pytest.raises(AgentError) as raised:
        await call(client)
    assert raised.value.name == name


async def test_empty_folder_has_no_entries(fake: FakeAgent, client: CallosumAgentClient) -> None:
    fake.answers["list_files"] = {"files": "[]\n", "errors": "", "abspath": "."}
    assert await client.list_files(K, ".") == []


async def test_too_large_upload_never_leaves(fake: FakeAgent, client: CallosumAgentClient) -> None:
    with pytest.raises(AgentError, match="1048577 bytes"):
        await client.upload_file(K, "a", bytes(2**20 + 1))
    assert fake.connections == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda agent: agent.interrupt_kernel(K),
        lambda agent: agent.trigger_batch_execution(S, K, "true", None),
        lambda agent: agent.get_completions(K, "a", {}),
        lambda agent: agent.get_logs(K),
        lambda agent: anext(agent.follow_logs(K)),
        lambda agent: agent.list_files(K, "."),
        lambda agent: agent.upload_file(K, "a", b""),
        lambda agent: agent.download_single(K, "a"),
        lambda agent: agent.download_file(K, "a"),
        lambda agent: agent.start_service(K, "a", {}),
        lambda agent: agent.shutdown_service(K, "a"),
        lambda agent: agent.commit(K, "a"),
        lambda agent: agent.commit_status(K, "a"),
        lambda agent: agent.execute(
            S, K, run_id="r", mode=ExecutionMode.QUERY, code="", opts={}, flush_timeout=1
        ),
    ],
)
async def test_unknown_kernel_is_said_to_be_unknown(
    fake: FakeAgent,
    client: CallosumAgentClient,
    call: Callable[[CallosumAgentClient], Awaitable[object]],
) -> None:
    fake.answers = dict.fromkeys(upstream.FUNCTIONS, Failure("KeyError", f"KeyError('{K}')"))
    fake.answers["check_creating"] = False
    with pytest.raises(KernelNotOnAgent):
        await call(client)


async def test_kernel_that_ends_while_it_is_destroyed_is_destroyed(
    fake: FakeAgent, client: CallosumAgentClient
) -> None:
    fake.answers |= {"check_creating": False, "destroy_kernel": Failure("KeyError", "KeyError()")}
    await client.destroy_kernel(K, S, "user-requested")


async def test_kernel_that_cannot_be_destroyed_is_an_error(
    fake: FakeAgent, client: CallosumAgentClient
) -> None:
    failure = Failure("DockerError", "DockerError(500)")
    fake.answers |= {"check_creating": True, "destroy_kernel": failure}
    with pytest.raises(AgentError, match="DockerError"):
        await client.destroy_kernel(K, S, "user-requested")


async def test_background_work_is_not_begun_for_an_unknown_kernel(
    fake: FakeAgent, client: CallosumAgentClient
) -> None:
    fake.answers["check_creating"] = False
    with pytest.raises(KernelNotOnAgent):
        await client.trigger_batch_execution(S, K, "true", None)
    assert fake.asked("trigger_batch_execution") == []


async def test_failure_of_a_known_kernel_tells_its_class(
    fake: FakeAgent, client: CallosumAgentClient
) -> None:
    text = "ValueError('Too large archive file exceeding 1 MiB')"
    fake.answers |= {"check_creating": True, "download_file": Failure("ValueError", text)}
    with pytest.raises(AgentError, match="exceeding 1 MiB") as raised:
        await client.download_file(K, "a")
    assert raised.value.name == "ValueError"


def test_only_functions_that_agents_have_can_be_asked_for() -> None:
    assert {function.value for function in Function} < upstream.FUNCTIONS


def test_functions_that_destroy_what_is_not_named_cannot_be_asked_for() -> None:
    hazards = {"sync_kernel_registry", "reset_agent", "purge_containers", "drop_kernel_registry"}
    assert not hazards & {function.value for function in Function}
