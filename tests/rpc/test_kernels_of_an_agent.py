"""What an agent does not tell by itself: its kernels, their usage, how a log goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bai_manager.clients.agent.callosum.client import CallosumAgentClient
from bai_manager.clients.agent.callosum.logs import added
from bai_manager.clients.agent.callosum.parallel import ask_all
from bai_manager.clients.agent.callosum.records import KernelRecord
from bai_manager.clients.agent.errors import AgentError, AgentUnreachable, KernelNotOnAgent
from bai_manager.clients.agent.protocol import KernelReport, KernelStat, KernelState
from bai_manager.types.clock import system_clock
from tests.rpc import upstream
from tests.rpc.conftest import AGENT_ID, PLAIN, SHORT
from tests.rpc.fake_agent import SILENCE, Failure, running
from tests.rpc.test_functions import CREATION_INFO, IMAGE, IMAGE_ARGUMENTS, PORT, K, S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bai_manager.clients.agent.protocol import AgentClient
    from tests.rpc.fake_agent import FakeAgent

CREATING, GONE = UUID(int=11), UUID(int=12)


def record(kernel_id: UUID) -> KernelRecord:
    return KernelRecord(kernel_id=kernel_id, session_id=S, image=IMAGE, creation_info=CREATION_INFO)


async def records(agent_id: str) -> list[KernelRecord]:
    assert agent_id == AGENT_ID
    return [record(K), record(CREATING), record(GONE)]


@pytest.fixture
def informed(fake: FakeAgent) -> CallosumAgentClient:
    return CallosumAgentClient(AGENT_ID, fake.addr, registration=PLAIN, records=records)


async def test_kernels_of_the_records_are_reported_as_the_agent_knows_them(
    fake: FakeAgent, informed: CallosumAgentClient
) -> None:
    fake.answers["check_running"] = lambda kernel_id: kernel_id == str(K)
    fake.answers["check_creating"] = lambda kernel_id: kernel_id in {str(K), str(CREATING)}
    assert await informed.kernel_reports() == [
        KernelReport(
            kernel_id=K,
            session_id=S,
            state=KernelState.RUNNING,
            creation_info=CREATION_INFO,
        ),
        KernelReport(kernel_id=CREATING, session_id=S, state=KernelState.CREATING),
    ]


async def test_silent_agent_reports_nothing_at_all(fake: FakeAgent) -> None:
    fake.dead = True
    hurried = CallosumAgentClient(
        AGENT_ID, fake.addr, registration=PLAIN, records=records, limits=SHORT
    )
    with pytest.raises(AgentUnreachable):
        await hurried.kernel_reports()


async def test_restart_names_the_image_of_the_record(
    fake: FakeAgent, informed: CallosumAgentClient
) -> None:
    fake.answers |= {
        "check_creating": True,
        "restart_kernel": {
            "container_id": "new",
            "repl_in_port": 3000,
            "repl_out_port": 3001,
            "stdin_port": 3002,
            "stdout_port": 3003,
            "service_ports": (PORT,),
        },
    }
    info = await informed.restart_kernel(K, S)
    assert fake.asked("restart_kernel")[0].args == [str(S), str(K), IMAGE_ARGUMENTS, {}]
    assert (info.container_id, info.repl_in_port, info.stdout_port) == ("new", 3000, 3003)
    assert info.service_ports == CREATION_INFO.service_ports
    assert info.occupied_slots == CREATION_INFO.occupied_slots


@pytest.mark.parametrize("kernel_id", [GONE, UUID(int=99)])
async def test_restart_of_an_unknown_kernel_is_not_even_tried(
    fake: FakeAgent, informed: CallosumAgentClient, kernel_id: UUID
) -> None:
    """An agent would wait for it for ever after."""
    fake.answers["check_creating"] = False
    with pytest.raises(KernelNotOnAgent):
        await informed.restart_kernel(kernel_id, S)
    assert fake.asked("restart_kernel") == []


async def test_without_records_there_is_no_saying_which_kernels(
    client: CallosumAgentClient,
) -> None:
    with pytest.raises(AgentError, match="does not list its kernels"):
        await client.kernel_reports()


async def test_forgetting_asks_for_nothing(fake: FakeAgent, client: CallosumAgentClient) -> None:
    await client.forget_kernels([K])
    assert fake.connections == 0


async def test_usage_is_read_where_agents_leave_it(fake: FakeAgent) -> None:
    stat = KernelStat(kernel_id=K, collected_at=system_clock(), metrics={"mem": {"current": "1"}})

    async def usage(kernel_ids: Sequence[UUID]) -> Mapping[UUID, KernelStat]:
        return {kernel_id: stat for kernel_id in kernel_ids if kernel_id == K}

    client = CallosumAgentClient(AGENT_ID, fake.addr, registration=PLAIN, usage=usage)
    assert await client.kernel_stats([K, GONE]) == {K: stat}


async def test_without_a_reader_there_is_no_usage(client: CallosumAgentClient) -> None:
    with pytest.raises(AgentError, match="Valkey"):
        await client.kernel_stats([K])


async def test_log_is_followed_until_the_kernel_is_gone(fake: FakeAgent) -> None:
    first = "".join(f"line {number}\n" for number in range(100))
    texts = iter([first, first, first + "two\n", first[70:] + "two\nthree\n"])

    def logs(_kernel_id: str) -> object:
        text = next(texts, None)
        return Failure("KeyError", "KeyError()") if text is None else {"logs": text}

    fake.answers |= {"get_logs": logs, "check_creating": False}
    client = CallosumAgentClient(AGENT_ID, fake.addr, registration=PLAIN, log_pause=0.001)
    assert [text async for text in client.follow_logs(K)] == [first, "two\n", "three\n"]


async def test_log_that_fails_while_the_kernel_lives_is_an_error(fake: FakeAgent) -> None:
    fake.answers |= {"get_logs": {"logs": "one"}, "check_creating": True}
    client = CallosumAgentClient(AGENT_ID, fake.addr, registration=PLAIN, log_pause=0.001)
    told = client.follow_logs(K)
    assert await anext(told) == "one"
    fake.answers["get_logs"] = Failure("DockerError", "DockerError(500)")
    with pytest.raises(AgentError, match="DockerError"):
        await anext(told)


@given(st.text(max_size=50), st.text(max_size=50))
def test_what_is_appended_to_a_log_is_told_once(before: str, more: str) -> None:
    assert added(before, before + more) == more


@given(st.integers(0, 30), st.integers(0, 20))
def test_log_that_lost_its_beginning_goes_on_where_it_was(lost: int, more: int) -> None:
    lines = [f"line {number}\n" for number in range(100 + more)]
    assert added("".join(lines[:100]), "".join(lines[lost:])) == "".join(lines[100:])


def test_log_of_which_nothing_is_left_is_told_whole() -> None:
    assert added("old", "new") == "new"


async def test_all_agents_are_asked_and_each_answers_for_itself() -> None:
    async with running() as well, running() as mute:
        well.answers["get_logs"] = {"logs": "x"}
        mute.answers["get_logs"] = SILENCE
        agents = [
            CallosumAgentClient(name, agent.addr, registration=PLAIN, limits=SHORT)
            for name, agent in (("i-well", well), ("i-mute", mute))
        ]
        told = await ask_all(agents, lambda agent: agent.get_logs(K))
    assert told["i-well"] == "x"
    assert isinstance(told["i-mute"], AgentUnreachable)


async def test_never_more_agents_are_asked_at_once_than_allowed(fake: FakeAgent) -> None:
    agents = [
        CallosumAgentClient(f"i-{number}", fake.addr, registration=PLAIN) for number in range(12)
    ]
    busy, most = 0, 0

    async def ask(agent: AgentClient) -> str:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        await agent.forget_kernels([])
        busy -= 1
        return agent.agent_id

    told = await ask_all(agents, ask, at_once=3)
    assert [*told] == [agent.agent_id for agent in agents]
    assert most == 3


async def test_error_of_ours_ends_the_questions(fake: FakeAgent) -> None:
    agents = [
        CallosumAgentClient(f"i-{number}", fake.addr, registration=PLAIN) for number in range(4)
    ]
    asked = []

    async def ask(agent: AgentClient) -> None:
        asked.append(agent.agent_id)
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ask_all(agents, ask, at_once=1)
    assert len(asked) < len(agents)


def test_fake_knows_the_functions_of_a_real_agent() -> None:
    assert len(upstream.FUNCTIONS) == 38
