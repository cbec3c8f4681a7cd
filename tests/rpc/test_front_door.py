"""Commands on sessions whose agent is gone, mute, hangs, lies, or lets nobody in.

Each ends with exit code 6 and says which agent it is and what is wrong with it; the rows are as
they were, and an agent that recovers is used again.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import zmq
from sqlalchemy import update
from zmq.auth.certs import create_certificates, load_certificate

from bai_manager.clients.agent.callosum.functions import Limits
from bai_manager.models.agent import agents
from bai_manager.repositories.database import Database
from tests import seeds
from tests.cli.conftest import typed
from tests.rpc import upstream
from tests.rpc.fake_agent import SILENCE, Curve, FakeAgent, answered, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Done, Typed
    from tests.conftest import PostgresServer
    from tests.seeds import World

__all__ = ["typed"]

WHY = {
    "gone": "does not answer",
    "hung": "does not answer",
    "mute": "no answer within",
    "lying": "cannot be read",
    "locked": "refuses the manager's key",
}
"""Agent → what is said of it. One accepts connections only, another greets and goes silent."""

VERBS = {
    "exec": ("print(1)",),
    "logs": (),
    "logs --follow": (),
    "ls": (),
    "interrupt": (),
    "complete": ("im",),
    "upload": (__file__,),
    "download": ("a", "/dev/null", "--overwrite"),
    "restart": (),
    "commit": (),
    "commit-status": (),
}


@dataclass(frozen=True)
class Site:
    """A seeded world with a session of alice's on each of these agents, named like it."""

    world: World
    dsn: str
    lying: FakeAgent
    locked: FakeAgent
    stranger: Path

    def environ(self, name: str = "alice") -> dict[str, str]:
        person = getattr(self.world, name)
        return {
            "BAI_KIND": "cluster",
            "BAI_DATABASE_DSN": self.dsn,
            "BAI_ACCESS_KEY": person.access_key,
            "BAI_SECRET_KEY": person.secret_key.reveal(),
            "BAI_AGENT_RPC_MANAGER_KEYPAIR": str(self.stranger),
        }

    def rows(self) -> list[tuple[Any, ...]]:
        """All that is stored of sessions, kernels and agents but how often they were used."""
        with psycopg.connect(self.dsn) as connection:
            found: list[tuple[Any, ...]] = []
            for table in ("sessions", "kernels", "agents"):
                statement = f"SELECT to_jsonb(t) - 'num_queries' FROM {table} t ORDER BY id"  # noqa: S608
                found += connection.execute(statement.encode()).fetchall()
        return found


@pytest.fixture(scope="module")
def site(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("keys")
    _, known = create_certificates(folder, "manager")
    _, stranger = create_certificates(folder, "stranger")
    public, secret = zmq.curve_keypair()
    curve = Curve(public, secret, load_certificate(known)[0])
    with (
        _serving(curve) as (mute, lying, locked),
        socket.create_server(("127.0.0.1", 0)) as hung,
        postgres_server.emptied_database("oneshot") as url,
    ):
        mute.answers = dict.fromkeys(upstream.FUNCTIONS, SILENCE)
        lying.answers = {name: answered(name, b"\xc1") for name in upstream.FUNCTIONS}
        addresses = {
            "gone": "tcp://127.0.0.1:1",
            "hung": f"tcp://127.0.0.1:{hung.getsockname()[1]}",
            "mute": mute.addr,
            "lying": lying.addr,
            "locked": locked.addr,
        }
        world = asyncio.run(_seed(url, addresses, public.decode()))
        yield Site(world, postgres_server.libpq_url(url), lying, locked, folder / stranger)


async def _seed(url: str, addresses: dict[str, str], public_key: str) -> World:
    database = Database(url)
    async with database.transaction() as connection:
        world = await seeds.seed_world(connection)
        for name, addr in addresses.items():
            await seeds.seed_agent(connection, f"i-{name}", addr=addr)
            await seeds.seed_session(
                connection, world.alice, name=f"{name}-1", agent=f"i-{name}", agent_addr=addr
            )
        await connection.execute(
            update(agents).where(agents.c.id == "i-locked").values(public_key=public_key)
        )
    await database.close()
    return world


@contextmanager
def _serving(curve: Curve) -> Iterator[tuple[FakeAgent, FakeAgent, FakeAgent]]:
    """Two plain agents and one that asks for keys, in a thread of their own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()

    async def start() -> tuple[FakeAgent, FakeAgent, FakeAgent]:
        enter = stack.enter_async_context
        return await enter(running()), await enter(running()), await enter(running(curve))

    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    short = partial(Limits, greeting=0.25, answer=0.25, work=0.25, life=0.25, pull=0.25)
    client = "bai_manager.clients.agent.callosum.client"
    monkeypatch.setattr(f"{client}.Limits", short)
    monkeypatch.setattr(f"{client}._TURN_MARGIN", 0.25)
    monkeypatch.setattr("bai_manager.services.session_inside.execution._UNSEEN_TURN", 0.25)


def _assert_told(done: Done, name: str) -> None:
    assert (done.code, done.out) == (6, ""), done
    assert "Traceback" not in done.err
    error = json.loads(done.err.splitlines()[-1])["error"]
    assert f"i-{name}" in error["message"]
    assert WHY[name] in error["message"]


@pytest.mark.parametrize("name", WHY)
def test_an_agent_that_fails_is_named_in_time_and_nothing_is_lost(
    site: Site, typed: Typed, name: str
) -> None:
    before = site.rows()
    for verb in VERBS if name == "lying" else ("exec", "logs"):
        words = ("session", *verb.split(), f"{name}-1", *VERBS[verb], "-o", "json")
        _assert_told(typed(*words, env=site.environ()), name)
    assert site.rows() == before
    assert typed("session", "show", f"{name}-1", env=site.environ()).code == 0
    shown = typed("agent", "show", f"i-{name}", "-o", "json", env=site.environ("root"))
    assert (shown.code, json.loads(shown.out)["health"]) == (0, None)


def test_after_garbage_and_a_wrong_key_an_agent_is_as_healthy(site: Site, typed: Typed) -> None:
    """Neither was a message that it could not take, or a connection that it had to keep."""
    for name in ("lying", "locked"):
        _assert_told(typed("session", "logs", f"{name}-1", "-o", "json", env=site.environ()), name)
    assert not site.lying.dead
    assert site.locked.connections == 0
    broken = site.lying.answers.pop("get_logs")
    site.lying.answers["get_logs"] = {"logs": "my logs"}
    assert typed("session", "logs", "lying-1", env=site.environ()).out == "my logs"
    site.lying.answers["get_logs"] = broken
    right = {"BAI_AGENT_RPC_MANAGER_KEYPAIR": str(site.stranger.with_name("manager.key_secret"))}
    site.locked.answers["get_logs"] = {"logs": "my logs"}
    assert typed("session", "logs", "locked-1", env=site.environ() | right).out == "my logs"


@pytest.mark.parametrize("name", ["gone", "mute"])
def test_a_session_of_an_agent_that_fails_is_destroyed(site: Site, typed: Typed, name: str) -> None:
    """That is rows alone: the manager asks the agent."""
    done = typed("session", "destroy", f"{name}-1", "--no-wait", "-o", "json", env=site.environ())
    assert done.code == 0, done.err
    shown = typed("session", "show", f"{name}-1", "-o", "json", env=site.environ())
    session = json.loads(shown.out)
    assert session["status"] == "TERMINATING"
    assert {kernel["status"] for kernel in session["kernels"]} == {"TERMINATING"}
