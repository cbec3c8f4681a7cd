"""The program that is run when a kernel or its batch command ends by itself."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.agent.local.client import LocalAgentClient
from bai_manager.clients.agent.protocol import KernelState
from tests.agent.kernels import KernelUnderTest, create, eventually, make_config, report_of
from tests.agent.local_kernels import keepers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    "end",
    [
        lambda keepers: os.kill(keepers["supervisor"], signal.SIGKILL),
        lambda keepers: os.kill(keepers["guardian"], signal.SIGKILL),
        lambda keepers: os.kill(keepers["guardian"], signal.SIGTERM),
    ],
)
async def test_hook_runs_when_a_kernel_ends_by_itself(
    root: Path, tmp_path: Path, end: Callable[[dict[str, int]], None]
) -> None:
    told = tmp_path / "told"
    agent = LocalAgentClient(
        "i-local",
        root,
        on_kernel_end=["/bin/sh", "-c", f"env > {told}.part; mv {told}.part {told}"],
        on_kernel_end_environ={"BAI_PROFILE": "mine"},
    )
    config = make_config()
    await create(agent, config)
    end(keepers(root, config.kernel_id))
    await eventually(told.exists)
    environ = told.read_text()
    assert "BAI_PROFILE=mine\n" in environ
    assert "BACKENDAI_KERNEL_ID" not in environ
    assert (await report_of(agent, config.kernel_id)).state is KernelState.EXITED


async def test_hook_does_not_run_when_a_kernel_is_destroyed(root: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    agent = LocalAgentClient("i-local", root, on_kernel_end=["/bin/touch", str(told)])
    config = make_config()
    await create(agent, config)
    await agent.destroy_kernel(config.kernel_id, config.session_id, "user-requested")
    assert not told.exists()


async def test_hook_of_a_batch_outlives_the_kernel_it_destroys(root: Path, tmp_path: Path) -> None:
    """It may create kernels of its own, too: it is no descendant of the one it was run for."""
    told, go = tmp_path / "told", tmp_path / "go"
    script = f"touch {told}; until [ -e {go} ]; do sleep 0.02; done; ps -o ppid= $$ > {told}"
    agent = LocalAgentClient("i-local", root, on_kernel_end=["/bin/sh", "-c", script])
    config = make_config()
    await create(agent, config)
    kernel = KernelUnderTest(agent, config)
    guardian = keepers(root, kernel.id)["guardian"]
    await kernel.batch("exit 3")
    await eventually(told.exists)
    assert (await kernel.report()).batch_exit_code == 3
    await kernel.destroy()
    go.touch()
    await eventually(lambda: told.read_text().strip() not in {"", str(guardian)})
