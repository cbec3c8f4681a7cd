"""The real app proxy: a way to a program on this machine, gone by whoever has the address."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from bai_manager.clients.app_proxy.coordinator import CoordinatorGateway
from bai_manager.clients.app_proxy.protocol import ProxyAddress, RunningApp
from bai_manager.types.credentials import Secret
from tests.programs import greeter

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster

CLUSTER = dict(os.environ)
"""As it was before each test is given an environment of its own."""


@pytest.fixture
def port() -> Iterator[int]:
    """Where a program listens."""
    with greeter() as listening:
        yield listening


def proxy() -> ProxyAddress:
    return ProxyAddress(
        url=CLUSTER["BAI_CLUSTER_APPPROXY_URL"],
        token=Secret(CLUSTER["BAI_CLUSTER_APPPROXY_TOKEN"]),
    )


def program(port: int) -> RunningApp:
    return RunningApp(
        name="jupyter",
        protocol="http",
        host="127.0.0.1",
        port=port,
        told={"status": "started"},
        session_id=uuid4(),
        user_id=uuid4(),
        group_id=uuid4(),
        access_key="AKIAIOSFODNN7EXAMPLE",
        domain_name="default",
        arguments={},
        environ={},
    )


async def test_the_address_leads_to_the_program(port: int) -> None:
    gateway = CoordinatorGateway()
    await gateway.check(proxy())
    url = await gateway.open(program(port), proxy())
    assert url is not None
    async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as browser:
        answer = await browser.get(url)
    assert (answer.status_code, answer.text) == (200, "hello")
