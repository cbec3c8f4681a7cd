"""One JSON object a line, over the supervisor's Unix socket."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local.state import SOCKET

if TYPE_CHECKING:
    import asyncio

    from bai_manager.types.json import JsonObject

LINE_LIMIT = 64 * 2**20
"""Bytes. The longest lines carry code to run."""


def encode(message: JsonObject) -> bytes:
    return json.dumps(message).encode() + b"\n"


async def receive(reader: asyncio.StreamReader) -> JsonObject | None:
    """Read the next message; None when the other side has closed.

    Raises ValueError when the line is no JSON object, too long or cut off.
    """
    line = await reader.readline()
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise ValueError("the message is cut off")
    try:
        message = json.loads(line)
    except RecursionError as error:
        raise ValueError("the message is nested too deep") from error
    if not isinstance(message, dict):
        raise ValueError("the message is no object")  # noqa: TRY004 - one kind for all garbage
    return message


class SocketPath:
    """A path to the socket of a kernel that fits into the 108 bytes of a Unix address.

    It leads through an open descriptor of the kernel's folder, so it is good for as long as
    the ``with`` block lasts::

        with SocketPath(folder) as path:
            connect(path)
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._fd = -1

    def __enter__(self) -> str:
        self._fd = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}/{SOCKET}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
