"""One run of code in a kernel, turn by turn until it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bai_manager.clients.agent.protocol import ExecutionMode, ExecutionStatus

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.clients.agent.protocol import AgentClient, ExecutionResult
    from bai_manager.services.session_inside.console import ConsoleSink
    from bai_manager.types.json import JsonObject

# Seconds that output is kept back: little while it comes, more and more while there is none,
# and as long as a manager's own where nobody watches.
_SHORTEST_TURN: Final = 0.1
_LONGEST_TURN: Final = 0.5
_UNSEEN_TURN: Final = 2.0
_GOES_ON: Final = frozenset(
    {
        ExecutionStatus.CONTINUED,
        ExecutionStatus.CLEAN_FINISHED,
        ExecutionStatus.BUILD_FINISHED,
        ExecutionStatus.WAITING_INPUT,
    }
)


class Execution:
    """Follows a run; its output goes to ``console`` as it comes, or is collected without one."""

    def __init__(
        self,
        *,
        agent: AgentClient,
        session_id: UUID,
        kernel_id: UUID,
        run_id: str,
        console: ConsoleSink | None,
    ) -> None:
        self._agent = agent
        self._session_id = session_id
        self._kernel_id = kernel_id
        self.run_id = run_id
        self._console = console
        self.collected: list[tuple[str, str]] = []
        self._limit = _UNSEEN_TURN if console is None else _SHORTEST_TURN

    async def run(self, code: str, *, shell: bool, answers: ConsoleSink) -> ExecutionResult:
        """Run to the end; ``answers`` gives the lines that the code reads from its input."""
        mode = ExecutionMode.BATCH if shell else ExecutionMode.QUERY
        opts: JsonObject = {"exec": code} if shell else {}
        result = await self._turn(mode, "" if shell else code, opts)
        while result.status in _GOES_ON:
            if result.status is ExecutionStatus.WAITING_INPUT:
                answer = await answers.read_input()
                if answer is None:
                    await self._agent.interrupt_kernel(self._kernel_id)
                    result = await self._turn(ExecutionMode.CONTINUE, "", {})
                else:
                    result = await self._turn(ExecutionMode.INPUT, answer, {})
            else:
                result = await self._turn(ExecutionMode.CONTINUE, "", {})
        return result

    async def _turn(self, mode: ExecutionMode, code: str, opts: JsonObject) -> ExecutionResult:
        result = await self._agent.execute(
            self._session_id,
            self._kernel_id,
            run_id=self.run_id,
            mode=mode,
            code=code,
            opts=opts,
            flush_timeout=self._limit,
        )
        if self._console is not None:
            quiet = not result.console
            self._limit = min(self._limit * 2, _LONGEST_TURN) if quiet else _SHORTEST_TURN
        for kind, text in result.console:
            if self._console is None:
                self.collected.append((kind, text))
            else:
                self._console.write(kind, text)
        return result
