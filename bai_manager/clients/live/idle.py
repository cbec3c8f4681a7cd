"""What idle checks go by at the moment: the rules, and when sessions were last used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from bai_manager.clients.agent.errors import AgentUnreachable
from bai_manager.errors import BackendAIError, InvalidInput
from bai_manager.sokovan.idle import IdleRules, IdleView
from bai_manager.types.duration import parse_timedelta

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import timedelta
    from uuid import UUID

    from bai_manager.clients.agent.pool import Agents
    from bai_manager.sokovan.idle import RunningSession, Sample
    from bai_manager.types.credentials import Secret

IDLE_PREFIX: Final = "config/idle/"
_THRESHOLD: Final = "checkers/network_timeout/threshold"
_GRACE: Final = "checkers/user_grace_period/user_initial_grace_period"
_LIVE_DATABASE: Final = 2
_AT_ONCE: Final = 500


class IdleWatch(Protocol):
    async def view(self, sessions: Sequence[RunningSession]) -> IdleView:
        """What checkers would judge these sessions by; never fails, but says what is unknown."""


async def last_accesses(agents: Agents) -> dict[UUID, datetime]:
    """When each kernel of this machine was used last."""
    found: dict[UUID, datetime] = {}
    for agent in agents.resident():
        try:
            reports = await agent.kernel_reports()
        except AgentUnreachable:
            continue
        found |= {one.kernel_id: one.last_access for one in reports if one.last_access}
    return found


class LocalIdleWatch:
    """The checks of this machine's scheduler, whose kernels its agent knows."""

    def __init__(
        self,
        *,
        agents: Agents,
        series: Callable[[], Mapping[UUID, Sequence[Sample]]],
        rules: IdleRules,
    ) -> None:
        self._agents = agents
        self._series = series
        self._rules = rules

    async def view(self, sessions: Sequence[RunningSession]) -> IdleView:
        """As the last pass of the scheduler left it."""
        watched = self._rules.network_timeout is not None
        accesses = await last_accesses(self._agents) if watched else {}
        return IdleView(
            rules=self._rules,
            accesses={
                one.session_id: accesses[one.main_kernel]
                for one in sessions
                if one.main_kernel in accesses
            },
            series=self._series() if self._rules.utilization is not None else {},
        )


class ClusterIdleWatch:
    """The checks of a cluster's manager: rules in etcd, last accesses in Valkey.

    What it measures of utilization is its own, so that check is not judged
    (``reference/value-types.md`` §15).
    """

    def __init__(
        self,
        *,
        settings: Callable[[], Awaitable[Mapping[str, str]]] | None,
        url: str | None,
        password: Secret | None,
        timeout: float,
    ) -> None:
        self._settings = settings
        self._url = url
        self._password = password
        self._timeout = timeout

    async def view(self, sessions: Sequence[RunningSession]) -> IdleView:
        """Rules first: without the checker, nobody needs to know of accesses."""
        if self._settings is None:
            return IdleView(
                unknown=("the idle checks of the manager are in etcd, and the profile names none",)
            )
        try:
            rules, unknown = rules_in(await self._settings())
        except BackendAIError as error:
            return IdleView(unknown=(f"the idle checks of the manager are unknown: {error}",))
        if rules.network_timeout is None or not sessions:
            return IdleView(rules=rules, unknown=unknown)
        try:
            accesses = await self._accesses([one.session_id for one in sessions])
        except (OSError, ImportError, ValueError) as error:
            said = f"when sessions were used last is unknown: {error or type(error).__name__}"
            return IdleView(rules=rules, unknown=(*unknown, said))
        return IdleView(rules=rules, accesses=accesses, unknown=unknown)

    async def _accesses(self, session_ids: Sequence[UUID]) -> dict[UUID, datetime]:
        """Raises ``OSError``, and ``ImportError`` without the client for Valkey."""
        if self._url is None:
            raise OSError("the profile names no Valkey")
        from valkey.asyncio import Valkey  # noqa: PLC0415 - clusters only
        from valkey.exceptions import ValkeyError  # noqa: PLC0415

        client = Valkey.from_url(
            self._url,
            db=_LIVE_DATABASE,
            password=self._password.reveal() if self._password else None,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
        )
        found: dict[UUID, datetime] = {}
        try:
            for first in range(0, len(session_ids), _AT_ONCE):
                wanted = session_ids[first : first + _AT_ONCE]
                values = await client.mget([f"session.{one}.last_access" for one in wanted])
                found |= {
                    session_id: datetime.fromtimestamp(seconds, UTC)
                    for session_id, value in zip(wanted, values, strict=True)
                    if (seconds := _seconds(value)) > 0
                }
        except (ValkeyError, TimeoutError) as error:
            raise OSError(f"Valkey does not answer: {error or type(error).__name__}") from error
        finally:
            await client.aclose()
        return found


def rules_in(etcd: Mapping[str, str]) -> tuple[IdleRules, tuple[str, ...]]:
    """The rules below ``config/idle/``, and what of them is not judged."""
    given = {key.removeprefix(IDLE_PREFIX): value for key, value in etcd.items()}
    enabled = {word.strip() for word in given.get("enabled", "").split(",")}
    unknown = ("utilization is measured by the manager alone",) if "utilization" in enabled else ()
    threshold = _duration(given.get(_THRESHOLD, "10m")) if "network_timeout" in enabled else None
    grace = given.get(_GRACE)
    return (
        IdleRules(network_timeout=threshold, user_grace=_duration(grace) if grace else None),
        unknown,
    )


def _duration(text: str) -> timedelta | None:
    """None for ``infinite`` and what else is none, as a checker that never ends anything."""
    try:
        return parse_timedelta(text)
    except InvalidInput:
        return None


def _seconds(value: bytes | None) -> float:
    """``0`` is a session that is not to be ended, and what is no number says nothing."""
    try:
        return float(value or 0)
    except ValueError:
        return 0.0
