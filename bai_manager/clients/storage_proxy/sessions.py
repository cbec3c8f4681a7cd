"""What holds for uploads to any storage."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from bai_manager.clients.storage_proxy.errors import UploadClash

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from bai_manager.clients.storage_proxy.protocol import UploadSession

ABANDONED: Final = timedelta(days=7)
"""After so long without a byte more, an unfinished upload may be removed."""


async def as_announced(
    session: UploadSession, offset: int, data: AsyncIterable[bytes]
) -> AsyncIterator[bytes]:
    """Pass on exactly the bytes that are still to come. Raises ``UploadClash``."""
    async for chunk in data:
        offset += len(chunk)
        if offset > session.size:
            why = f"there is more of it than the {session.size} bytes announced"
            raise UploadClash(session.path, why)
        yield chunk
    if offset < session.size:
        why = f"it ended after {offset} of the {session.size} bytes announced"
        raise UploadClash(session.path, why)
