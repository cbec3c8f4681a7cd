"""An agent that is not there, hangs, refuses us or lies: a clear error, in time, and no harm."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgpack
import pytest
import zmq
from zmq.auth.certs import create_certificates

from bai_manager.clients.agent.callosum import caller
from bai_manager.clients.agent.callosum.client import CallosumAgentClient
from bai_manager.clients.agent.callosum.errors import (
    AgentVersionNotSpoken,
    ClusterExtraMissing,
    KeypairUnusable,
)
from bai_manager.clients.agent.callosum.functions import Limits
from bai_manager.clients.agent.callosum.records import Registration
from bai_manager.clients.agent.errors import AgentError, AgentUnreachable, ImagePullFailed
from bai_manager.clients.agent.protocol import ExecutionMode
from bai_manager.errors import ExitCode
from tests.rpc import upstream
from tests.rpc.conftest import AGENT_ID, PLAIN, SHORT
from tests.rpc.fake_agent import (
    CANCELLED,
    ERROR,
    SILENCE,
    FakeAgent,
    Frames,
    answered,
    message,
    running,
)
from tests.rpc.test_functions import CLUSTER, CONFIG, CREATED, IMAGE, K, S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.rpc.conftest import Keyring

HEALTH = {"status": "ok", "version": "25.17.0"}
HEADER = {"meth": "health", "okey": "", "seq": 0, "zip": False}


@asynccontextmanager
async def listener(says: bytes | None) -> AsyncIterator[str]:
    """Somebody who accepts connections and is no agent; without words it closes them."""
    writers = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if says is None:
            writer.close()
        else:
            writer.write(says)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        yield f"tcp://{host}:{port}"
        for writer in writers:
            writer.close()


def hurried_client(addr: str, registration: Registration = PLAIN) -> CallosumAgentClient:
    return CallosumAgentClient(AGENT_ID, addr, registration=registration, limits=SHORT)


async def why_unreachable(client: CallosumAgentClient) -> str:
    with pytest.raises(AgentUnreachable) as raised:
        await client.health()
    assert raised.value.exit_code is ExitCode.UNREACHABLE
    assert raised.value.details == {"agent": AGENT_ID}
    return raised.value.message


async def test_dead_agent_is_told_at_once() -> None:
    async with running() as gone:
        addr = gone.addr
    patient = CallosumAgentClient(
        AGENT_ID, addr, registration=PLAIN, limits=Limits(greeting=3600, answer=3600)
    )
    assert f"nobody accepts connections at {addr}" in await why_unreachable(patient)


async def test_agent_whose_receive_loop_is_dead_is_told(
    fake: FakeAgent, hurried: CallosumAgentClient
) -> None:
    fake.dead = True
    with pytest.raises(AgentUnreachable, match=r"says nothing within 0\.25 s") as raised:
        await hurried.health()
    assert "restart of the agent" in str(raised.value.hint)


async def test_hung_call_ends_and_the_agent_is_told(
    fake: FakeAgent, hurried: CallosumAgentClient
) -> None:
    fake.answers["health"] = SILENCE
    assert "no answer within 0.25 s" in await why_unreachable(hurried)
    await until(lambda: fake.cancelled == ["health"])


async def test_call_that_nobody_waits_for_is_given_up_at_the_agent(
    fake: FakeAgent, client: CallosumAgentClient
) -> None:
    fake.answers["health"] = SILENCE
    waiting = asyncio.create_task(client.health())
    await until(lambda: fake.calls)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(lambda: fake.cancelled == ["health"])


async def test_turn_is_waited_for_longer_than_its_output(
    fake: FakeAgent, hurried: CallosumAgentClient
) -> None:
    """The limit of a call never cuts off what the call itself was told to wait for."""
    fake.answers["execute"] = SILENCE
    turn = hurried.execute(
        S, K, run_id="r", mode=ExecutionMode.QUERY, code="", opts={}, flush_timeout=0.5
    )
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(turn, 0.6)


async def test_agent_that_breaks_off_is_told_at_once() -> None:
    async with listener(None) as addr:
        assert "does not answer" in await why_unreachable(hurried_client(addr))


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4])
async def test_stranger_at_the_address_is_told(says: bytes) -> None:
    async with listener(says) as addr:
        assert "does not speak as an agent" in await why_unreachable(hurried_client(addr))


@pytest.mark.parametrize("addr", ["bogus", "tcp://", "tcp://127.0.0.1", "udp://127.0.0.1:1"])
async def test_address_that_is_none_is_told(addr: str) -> None:
    assert f"{addr!r} is no address" in await why_unreachable(hurried_client(addr))


async def test_name_without_a_host_is_told() -> None:
    addr = "tcp://nobody.invalid:6001"
    assert f"no connection to {addr}" in await why_unreachable(hurried_client(addr))


async def test_right_keys_let_in(secured: FakeAgent, keyring: Keyring) -> None:
    secured.answers["health"] = HEALTH
    client = CallosumAgentClient(
        AGENT_ID,
        secured.addr,
        registration=keyring.registration,
        manager_keypair=keyring.keypair,
    )
    assert (await client.health()).status == "ok"


async def test_wrong_key_of_the_manager_is_told_at_once(
    secured: FakeAgent, keyring: Keyring, tmp_path: Path
) -> None:
    _, other = create_certificates(tmp_path, "other")
    client = CallosumAgentClient(
        AGENT_ID,
        secured.addr,
        registration=keyring.registration,
        manager_keypair=Path(other),
    )
    assert "refuses the manager's key" in await why_unreachable(client)
    assert secured.connections == 0


async def test_wrong_key_of_the_agent_is_told_at_once(secured: FakeAgent, keyring: Keyring) -> None:
    other, _ = zmq.curve_keypair()
    client = CallosumAgentClient(
        AGENT_ID,
        secured.addr,
        registration=Registration(public_key=other.decode()),
        manager_keypair=keyring.keypair,
    )
    assert "its key is not the one in the database" in await why_unreachable(client)


async def test_secured_agent_without_a_key_in_the_database_is_told(secured: FakeAgent) -> None:
    client = CallosumAgentClient(AGENT_ID, secured.addr, registration=PLAIN)
    assert "it asks for keys" in await why_unreachable(client)


async def test_plain_agent_with_a_key_in_the_database_is_told(
    fake: FakeAgent, keyring: Keyring
) -> None:
    client = CallosumAgentClient(
        AGENT_ID, fake.addr, registration=keyring.registration, manager_keypair=keyring.keypair
    )
    assert "or it uses none" in await why_unreachable(client)


async def test_key_in_the_database_that_is_none_is_told(fake: FakeAgent) -> None:
    client = hurried_client(fake.addr, Registration(public_key="too short"))
    assert "its public key in the database" in await why_unreachable(client)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file|Invalid certificate file|no such file"),
        ("nothing", "no public key"),
        ('curve\n    public-key = "abc"\n', "no secret key"),
        ('curve\n    public-key = "abc"\n    secret-key = "abc"\n', "40 characters"),
    ],
)
async def test_key_pair_that_cannot_be_used_is_told(
    secured: FakeAgent, keyring: Keyring, tmp_path: Path, content: str | None, why: str
) -> None:
    path = tmp_path / "broken.key_secret"
    if content is not None:
        path.write_text(content)
    client = CallosumAgentClient(
        AGENT_ID, secured.addr, registration=keyring.registration, manager_keypair=path
    )
    with pytest.raises(KeypairUnusable, match=why):
        await client.health()


async def test_secured_agent_needs_a_key_pair(secured: FakeAgent, keyring: Keyring) -> None:
    client = CallosumAgentClient(AGENT_ID, secured.addr, registration=keyring.registration)
    with pytest.raises(KeypairUnusable, match="the profile names none"):
        await client.health()


async def test_key_is_looked_up_once(fake: FakeAgent) -> None:
    looked_up = []

    async def look_up() -> Registration:
        looked_up.append(1)
        return PLAIN

    fake.answers["health"] = HEALTH
    client = CallosumAgentClient(AGENT_ID, fake.addr, registration=look_up)
    await client.health()
    await client.health()
    assert looked_up == [1]


@pytest.mark.parametrize("version", ["24.09.3", "25.1", "25.170.0", "25.18.0", "26.1.0"])
async def test_agent_of_another_version_is_not_asked_anything(
    fake: FakeAgent, version: str
) -> None:
    client = hurried_client(fake.addr, Registration(public_key=None, version=version))
    with pytest.raises(AgentVersionNotSpoken, match=version):
        await client.health()
    assert fake.connections == 0


async def test_agent_of_the_known_version_is_asked(fake: FakeAgent) -> None:
    fake.answers["health"] = HEALTH
    known = Registration(public_key=None, version="25.17.3")
    assert (await hurried_client(fake.addr, known).health()).status == "ok"


@pytest.mark.parametrize(("module", "package"), [("zmq", "pyzmq"), ("msgpack", "msgpack")])
def test_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ClusterExtraMissing, match=package) as raised:
        CallosumAgentClient(AGENT_ID, "tcp://127.0.0.1:1", registration=PLAIN)
    assert "bai-manager[cluster]" in str(raised.value.hint)


def test_without_the_packages_the_client_can_still_say_so() -> None:
    code = (
        "import sys; sys.modules['zmq'] = sys.modules['msgpack'] = None\n"
        "from bai_manager.clients.agent.callosum.client import CallosumAgentClient\n"
        "CallosumAgentClient('i', 'tcp://127.0.0.1:1', registration=None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False
    )
    assert done.stderr.splitlines()[-1].startswith(
        "bai_manager.clients.agent.callosum.errors.ClusterExtraMissing"
    )


class Evil:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self._path), "w")


def extension(code: int, data: bytes) -> bytes:
    return bytes(msgpack.packb(msgpack.ExtType(code, data)))


GARBAGE = {
    "no msgpack": answered("health", b"\xc1"),
    "cut off": answered("health", upstream.packed(HEALTH)[:-3]),
    "more than one": answered("health", upstream.packed(HEALTH) * 2),
    "empty": answered("health", b""),
    "no map": answered("health", upstream.packed([1])),
    "parts missing": answered("health", upstream.packed({"status": "ok"})),
    "parts of another kind": answered("health", upstream.packed({"status": 1, "version": b""})),
    "no text": answered("health", b"\xa4\xff\xff\xff\xff"),
    "map as a key": answered("health", b"\x81\x80\x80"),
    "too deep": answered("health", b"\x91" * 100_000 + b"\xc0"),
    "a length of gigabytes": answered("health", b"\xdd\xff\xff\xff\xff\xc0"),
    "unknown extension": answered("health", extension(99, b"")),
    "broken id": answered("health", extension(1, b"short")),
    "broken pickle": answered("health", extension(3, b"\x80\x05K")),
    "huge pickle": answered("health", extension(3, b"\x80\x05" + b"N" * 2**20 + b".")),
    "wrong sequence": answered("health", upstream.packed(HEALTH), seq=1),
    "wrong function": answered("execute", upstream.packed(HEALTH)),
    "wrong order key": answered("health", upstream.packed(HEALTH), okey="other"),
    "compressed": answered("health", upstream.packed(HEALTH), zip=True),
    "broken header": Frames([b"UPPER", b"\xc1", upstream.packed({"meta": b"", "body": b"\xc0"})]),
    "header of another kind": Frames([b"UPPER", b"\x90", b"\x80"]),
    "broken contents": Frames([b"UPPER", upstream.packed({**HEADER, "type": 2}), b"\xc1"]),
    "no contents": Frames([b"UPPER", upstream.packed({**HEADER, "type": 2}), b"\x80"]),
    "no result": Frames(message(HEADER, 2)),
    "unknown type": Frames(message(HEADER, 99)),
    "failure without a name": Frames(message(HEADER, 3, meta=b"\x90")),
    "too few frames": Frames([b"UPPER"]),
    "too many frames": Frames([b"UPPER"] * 10),
    "another greeting": Frames([b"PONG", b"", b""]),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_as_good_as_no_answer(
    fake: FakeAgent, client: CallosumAgentClient, garbage: Frames
) -> None:
    fake.answers["health"] = garbage
    assert "cannot be read" in await why_unreachable(client)


async def test_greeting_of_another_kind_is_as_good_as_none(
    fake: FakeAgent, client: CallosumAgentClient
) -> None:
    fake.greeting = [b"HELLO"]
    assert "cannot be read" in await why_unreachable(client)


@pytest.mark.parametrize("code", [3, 6, 7, 8, 9, 16])
async def test_evil_pickle_is_refused_and_never_run(
    fake: FakeAgent, client: CallosumAgentClient, tmp_path: Path, code: int
) -> None:
    written = tmp_path / "written"
    evil = pickle.dumps(Evil(written), protocol=5)
    fake.answers["gather_hwinfo"] = answered("gather_hwinfo", extension(code, evil))
    with pytest.raises(AgentUnreachable, match=r"io\.open, which is never loaded"):
        await client.gather_hwinfo()
    assert not written.exists()


@pytest.mark.parametrize(
    ("function", "answer", "call"),
    [
        ("gather_hwinfo", {"cpu": b"bytes"}, lambda agent: agent.gather_hwinfo()),
        ("gather_hwinfo", {b"bytes": 1}, lambda agent: agent.gather_hwinfo()),
        ("get_logs", {"logs": b"bytes"}, lambda agent: agent.get_logs(K)),
        ("download_file", "text", lambda agent: agent.download_file(K, "a")),
        ("list_files", {"files": "{", "errors": ""}, lambda agent: agent.list_files(K, ".")),
        ("list_files", {"files": "[1]"}, lambda agent: agent.list_files(K, ".")),
        ("list_files", {"files": "[" * 99999}, lambda agent: agent.list_files(K, ".")),
        (
            "list_files",
            {"files": '[{"filename": "a", "size": 1, "mode": "", "mtime": 1e300}]'},
            lambda agent: agent.list_files(K, "."),
        ),
        ("get_completions", {"result": []}, lambda agent: agent.get_completions(K, "", {})),
        ("create_kernels", [], lambda agent: agent.create_kernels(S, [CONFIG], CLUSTER)),
        ("create_kernels", {}, lambda agent: agent.create_kernels(S, [CONFIG], CLUSTER)),
        (
            "create_kernels",
            [{**CREATED, "id": "no id"}],
            lambda agent: agent.create_kernels(S, [CONFIG], CLUSTER),
        ),
        (
            "create_kernels",
            [{**CREATED, "repl_in_port": "2000"}],
            lambda agent: agent.create_kernels(S, [CONFIG], CLUSTER),
        ),
        (
            "create_kernels",
            [{**CREATED, "resource_spec": {"allocations": {"cpu": {"cpu": {"0": "1"}}}}}],
            lambda agent: agent.create_kernels(S, [CONFIG], CLUSTER),
        ),
    ],
)
async def test_result_of_another_shape_is_as_good_as_no_answer(
    fake: FakeAgent,
    client: CallosumAgentClient,
    function: str,
    answer: object,
    call: Callable[[CallosumAgentClient], Awaitable[object]],
) -> None:
    fake.answers |= {"check_creating": True, function: answer}
    with pytest.raises(AgentUnreachable, match="cannot be read"):
        await call(client)


async def test_oversized_answer_is_refused(
    fake: FakeAgent, hurried: CallosumAgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answers["get_logs"] = {"logs": "x" * 200_000}
    assert len(await hurried.get_logs(K)) == 200_000
    monkeypatch.setattr(hurried._agent, "_largest", 100_000)
    with pytest.raises(AgentUnreachable, match="sent more than 100000 bytes"):
        await hurried.get_logs(K)


def test_whole_log_of_a_container_is_no_oversized_answer() -> None:
    assert caller.LARGEST_ANSWER > 3 * 10 * 2**20


@pytest.mark.parametrize("kind", [ERROR, CANCELLED])
async def test_error_of_the_agents_machinery_is_a_failure(
    fake: FakeAgent, client: CallosumAgentClient, kind: int
) -> None:
    meta = upstream.packed(["CancelledError", "CancelledError()", ""])
    fake.answers["health"] = Frames(message(HEADER, kind, meta=meta))
    with pytest.raises(AgentError) as raised:
        await client.health()
    assert raised.value.name == "CancelledError"


async def test_image_that_takes_too_long_is_told(
    fake: FakeAgent, hurried: CallosumAgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bai_manager.clients.agent.callosum.client._PULL_PAUSE", 0.01)
    fake.answers |= {"check_and_pull": {}, "check_pulling": True}
    with pytest.raises(ImagePullFailed, match="still being pulled"):
        await hurried.check_and_pull([IMAGE])


async def test_agent_stays_healthy_after_everything(
    fake: FakeAgent, hurried: CallosumAgentClient
) -> None:
    for answer in (SILENCE, *GARBAGE.values()):
        fake.answers["health"] = answer
        with pytest.raises(AgentUnreachable):
            await hurried.health()
    fake.answers["health"] = HEALTH
    assert (await hurried.health()).status == "ok"
    assert not fake.dead


async def test_connections_are_let_go_of(fake: FakeAgent, hurried: CallosumAgentClient) -> None:
    fake.answers["health"] = HEALTH
    await hurried.health()
    before = open_files()
    for answer in [HEALTH, answered("health", b"\xc1")] * 20:
        fake.answers["health"] = answer
        await asyncio.gather(hurried.health(), return_exceptions=True)
    await until(lambda: open_files() <= before + 4)


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


async def until(check: Callable[[], object]) -> None:
    done = check()
    async with asyncio.timeout(5):
        while not done:
            await asyncio.sleep(0.005)
            done = check()
