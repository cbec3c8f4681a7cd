"""Tells a running manager that rows changed (``events-valkey.md`` §5 to §7).

Without these signals a manager finds the change by itself, only later. They are sent after the
commit and may fail without harm.
"""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from bai_manager.clients.faults import fault_of
from bai_manager.errors import ConfigurationError, Unreachable
from bai_manager.types.status import SessionStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from valkey.asyncio import Valkey

    from bai_manager.sokovan.gate import SessionChange
    from bai_manager.types.credentials import Secret

_STATISTICS, _RATE_LIMIT, _STREAM_LIVE, _STREAM = 0, 1, 2, 4
_CACHE_LIFE: Final = 300
_PRESET_CHECKS: Final = "resource_preset:check:*"
_USED: Final = ("keypair.concurrency_used.", "keypair.sftp_concurrency_used.")
_SCHEDULE: Final = "schedule:schedule"
_METADATA: Final = '{"request_id":null,"user":null}'
_MARKS: Final = {
    SessionStatus.PENDING: _SCHEDULE,
    SessionStatus.TERMINATING: "schedule:terminate",
    SessionStatus.CANCELLED: _SCHEDULE,
}


class ValkeyUnreachable(Unreachable):
    """Valkey refused, broke off or did not answer in time."""

    error_code = "message-queue_access_unreachable"


class ValkeyClientMissing(ConfigurationError):
    """The packages that speak to Valkey are not installed."""

    error_code = "message-queue_setup_not-ready"


class ManagerSignals:
    """Marks, cache deletions and the broadcast that follow a change.

    Every method raises ``ValkeyUnreachable`` and ``ValkeyClientMissing``.
    """

    def __init__(self, url: str, *, password: Secret | None, timeout: float) -> None:
        self.url = url
        self._password = password
        self._timeout = timeout

    async def version(self) -> str:
        """The server's version."""
        async with self._databases(_STATISTICS) as (client,):
            facts = await client.info("server")
        return str(facts.get("valkey_version") or facts.get("redis_version") or "unknown")

    async def session_changed(self, change: SessionChange) -> None:
        """Wake the scheduler, drop stale caches and tell waiting clients."""
        async with self._databases(_STATISTICS, _STREAM_LIVE, _STREAM) as clients:
            statistics, live, stream = clients
            if mark := _MARKS.get(change.status):
                await live.set(mark, "1")
            await _drop(statistics, _PRESET_CHECKS)
            await statistics.delete(*_usage_of(change.access_key))
            message = _scheduling_event(change)
            await stream.set(f"session_scheduler.{change.session_id}", message, ex=_CACHE_LIFE)
            await stream.publish("events_all", message)

    async def forget_keypairs(self, access_keys: Sequence[str]) -> None:
        """Drop every counter of key pairs that are no more."""
        async with self._databases(_STATISTICS, _RATE_LIMIT) as (statistics, rate_limit):
            for access_key in access_keys:
                calls = (f"kp:{access_key}:num_queries", f"kp:{access_key}:last_call_time")
                await statistics.delete(*_usage_of(access_key), *calls)
                await rate_limit.delete(access_key)

    async def forget_presets(self) -> None:
        """Drop presets, and which of them fit where."""
        async with self._databases(_STATISTICS) as (statistics,):
            await _drop(statistics, "resource_preset:*")

    async def forget_room(self) -> None:
        """Drop what fits where, and have the manager look what may start now."""
        async with self._databases(_STATISTICS, _STREAM_LIVE) as (statistics, live):
            await _drop(statistics, _PRESET_CHECKS)
            await live.set(_SCHEDULE, "1")

    async def forget_usage(self) -> None:
        """The same, and drop the counters of sessions of every key pair."""
        async with self._databases(_STATISTICS, _STREAM_LIVE) as (statistics, live):
            await _drop(statistics, _PRESET_CHECKS, *(f"{counter}*" for counter in _USED))
            await live.set(_SCHEDULE, "1")

    @asynccontextmanager
    async def _databases(self, *numbers: int) -> AsyncIterator[list[Valkey]]:
        clients = [
            valkey_client(self.url, number, password=self._password, timeout=self._timeout)
            for number in numbers
        ]
        from valkey.exceptions import ValkeyError  # noqa: PLC0415 - clusters only

        try:
            yield clients
        except (ValkeyError, OSError, TimeoutError) as error:
            raise valkey_unreachable(self.url, error, self._timeout) from error
        finally:
            for client in clients:
                await client.aclose()


def valkey_client(url: str, database: int, *, password: Secret | None, timeout: float) -> Valkey:
    """A client that connects when it is used. Raises ``ValkeyClientMissing``."""
    try:
        from valkey.asyncio import Valkey  # noqa: PLC0415 - clusters only
    except ImportError as error:
        raise ValkeyClientMissing(
            "No client for Valkey is installed.", hint="Install bai-manager[cluster]."
        ) from error
    client: Valkey = Valkey.from_url(
        url,
        db=database,
        password=password.reveal() if password else None,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
    )
    return client


def valkey_unreachable(url: str, error: Exception, timeout: float) -> ValkeyUnreachable:
    """What an error of the client means."""
    from valkey.exceptions import AuthenticationError, ResponseError  # noqa: PLC0415 - as above

    if isinstance(error, AuthenticationError | ResponseError):
        return ValkeyUnreachable(
            f"Valkey at {url} refuses: {str(error).rstrip('.')}.",
            hint="Check valkey.password of the profile.",
        )
    return ValkeyUnreachable(
        f"Valkey at {url} does not answer: {fault_of(error, within=timeout)}.",
        hint="Its address is valkey.url: 'bai-manager config show --origin'.",
    )


def _usage_of(access_key: str) -> tuple[str, str]:
    compute, sftp = (f"{counter}{access_key}" for counter in _USED)
    return compute, sftp


async def _drop(client: Valkey, *patterns: str) -> None:
    """Figures that the manager computes again from the database once they are gone."""
    found = [key for pattern in patterns async for key in client.scan_iter(pattern, count=1000)]
    await client.delete("system.total_resource_slots", *found)


def _scheduling_event(change: SessionChange) -> str:
    import msgpack  # noqa: PLC0415 - clusters only

    args: Sequence[str] = (
        str(change.session_id),
        change.creation_id,
        change.status.value,
        change.reason,
    )
    packed = base64.b64encode(msgpack.packb(args)).decode()
    return json.dumps(
        {"name": "scheduling", "source": "manager", "args": packed, "metadata": _METADATA}
    )
