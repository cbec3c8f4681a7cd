"""One database of a cluster's Valkey, to be read."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bai_manager.clients.cluster.signals import (
    ValkeyClientMissing,
    valkey_client,
    valkey_unreachable,
)
from bai_manager.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from valkey.asyncio import Valkey

    from bai_manager.types.credentials import Secret


class ValkeyNotConfigured(ConfigurationError):
    """What a cluster keeps in Valkey is asked for, and the profile names none."""

    error_code = "metric_setup_not-found"


@asynccontextmanager
async def valkey_database(
    url: str | None, number: int, *, password: Secret | None, timeout: float, of: str
) -> AsyncIterator[Valkey]:
    """``of`` says what is kept there: ``live values of a cluster``.

    Raises ``ValkeyUnreachable``, ``ValkeyNotConfigured`` and ``ValkeyClientMissing``.
    """
    if url is None:
        raise ValkeyNotConfigured(
            f"Valkey keeps {of}, and the profile names none.",
            hint="Set valkey.url with 'bai-manager config set valkey.url redis://HOST:PORT'.",
        )
    try:
        client = valkey_client(url, number, password=password, timeout=timeout)
    except ValkeyClientMissing as error:
        raise ValkeyClientMissing(
            f"Valkey keeps {of}, and no client for it is installed.", hint=error.hint
        ) from error
    from valkey.exceptions import ValkeyError  # noqa: PLC0415 - clusters only

    try:
        yield client
    except (ValkeyError, OSError, TimeoutError) as error:
        raise valkey_unreachable(url, error, timeout) from error
    finally:
        await client.aclose()
