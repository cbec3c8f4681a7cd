"""Real agents of Backend.AI 25.17, one plain and one with CURVE.

Their backend is a dummy: kernels are created, known and destroyed, and every function can be
asked, but nothing runs in them. So of ``tests.agent.contract`` they keep what is imported below;
that code runs, logs grow, files stay, services start and ended kernels are remembered is not to
be seen. A batch command is never begun: it makes a dummy spin.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import zmq
from zmq.auth.certs import create_certificates, load_certificate

from bai_manager.clients.agent.callosum.client import CallosumAgentClient
from bai_manager.clients.agent.callosum.functions import Limits
from bai_manager.clients.agent.callosum.parallel import ask_all
from bai_manager.clients.agent.callosum.records import KernelRecord, Registration
from bai_manager.clients.agent.errors import AgentError, AgentUnreachable, KernelNotOnAgent
from bai_manager.clients.agent.protocol import AgentHealth, KernelState
from tests.agent.contract import (
    test_agent_is_healthy,
    test_destroying_an_unknown_kernel_is_no_error,
    test_forgetting_leaves_living_kernels,
    test_several_kernels_are_created_in_order,
    test_unknown_kernel_is_said_to_be_unknown,
)
from tests.agent.kernels import KernelUnderTest, create, make_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from bai_manager.clients.agent.protocol import (
        ClusterInfo,
        KernelCreationConfig,
        KernelCreationInfo,
    )

__all__ = [
    "test_agent_is_healthy",
    "test_destroying_an_unknown_kernel_is_no_error",
    "test_forgetting_leaves_living_kernels",
    "test_several_kernels_are_created_in_order",
    "test_unknown_kernel_is_said_to_be_unknown",
]
pytestmark = pytest.mark.cluster

CLUSTER = dict(os.environ)
"""As it was before each test is given an environment of its own."""


class RememberingClient(CallosumAgentClient):
    """Keeps records of the kernels that it creates, as a database would."""

    def __init__(
        self, real: RealAgent, keypair: Path | None = None, limits: Limits | None = None
    ) -> None:
        super().__init__(
            real.agent_id,
            real.addr,
            registration=Registration(public_key=real.public_key, version="25.17.0"),
            manager_keypair=keypair or Path(CLUSTER["BAI_CLUSTER_MANAGER_KEYPAIR"]),
            limits=limits,
            records=self._remembered,
        )
        self.created: list[KernelRecord] = []

    async def create_kernels(
        self, session_id: UUID, configs: Sequence[KernelCreationConfig], cluster: ClusterInfo
    ) -> list[KernelCreationInfo]:
        infos = await super().create_kernels(session_id, configs, cluster)
        self.created += [
            KernelRecord(
                kernel_id=config.kernel_id,
                session_id=config.session_id,
                image=config.image,
                creation_info=info,
            )
            for config, info in zip(configs, infos, strict=True)
        ]
        return infos

    async def _remembered(self, _agent_id: str) -> list[KernelRecord]:
        return self.created


@dataclass(frozen=True)
class RealAgent:
    agent_id: str
    addr: str
    public_key: str | None

    def client(
        self, *, keypair: Path | None = None, limits: Limits | None = None
    ) -> RememberingClient:
        return RememberingClient(self, keypair, limits)


def plain() -> RealAgent:
    return RealAgent("i-dummy-1", CLUSTER["BAI_CLUSTER_AGENT_ADDR"], None)


def secured() -> RealAgent:
    key, _ = load_certificate(CLUSTER["BAI_CLUSTER_AGENT_PUBLIC_KEY"])
    return RealAgent("i-dummy-2", CLUSTER["BAI_CLUSTER_AGENT_CURVE_ADDR"], key.decode())


@pytest.fixture(params=[plain, secured], ids=["plain", "curve"])
def real(request: pytest.FixtureRequest) -> RealAgent:
    found = request.param()
    assert isinstance(found, RealAgent)
    return found


@pytest_asyncio.fixture
async def agent(real: RealAgent) -> AsyncIterator[RememberingClient]:
    """The agent, which must be as healthy afterwards, also for whoever asks it anew."""
    client = real.client()
    yield client
    for record in client.created:
        await client.destroy_kernel(record.kernel_id, record.session_id, "user-requested")
    assert await real.client().health() == AgentHealth(status="ok", version="25.17.0")


@pytest_asyncio.fixture
async def kernel(agent: RememberingClient) -> KernelUnderTest:
    config = make_config()
    await create(agent, config)
    return KernelUnderTest(agent, config)


Test = Callable[..., Awaitable[None]]


def remade(test: Test) -> Test:
    """On another kernel once more, where the dummy had its minute and forgot the first."""

    @wraps(test)
    async def tried(*, kernel: KernelUnderTest, **fixtures: object) -> None:
        try:
            await test(kernel=kernel, **fixtures)
        except KernelNotOnAgent:
            config = make_config()
            await create(kernel.agent, config)
            await test(kernel=KernelUnderTest(kernel.agent, config), **fixtures)

    return tried


async def test_hardware_is_described(agent: RememberingClient) -> None:
    assert await agent.gather_hwinfo() == {}


async def test_created_kernel_is_told_with_what_it_occupies(agent: RememberingClient) -> None:
    config = make_config()
    (info,) = await create(agent, config)
    assert info.kernel_id == config.kernel_id
    assert info.occupied_slots == config.resource_slots
    assert info.attached_devices.keys() == {"cpu", "mem"}
    assert info.kernel_host == "127.0.0.1"


async def test_kernel_is_reported_until_it_is_destroyed(
    agent: RememberingClient, kernel: KernelUnderTest
) -> None:
    (report,) = await agent.kernel_reports()
    assert (report.kernel_id, report.state) == (kernel.id, KernelState.RUNNING)
    await kernel.destroy()
    reports = await agent.kernel_reports()
    async with asyncio.timeout(10):
        while reports:
            await asyncio.sleep(0.05)
            reports = await agent.kernel_reports()


@remade
async def test_log_is_read_and_followed(kernel: KernelUnderTest) -> None:
    assert await kernel.agent.get_logs(kernel.id) == "my logs"
    assert await anext(kernel.agent.follow_logs(kernel.id)) == "my logs"


@remade
async def test_code_can_be_interrupted_and_completed(kernel: KernelUnderTest) -> None:
    await kernel.agent.interrupt_kernel(kernel.id)
    found = await kernel.agent.get_completions(kernel.id, "im", {})
    assert (found.status, [*found.suggestions]) == ("finished", [])


@remade
async def test_code_is_handed_over_and_the_dummy_says_that_it_runs_none(
    kernel: KernelUnderTest,
) -> None:
    with pytest.raises(AgentError, match="not-implemented"):
        await kernel.turn("print('hello')")


@remade
async def test_files_go_to_and_fro(kernel: KernelUnderTest) -> None:
    await kernel.agent.upload_file(kernel.id, "data/in.bin", b"\0\1\2")
    assert await kernel.agent.list_files(kernel.id, ".") == []
    assert await kernel.agent.download_single(kernel.id, "data/in.bin") == b""
    assert await kernel.agent.download_file(kernel.id, "data") == b""


@remade
async def test_services_are_asked_for(kernel: KernelUnderTest) -> None:
    with pytest.raises(AgentError, match="does not say that it started"):
        await kernel.agent.start_service(kernel.id, "ttyd", {})
    await kernel.agent.shutdown_service(kernel.id, "ttyd")


@remade
async def test_commit_is_begun(agent: RememberingClient, kernel: KernelUnderTest) -> None:
    assert (await agent.commit(kernel.id, "user@example.com")).task_id
    assert await agent.commit_status(kernel.id, "user@example.com") in {"ready", "ongoing"}


async def test_images_are_pulled_pushed_and_purged(agent: RememberingClient) -> None:
    image = make_config().image
    await agent.check_and_pull([image])
    assert await agent.push_image(image)
    assert await agent.purge_images([image.canonical], force=False, noprune=True) == {}


async def test_failure_tells_the_class_of_the_agent(real: RealAgent) -> None:
    stranger = RealAgent("i-nobody", real.addr, real.public_key).client()
    with pytest.raises(AgentError) as raised:
        await stranger.gather_hwinfo()
    assert raised.value.name == "AgentIdNotFoundError"
    assert (await real.client().health()).status == "ok"


async def test_hung_call_ends_in_time_and_leaves_the_agent_healthy(
    real: RealAgent, agent: RememberingClient
) -> None:
    """A dummy takes a second to create a kernel; who waits less gives the call up."""
    config = make_config()
    with pytest.raises(AgentUnreachable, match=r"no answer within 0\.2 s"):
        await create(real.client(limits=Limits(life=0.2)), config)
    assert (await agent.health()).status == "ok"
    await agent.destroy_kernel(config.kernel_id, config.session_id, "user-requested")


async def test_call_that_is_given_up_leaves_the_agent_healthy(agent: RememberingClient) -> None:
    config = make_config()
    creating = asyncio.create_task(create(agent, config))
    await asyncio.sleep(0.1)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    assert (await agent.health()).status == "ok"
    await agent.destroy_kernel(config.kernel_id, config.session_id, "user-requested")


async def test_wrong_key_of_the_manager_is_refused(tmp_path: Path) -> None:
    _, other = create_certificates(tmp_path, "other")
    with pytest.raises(AgentUnreachable, match="refuses the manager's key"):
        await secured().client(keypair=Path(other)).health()
    assert (await secured().client().health()).status == "ok"


async def test_wrong_key_of_the_agent_is_told() -> None:
    key, _ = zmq.curve_keypair()
    wrong = RealAgent("i-dummy-2", secured().addr, key.decode())
    with pytest.raises(AgentUnreachable, match="not the one in the database"):
        await wrong.client().health()
    assert (await secured().client().health()).status == "ok"


async def test_agents_that_differ_about_keys_are_told() -> None:
    keyless = RealAgent("i-dummy-2", secured().addr, None)
    with pytest.raises(AgentUnreachable, match="asks for keys"):
        await keyless.client().health()
    with_key = RealAgent("i-dummy-1", plain().addr, secured().public_key)
    with pytest.raises(AgentUnreachable, match="or it uses none"):
        await with_key.client().health()
    for real in (plain(), secured()):
        assert (await real.client().health()).status == "ok"


async def test_dead_agent_is_told() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
    gone = RealAgent("i-gone", f"tcp://127.0.0.1:{port}", None)
    with pytest.raises(AgentUnreachable, match="nobody accepts connections"):
        await gone.client().health()


async def test_many_calls_at_once_are_all_answered(agent: RememberingClient) -> None:
    healths = await asyncio.gather(*(agent.health() for _ in range(100)))
    assert {health.status for health in healths} == {"ok"}


async def test_all_agents_are_asked_together() -> None:
    agents = [plain().client(), secured().client()]
    told = await ask_all(agents, lambda agent: agent.health())
    healthy = AgentHealth(status="ok", version="25.17.0")
    assert told == {"i-dummy-1": healthy, "i-dummy-2": healthy}
