from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import zmq
from zmq.auth.certs import create_certificates, load_certificate

from bai_manager.clients.agent.callosum.client import CallosumAgentClient
from bai_manager.clients.agent.callosum.functions import Limits
from bai_manager.clients.agent.callosum.records import Registration
from tests.rpc.fake_agent import Curve, FakeAgent, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytest.register_assert_rewrite("tests.agent.contract")

AGENT_ID = "i-fake"
SHORT = Limits(greeting=0.25, answer=0.25, work=0.25, life=0.25, pull=0.25)
PLAIN = Registration(public_key=None)


@dataclass(frozen=True)
class Keyring:
    """An agent's keys and the file with the pair of the manager that it lets in."""

    curve: Curve
    keypair: Path

    @property
    def registration(self) -> Registration:
        return Registration(public_key=self.curve.public.decode())


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    _, keypair = create_certificates(tmp_path, "manager")
    manager, _ = load_certificate(keypair)
    public, secret = zmq.curve_keypair()
    return Keyring(Curve(public, secret, manager), tmp_path / "manager.key_secret")


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeAgent]:
    async with running() as agent:
        yield agent


@pytest_asyncio.fixture
async def secured(keyring: Keyring) -> AsyncIterator[FakeAgent]:
    async with running(keyring.curve) as agent:
        yield agent


@pytest.fixture
def client(fake: FakeAgent) -> CallosumAgentClient:
    return CallosumAgentClient(AGENT_ID, fake.addr, registration=PLAIN)


@pytest.fixture
def hurried(fake: FakeAgent) -> CallosumAgentClient:
    """A client that waits a quarter of a second for anything."""
    return CallosumAgentClient(AGENT_ID, fake.addr, registration=PLAIN, limits=SHORT)
