"""Work in threads that cancelling does not leave behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``work`` in a thread. When cancelled, wait for its end first.

    So a descriptor it uses can be closed afterwards.
    """
    return await stoppable(None, work, *args, **kwargs)


async def stoppable(
    stop: Event | None, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """The same for long work, which is asked to ``stop`` when cancelled."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if stop is not None:
            stop.set()
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # nobody else asks for it
        raise
