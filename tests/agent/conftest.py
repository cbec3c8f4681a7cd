from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bai_manager.clients.agent.local.client import LocalAgentClient
from bai_manager.clients.agent.local.process import marked_processes
from tests.agent.kernels import KernelUnderTest, create, make_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytest.register_assert_rewrite("tests.agent.contract")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "agent"


@pytest_asyncio.fixture
async def agent(root: Path) -> AsyncIterator[LocalAgentClient]:
    """A local agent; what a test leaves behind is ended, and must then be gone."""
    client = LocalAgentClient("i-local", root, stop_grace=0.5)
    yield client
    await client.aclose()
    for report in await client.kernel_reports():
        await client.destroy_kernel(report.kernel_id, report.session_id, "user-requested")
        assert marked_processes(str(report.kernel_id)) == []


@pytest_asyncio.fixture
async def kernel(agent: LocalAgentClient) -> KernelUnderTest:
    config = make_config()
    await create(agent, config)
    return KernelUnderTest(agent, config)
