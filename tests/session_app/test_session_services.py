"""Services of sessions on a cluster, by way of a coordinator; and the local file server."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from bai_manager.actions.errors import InsufficientPrivilege
from bai_manager.clients.agent.local.fileserver import handler_for
from bai_manager.clients.app_proxy.errors import (
    AppProxyBusy,
    AppProxyRefused,
    AppProxyTokenRefused,
    AppProxyUnreachable,
    NoAppProxy,
)
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.session import kernels
from bai_manager.services.session.errors import InvalidSessionState, SessionNotFound
from bai_manager.services.session_app.actions import (
    ListServicesAction,
    ShutdownServiceAction,
    StartServiceAction,
)
from bai_manager.services.session_app.errors import (
    AppNotFound,
    AppNotMapped,
    InferenceApp,
    InvalidAppPort,
)
from tests import seeds
from tests.session_app.coordinator import NO_WORKER, TOKEN, FakeCoordinator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from bai_manager.actions.base import Action, ActionResult
    from bai_manager.types.json import JsonObject, JsonValue
    from tests.door import Door
    from tests.seeds import SeededSession

PORTS: list[JsonValue] = [
    {
        "name": "jupyter",
        "protocol": "http",
        "container_ports": [8080, 8081],
        "host_ports": [30080, 30081],
        "is_inference": False,
    },
    {"name": "sshd", "protocol": "tcp", "container_ports": [2200], "host_port": 30022},
    {"name": "own", "protocol": "preopen", "container_ports": [9000], "host_ports": [30090]},
    {"name": "repl", "protocol": "internal", "container_ports": [2000], "host_ports": [30001]},
    {"name": "unmapped", "protocol": "http", "container_ports": [9100], "host_ports": [None]},
    {
        "name": "model",
        "protocol": "http",
        "container_ports": [9200],
        "host_ports": [30092],
        "is_inference": True,
    },
]


class StartingAgent:
    """Remembers what it was asked, as an agent that starts everything."""

    def __init__(self) -> None:
        self.started: list[tuple[UUID, str, JsonObject]] = []
        self.stopped: list[str] = []

    def client(self, _agent_id: str, _addr: str) -> StartingAgent:
        return self

    async def aclose(self) -> None:
        pass

    async def start_service(self, kernel_id: UUID, service: str, opts: JsonObject) -> JsonObject:
        self.started.append((kernel_id, service, opts))
        return {"status": "started"}

    async def shutdown_service(self, _kernel_id: UUID, service: str) -> None:
        self.stopped.append(service)


class Served:
    """A session of alice's that serves, and everything around it."""

    def __init__(self, door: Door, session: SeededSession, proxy: FakeCoordinator) -> None:
        self.door = door
        self.session = session
        self.proxy = proxy
        self.agent = StartingAgent()

    async def run(self, action: Action[ActionResult], name: str = "alice") -> Any:
        async with self.door.app(name) as app:
            app.__dict__["agents"] = self.agent
            return await app.processor.run(action)

    async def start(self, service: str = "jupyter", **given: Any) -> Any:
        return await self.run(StartServiceAction(session="train-1", service=service, **given))

    async def set_proxy(self, url: str | None, token: str | None = TOKEN) -> None:
        async with self.door.database.transaction() as connection:
            await connection.execute(
                update(scaling_groups).values(wsproxy_addr=url, wsproxy_api_token=token)
            )


@pytest.fixture
def proxy() -> Iterator[FakeCoordinator]:
    with FakeCoordinator() as started:
        yield started


@pytest.fixture
async def served(shared: Door, proxy: FakeCoordinator) -> Served:
    async with shared.database.transaction() as connection:
        found = await connection.execute(kernels.select().limit(1))
        if (row := found.first()) is None:
            session = await seeds.seed_session(connection, shared.world.alice, name="train-1")
            await connection.execute(
                update(kernels).values(
                    service_ports=PORTS, kernel_host="10.0.0.7", agent_addr="tcp://10.0.0.8:6001"
                )
            )
        else:
            session = seeds.SeededSession(id=row.session_id, name="train-1", kernel_ids=(row.id,))
    made = Served(shared, session, proxy)
    await made.set_proxy(proxy.url)
    return made


async def test_a_service_is_started_registered_and_given_a_way(served: Served) -> None:
    done = await served.start(arguments={"--debug": "yes"}, environ={"A": "1"})
    assert (done.session_id, done.url) == (served.session.id, "http://worker.example.com:10205/")
    options = {"arguments": {"--debug": "yes"}, "envs": {"A": "1"}}
    assert served.agent.started == [(served.session.kernel_ids[0], "jupyter", options)]
    alice = served.door.world.alice
    assert served.proxy.configured == [
        {
            "login_session_token": None,
            "kernel_host": "10.0.0.7",
            "kernel_port": 30080,
            "session": {
                "id": str(served.session.id),
                "user_uuid": str(alice.user_id),
                "group_id": str(alice.project_id),
                "access_key": alice.access_key,
                "domain_name": "default",
            },
        }
    ]
    (added,) = served.proxy.added
    token = "0f6e5b1c-0000-4000-8000-000000000000"
    assert added.pop("path") == f"/v2/proxy/{token}/{served.session.id}/add"
    assert json.loads(added.pop("args")) == {"--debug": "yes"}
    assert json.loads(added.pop("envs")) == {"A": "1"}
    assert added == {"app": "jupyter", "protocol": "http", "open_to_public": "false"}
    assert served.proxy.asked == ["status", "conf", "add"]


async def test_a_port_is_chosen_by_the_container_s(served: Served) -> None:
    await served.start(port=8081, open_to_public=True)
    await served.start("sshd")
    assert [conf["kernel_port"] for conf in served.proxy.configured] == [30081, 30022]
    assert [add["open_to_public"] for add in served.proxy.added] == ["true", "false"]
    assert served.proxy.added[1]["protocol"] == "tcp"
    with pytest.raises(InvalidAppPort):
        await served.start(port=8082)


async def test_a_pre_open_port_is_the_user_s_own_program_s(served: Served) -> None:
    await served.start("own")
    assert served.agent.started == []
    assert served.proxy.added[0]["protocol"] == "preopen"


async def test_without_a_host_of_its_own_a_kernel_is_at_its_agent(served: Served) -> None:
    async with served.door.database.transaction() as connection:
        await connection.execute(update(kernels).values(kernel_host=None))
    await served.start()
    assert served.proxy.configured[0]["kernel_host"] == "10.0.0.8"


async def test_what_kernels_keep_for_themselves_is_not_listed(served: Served) -> None:
    listed = await served.run(ListServicesAction(session="train-1"))
    names = ["jupyter", "sshd", "own", "unmapped", "model"]
    assert [app.name for app in listed.services] == names
    assert listed.services[1].host_ports == [30022]


@pytest.mark.parametrize(
    ("service", "error"),
    [("none", AppNotFound), ("repl", AppNotFound), ("model", InferenceApp)],
)
async def test_not_everything_can_be_started(
    served: Served, service: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await served.start(service)
    assert (served.agent.started, served.proxy.asked) == ([], [])


async def test_without_a_port_of_the_agent_there_is_no_way(served: Served) -> None:
    with pytest.raises(AppNotMapped):
        await served.start("unmapped")
    assert served.proxy.configured == []


async def test_nothing_is_started_that_nobody_could_reach(served: Served) -> None:
    for url, error in ((None, NoAppProxy), ("http://127.0.0.1:1", AppProxyUnreachable)):
        await served.set_proxy(url)
        with pytest.raises(error):
            await served.start()
    assert served.agent.started == []


@pytest.mark.parametrize(
    ("route", "answer", "error"),
    [
        ("conf", (401, b"<html>"), AppProxyTokenRefused),
        ("add", (503, json.dumps(NO_WORKER).encode()), AppProxyBusy),
        ("add", (404, b"{}"), AppProxyRefused),
        ("add", (200, b"<html>"), AppProxyUnreachable),
        ("conf", (200, b'{"code": 200}'), AppProxyUnreachable),
        ("status", (200, b"\xff\x00"), AppProxyUnreachable),
    ],
)
async def test_what_an_app_proxy_cannot_do_is_said(
    served: Served, route: str, answer: tuple[int, bytes], error: type[Exception]
) -> None:
    served.proxy.answers[route] = answer
    with pytest.raises(error) as raised:
        await served.start()
    assert TOKEN not in str(raised.value)


async def test_a_wrong_token_is_said_to_be_wrong(served: Served) -> None:
    await served.set_proxy(served.proxy.url, "another")
    with pytest.raises(AppProxyTokenRefused, match="does not accept"):
        await served.start()


async def test_stopping_asks_the_agent(served: Served) -> None:
    await served.run(ShutdownServiceAction(session="train-1", service="jupyter"))
    assert served.agent.stopped == ["jupyter"]
    with pytest.raises(AppNotFound):
        await served.run(ShutdownServiceAction(session="train-1", service="none"))


async def test_a_dry_run_makes_no_way(served: Served) -> None:
    action = StartServiceAction(session="train-1", service="jupyter")
    async with served.door.app("alice", dry_run=True) as app:
        app.__dict__["agents"] = served.agent
        assert (await app.processor.run(action)).url is None
    assert served.proxy.asked == ["status"]


async def test_services_are_the_owner_s(served: Served) -> None:
    session = str(served.session.id)
    start = StartServiceAction(session=session, service="jupyter")
    stop = ShutdownServiceAction(session=session, service="jupyter")
    for action in (start, stop):
        for name in ("root", "admin"):
            await served.run(action, name)
        with pytest.raises(InsufficientPrivilege):
            await served.run(action, "monitor")
        for name in ("bob", "carol", "other_admin"):
            with pytest.raises((SessionNotFound, InsufficientPrivilege)):
                await served.run(action, name)
    await served.run(ListServicesAction(session=session), "monitor")


async def test_only_a_running_session_serves(served: Served) -> None:
    async with served.door.database.transaction() as connection:
        await seeds.seed_session(
            connection, served.door.world.alice, name="waiting", status="PENDING"
        )
    with pytest.raises(InvalidSessionState):
        await served.run(StartServiceAction(session="waiting", service="jupyter"))


@contextmanager
def _file_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPConnection]:
    monkeypatch.chdir(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for("secret"))
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    connection = HTTPConnection("127.0.0.1", server.server_port)
    yield connection
    connection.close()
    server.shutdown()
    server.server_close()


def test_the_file_server_answers_below_its_token_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside.txt").write_text("outside")
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (work / "sub" / "a.txt").write_text("inside")
    with _file_server(work, monkeypatch) as connection:

        def get(path: str) -> tuple[int, bytes]:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

        assert get("/secret/sub/a.txt") == (200, b"inside")
        assert b"sub/" in get("/secret/")[1]
        for path in (
            "/",
            "/secret",
            "/sub/a.txt",
            "/secretly/sub/a.txt",
            "/secret/../outside.txt",
            "/secret/%2e%2e/outside.txt",
        ):
            assert get(path)[0] == 404, path
