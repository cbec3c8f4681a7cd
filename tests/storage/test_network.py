"""Connections of our own beneath httpcore, against a server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpcore
import httpx
import pytest

from bai_manager.clients.storage_proxy.network import READ, Stream, Transport
from tests.storage.fault_server import FaultServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.storage.fault_server import Exchange

DATA = os.urandom(3 * READ)


@asynccontextmanager
async def answered_by(
    act: Callable[[Exchange], Awaitable[None]],
) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        FaultServer(act) as server,
        httpx.AsyncClient(transport=Transport(None, 4), base_url=server.url, timeout=1) as client,
        asyncio.timeout(10),
    ):
        yield client


def stream_of(response: httpx.Response) -> Stream:
    stream = response.extensions["network_stream"]
    assert isinstance(stream, Stream)
    return stream


async def say_all(exchange: Exchange) -> None:
    await exchange.answer(200, DATA)


async def test_what_was_read_ahead_comes_first_and_then_the_rest() -> None:
    async with answered_by(say_all) as client, client.stream("GET", "/") as response:
        parsed = response.aiter_raw()  # the connection ends with it
        came = bytearray(await anext(parsed))
        await asyncio.sleep(0.05)  # its own memory fills meanwhile
        for size in (10, READ, 100):
            came += await stream_of(response).receive(size)
        while len(came) < len(DATA):
            came += await stream_of(response).receive(len(DATA) - len(came))
    assert came == DATA


async def test_what_comes_slowly_is_handed_out_as_it_is() -> None:
    async def say_half(exchange: Exchange) -> None:
        await exchange.head(200, {"Content-Length": "8"})
        exchange.writer.write(b"1234")
        await asyncio.sleep(0.4)
        exchange.writer.write(b"5678")

    async with answered_by(say_half) as client, client.stream("GET", "/") as response:
        parsed = response.aiter_raw()  # the connection ends with it
        came = bytearray(await anext(parsed))
        parts = []
        while len(came) < 8:
            parts.append(await stream_of(response).receive(8 - len(came)))
            came += parts[-1]
    assert came == b"12345678"
    assert b"" in parts


async def test_end_in_the_middle_is_told_after_what_came() -> None:
    async def end(exchange: Exchange) -> None:
        exchange.keep_alive = False
        await exchange.head(200, {"Content-Length": "9"})
        exchange.writer.write(b"1234")
        await exchange.writer.drain()
        await asyncio.sleep(0.05)
        exchange.writer.write(b"56")

    async with answered_by(end) as client, client.stream("GET", "/") as response:
        parsed = response.aiter_raw()
        assert await anext(parsed) == b"1234"
        assert await stream_of(response).receive(5) == b"56"
        with pytest.raises(httpcore.ReadError):
            await stream_of(response).receive(3)


async def test_answer_given_before_all_was_sent_is_heard() -> None:
    async def refuse(exchange: Exchange) -> None:
        exchange.body_read = True
        exchange.keep_alive = False
        await exchange.answer(507, b"full")

    async def much() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield DATA

    async with answered_by(refuse) as client:
        answer = await client.put("/", content=much())
    assert (answer.status_code, answer.text) == (507, "full")


async def test_who_takes_nothing_is_given_up_in_time() -> None:
    async def hang(exchange: Exchange) -> None:  # noqa: ARG001 - that is its answer
        await asyncio.Event().wait()

    async with answered_by(hang) as client:
        with pytest.raises(httpcore.WriteTimeout):
            await client.put("/", content=DATA * 32, timeout=0.1)
        with pytest.raises(httpcore.ReadTimeout):
            await client.get("/", timeout=0.1)


async def test_connection_that_was_ended_meanwhile_is_not_used_again() -> None:
    async def end(exchange: Exchange) -> None:
        await exchange.answer(200, b"once")
        exchange.keep_alive = False

    async with answered_by(end) as client:
        for _ in range(3):
            assert (await client.get("/")).text == "once"
            await asyncio.sleep(0.02)


async def test_connection_is_used_again_after_an_answer_that_filled_its_memory() -> None:
    peers = set()

    async def say(exchange: Exchange) -> None:
        peers.add(exchange.writer.get_extra_info("peername"))
        await exchange.answer(200, DATA)

    async with answered_by(say) as client:
        for _ in range(3):
            assert (await client.get("/")).content == DATA
    assert len(peers) == 1
