"""Work that cancelling does not leave behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from threading import Event
    from typing import Any

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
    return await unbroken(
        asyncio.to_thread(work, *args, **kwargs), None if stop is None else stop.set
    )


async def unbroken(
    work: Coroutine[Any, Any, T],
    stop: Callable[[], None] | None = None,
    *,
    patience: float | None = None,
) -> T:
    """Await ``work``. When cancelled, ``stop`` it and wait for its end first.

    After ``patience`` seconds of that it is cancelled as well.
    """
    running = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if stop is not None:
            stop()
        if patience is not None:
            asyncio.get_running_loop().call_later(patience, running.cancel)
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # nobody else asks for it
        raise
