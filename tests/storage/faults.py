"""Ways in which a storage proxy fails."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.storage.fault_server import Exchange, Fault

HALF = 2**18
"""Bytes that come through before a transfer fails."""


def at(where: str, act: Callable[[Exchange], Awaitable[None]], *, times: int = 10**9) -> Fault:
    """The fault for what is asked at ``where`` (``GET /download``), so many times."""
    left = times

    async def fault(exchange: Exchange) -> bool:
        nonlocal left
        if f"{exchange.method} {exchange.path}" != where or not left:
            return False
        left -= 1
        await act(exchange)
        return True

    return fault


async def reset(exchange: Exchange) -> None:
    """End the connection, before a word or, of a body, after some of it."""
    if exchange.method == "PATCH":
        await take_some(exchange)
    exchange.reset()


async def drop(exchange: Exchange) -> None:
    """A TCP reset, whatever was said so far."""
    exchange.reset()


async def end(exchange: Exchange) -> None:
    """Nothing more, in good order."""
    exchange.body_read = True


async def reset_in_the_middle_of_an_answer(exchange: Exchange) -> None:
    await exchange.head(200, {"Content-Length": str(2 * HALF), "Content-Type": "text/plain"})
    exchange.writer.write(b"x" * HALF)
    await exchange.writer.drain()
    await asyncio.sleep(0.05)
    exchange.reset()


async def hang(exchange: Exchange) -> None:
    """Take nothing and say nothing."""
    exchange.keep_alive = False
    exchange.body_read = True
    await asyncio.Event().wait()


async def hang_in_the_middle_of_an_answer(exchange: Exchange) -> None:
    await exchange.head(200, {"Content-Length": str(2 * HALF), "Content-Type": "text/plain"})
    exchange.writer.write(b"x" * HALF)
    await exchange.writer.drain()
    await hang(exchange)


async def drip(exchange: Exchange) -> None:
    """A byte now and then, so that something always moves."""
    await exchange.head(200, {"Content-Length": str(2 * HALF), "Content-Type": "text/plain"})
    exchange.keep_alive = False
    exchange.body_read = True
    while True:
        exchange.writer.write(b"x")
        await exchange.writer.drain()
        await asyncio.sleep(0.02)


async def drip_the_head(exchange: Exchange) -> None:
    exchange.keep_alive = False
    exchange.body_read = True
    while True:
        exchange.writer.write(b"H")
        await exchange.writer.drain()
        await asyncio.sleep(0.02)


async def take_and_never_answer(exchange: Exchange) -> None:
    async for _ in exchange.body():
        pass
    await hang(exchange)


async def stumble(exchange: Exchange) -> None:
    if exchange.method == "PATCH":
        await take_some(exchange)
    await exchange.trouble()
    await _linger(exchange)


async def say_half_of_it(exchange: Exchange) -> None:
    await _drained(exchange)
    await exchange.answer(200, b'{"items": [{"na', "application/json")


async def say_something_else(exchange: Exchange) -> None:
    await _drained(exchange)
    await exchange.answer(200, json.dumps([1, {"items": 3}]).encode(), "application/json")


async def say_welcome(exchange: Exchange) -> None:
    """As a captive portal or a wrong port does."""
    await _drained(exchange)
    await exchange.answer(200, b"<html>Welcome</html>", "text/html")


async def refuse_token(exchange: Exchange) -> None:
    if exchange.method == "PATCH":
        await take_some(exchange)
    exchange.keep_alive = False
    problem = {
        "type": "https://api.backend.ai/probs/storage/invalid-api-params",
        "title": "Invalid API parameters",
        "data": {"token": "cannot decode the given value as JWT: Signature has expired"},
    }
    await exchange.answer(400, json.dumps(problem).encode(), "application/problem+json")
    await _linger(exchange)


async def be_full(exchange: Exchange) -> None:
    await _drained(exchange)
    await exchange.say({"capacity_bytes": 2**40, "used_bytes": 2**40})


async def be_at_the_limit(exchange: Exchange) -> None:
    await _drained(exchange)
    await exchange.say({"used_bytes": 2**30, "limit_bytes": 2**30})


async def say_no_space(exchange: Exchange) -> None:
    await take_some(exchange)
    exchange.keep_alive = False
    await exchange.answer(507, b"Insufficient Storage", "text/plain")
    await _linger(exchange)


async def _linger(exchange: Exchange) -> None:
    """Go on reading for a while after an early answer, as servers do so that it is seen."""
    exchange.body_read = True
    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            while await exchange.reader.read(2**16):
                pass


async def take_some(exchange: Exchange) -> None:
    taken = 0
    async for piece in exchange.body():
        taken += len(piece)
        if taken >= HALF:
            return


async def _drained(exchange: Exchange) -> None:
    async for _ in exchange.body():
        pass
