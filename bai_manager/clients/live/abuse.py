"""What the watchers of agents report of kernels: a hash in a cluster's Valkey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Protocol, cast

from bai_manager.clients.live.connection import valkey_database

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from uuid import UUID

    from bai_manager.types.credentials import Secret

_KEY: Final = "abuse_report"
_DATABASE: Final = 0


class AbuseReports(Protocol):
    async def read(self, kernel_id: UUID) -> str | None:
        """``detected``, ``cleaning`` (``value-types.md`` §12), or None when nothing is reported.

        Raises ``Unreachable`` when what keeps the reports does not answer.
        """


class NoAbuseReports:
    """Nobody watches the kernels of this machine."""

    async def read(self, kernel_id: UUID) -> None:
        """Nothing is reported."""


class ValkeyAbuseReports:
    """Reads the hash ``abuse_report`` of database 0: kernel id to JSON (``events-valkey.md``)."""

    def __init__(self, url: str | None, *, password: Secret | None, timeout: float) -> None:
        self._url = url
        self._password = password
        self._timeout = timeout

    async def read(self, kernel_id: UUID) -> str | None:
        """Raises ``ValkeyUnreachable``, ``ValkeyNotConfigured`` and ``ValkeyClientMissing``."""
        async with valkey_database(
            self._url,
            _DATABASE,
            password=self._password,
            timeout=self._timeout,
            of="abuse reports of a cluster",
        ) as client:
            value = await cast("Awaitable[bytes | None]", client.hget(_KEY, str(kernel_id)))
        return None if value is None else report_in(value)


def report_in(value: bytes | str) -> str:
    """The word in what was found: a JSON text, or an object with the key ``abuse_report``."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    try:
        found = json.loads(text)
    except ValueError:
        return text
    if isinstance(found, dict) and "abuse_report" in found:
        found = found["abuse_report"]
    return found if isinstance(found, str) else json.dumps(found)
