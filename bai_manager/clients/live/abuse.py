"""What the watchers of agents report of kernels: a hash in a cluster's Valkey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Protocol

from bai_manager.clients.cluster.signals import ValkeyClientMissing, ValkeyUnreachable
from bai_manager.clients.live.valkey import ValkeyNotConfigured

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.types.credentials import Secret

_KEY: Final = "abuse_report"


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
        if self._url is None:
            raise ValkeyNotConfigured(
                "Abuse reports of a cluster are in Valkey, and the profile names none.",
                hint="Set valkey.url with 'bai-manager config set valkey.url redis://HOST:PORT'.",
            )
        try:
            from valkey.asyncio import Valkey  # noqa: PLC0415 - clusters only
            from valkey.exceptions import ValkeyError  # noqa: PLC0415
        except ImportError as error:
            raise ValkeyClientMissing(
                "Abuse reports of a cluster are in Valkey, and no client for it is installed.",
                hint="Install bai-manager[cluster].",
            ) from error
        client = Valkey.from_url(
            self._url,
            db=0,
            password=self._password.reveal() if self._password else None,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
        )
        try:
            value = await client.hget(_KEY, str(kernel_id))
        except (ValkeyError, OSError, TimeoutError) as error:
            raise ValkeyUnreachable(
                f"Valkey does not answer: {error or type(error).__name__}",
                hint="Its address is valkey.url: 'bai-manager config show --origin'.",
            ) from error
        finally:
            await client.aclose()
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
