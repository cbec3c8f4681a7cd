"""How long a run keeps its output back, from what it has just said."""

from __future__ import annotations

from unittest.mock import create_autospec
from uuid import UUID

import pytest

from bai_manager.clients.agent.protocol import AgentClient, ExecutionResult, ExecutionStatus
from bai_manager.services.session_inside.console import NullConsole
from bai_manager.services.session_inside.execution import Execution


def _turn(text: str, status: ExecutionStatus = ExecutionStatus.CONTINUED) -> ExecutionResult:
    console = [("stdout", text)] if text else []
    return ExecutionResult(run_id="run", status=status, exit_code=0, console=console)


async def _limits(*texts: str, streams: bool) -> list[float]:
    """The limits of a run's turns; ``texts`` is what each of them brings."""
    agent = create_autospec(AgentClient, instance=True)
    turns = [_turn(text) for text in texts[:-1]]
    agent.execute.side_effect = [*turns, _turn(texts[-1], ExecutionStatus.FINISHED)]
    execution = Execution(
        agent=agent,
        session_id=UUID(int=1),
        kernel_id=UUID(int=2),
        run_id="run",
        console=NullConsole() if streams else None,
    )
    await execution.run("code", shell=False, answers=NullConsole())
    return [call.kwargs["flush_timeout"] for call in agent.execute.await_args_list]


async def test_who_watches_sees_output_soon_and_silence_costs_few_turns() -> None:
    limits = await _limits("", "", "", "", "a", "b", "", "", streams=True)
    assert limits == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5, 0.1, 0.1, 0.2])


async def test_what_is_collected_may_take_its_time() -> None:
    assert await _limits("a", "", "b", streams=False) == pytest.approx([2, 2, 2])
