"""The step that ends idle sessions: asks for what the rules look at, and marks what they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bai_manager.sokovan.idle_facts import judged

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from bai_manager.sokovan.idle import RunningSession, Verdict
    from bai_manager.sokovan.idle_facts import IdleFacts
    from bai_manager.types.clock import Clock


class IdleStore(Protocol):
    """The rows; ``repositories/idle.py``."""

    async def running(self, *, with_lifetime_only: bool) -> list[RunningSession]: ...
    async def end_idle(self, session_id: UUID, *, reason: str, clock: Clock) -> bool: ...


class IdleStep:
    """One look at all running sessions."""

    def __init__(self, *, store: IdleStore, facts: IdleFacts, clock: Clock) -> None:
        self._store = store
        self._facts = facts
        self._clock = clock

    async def run(
        self, *, only: Collection[UUID] | None = None
    ) -> list[tuple[RunningSession, Verdict]]:
        """Mark every idle session (of ``only``) TERMINATING; those that were, with why.

        Raises ``Unreachable`` and ``ConfigurationError`` when the facts cannot be read; then
        nothing is marked.
        """
        rules = await self._facts.rules()
        only_lifetime = rules.network_timeout is None and rules.utilization is None
        sessions = await self._store.running(with_lifetime_only=only_lifetime)
        if only is not None:
            sessions = [session for session in sessions if session.session_id in only]
        if not sessions:
            return []
        reading = await self._facts.read(sessions, rules)
        ended = []
        for session in sessions:
            verdict = judged(session, rules, reading)
            if verdict is not None and await self._store.end_idle(
                session.session_id, reason=verdict.reason, clock=self._clock
            ):
                ended.append((session, verdict))
        return ended
