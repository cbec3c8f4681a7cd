"""Following a log of which an agent only ever tells the whole."""

from __future__ import annotations

from typing import Final

_ANCHOR: Final = 512


def added(before: str, now: str) -> str:
    """Return what ``now`` has more; the beginning may have been dropped since ``before``.

    When nothing of ``before`` is found any more, all of ``now`` is new.
    """
    if now.startswith(before):
        return now[len(before) :]
    tail = before[-_ANCHOR:]
    _, found, rest = now.partition(tail)
    return rest if found else now
