"""Why a server could not be asked, in words of ours: libraries have many, or none."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS: Final = {
    errno.ECONNREFUSED: "nothing listens there",
    errno.ECONNRESET: "it breaks the connection off",
    errno.EPIPE: "it breaks the connection off",
    errno.ENOENT: "no such socket",
    errno.ETIMEDOUT: "no answer",
}
_BROKEN_OFF: Final = frozenset(
    {"IncompleteReadError", "ReadError", "RemoteProtocolError", "WriteError"}
)


def fault_of(error: BaseException, *, within: float | None = None) -> str:
    """``nothing listens there``, ``no answer within 5 s``; without a full stop.

    The cause of an error says more than what a library made of it.
    """
    chain = list(_causes(error))
    for one in chain:
        if isinstance(one, socket.gaierror):
            return "its name is not known"
        if isinstance(one, ssl.SSLError):
            why = getattr(one, "verify_message", None) or getattr(one, "reason", None)
            return f"TLS fails: {why or one}"
        if isinstance(one, OSError) and one.errno is not None:
            return _WORDS.get(one.errno) or os.strerror(one.errno)
    names = {kind.__name__ for one in chain for kind in type(one).__mro__}
    if any("Timeout" in name for name in names):
        return "no answer" if within is None else f"no answer within {within:g} s"
    if names & _BROKEN_OFF:
        return "it breaks the connection off"
    return str(error).rstrip(".") or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what led to it; of several at once, the first."""
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        if isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        else:
            found = found.__cause__ or found.__context__
