"""The etcd client against servers that answer well, badly and not at all."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.cluster.errors import EtcdRefused, EtcdUnreachable
from bai_manager.clients.cluster.etcd import EtcdClient
from bai_manager.types.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Etcd:
    """Answers each path with a fixed status and body, and remembers what was asked."""

    def __init__(self, answers: dict[str, tuple[int, bytes]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, object, str | None]] = []


@contextmanager
def serving(answers: dict[str, tuple[int, bytes]]) -> Iterator[tuple[str, Etcd]]:
    etcd = Etcd(answers)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            etcd.asked.append((self.path, body, self.headers.get("Authorization")))
            status, content = etcd.answers[self.path]
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - the base class's names

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", etcd
    finally:
        server.shutdown()
        server.server_close()


def client_of(url: str, **options: object) -> EtcdClient:
    return EtcdClient(url, namespace="local", timeout=1.0, **options)  # type: ignore[arg-type]


async def test_a_prefix_is_read_with_keys_relative_and_unquoted() -> None:
    entries = {
        "kvs": [{"key": b64("/sorna/local/volumes/proxies/a%2Fb/secret"), "value": b64("t")}]
    }
    with serving({"/v3/kv/range": (200, json.dumps(entries).encode())}) as (url, etcd):
        assert await client_of(url).get_prefix("volumes/") == {"volumes/proxies/a/b/secret": "t"}
    [(_path, asked, _token)] = etcd.asked
    assert asked == {"key": b64("/sorna/local/volumes/"), "range_end": b64("/sorna/local/volumes0")}


async def test_nothing_below_a_prefix_is_an_empty_map() -> None:
    with serving({"/v3/kv/range": (200, b'{"header": {}}')}) as (url, _etcd):
        assert await client_of(url).get_prefix("volumes/") == {}


async def test_a_user_logs_in_first_and_shows_the_token() -> None:
    answers = {
        "/v3/auth/authenticate": (200, b'{"token": "tok"}'),
        "/v3/kv/range": (200, b"{}"),
    }
    with serving(answers) as (url, etcd):
        await client_of(url, user="bai", password=Secret("pass")).get_prefix("config/")
    assert etcd.asked[0][1] == {"name": "bai", "password": "pass"}
    assert etcd.asked[1][2] == "tok"


async def test_a_wrong_password_is_a_matter_of_configuration() -> None:
    answers = {"/v3/auth/authenticate": (400, b'{"error": "invalid user ID or password"}')}
    with serving(answers) as (url, _etcd), pytest.raises(EtcdRefused, match="invalid user"):
        await client_of(url, user="bai", password=Secret("no")).get_prefix("config/")


@pytest.mark.parametrize(
    "answer", [(500, b"oops"), (200, b"no json"), (200, b'{"kvs": [{"key": "%%%"}]}')]
)
async def test_garbage_is_unreachable(answer: tuple[int, bytes]) -> None:
    with serving({"/v3/kv/range": answer}) as (url, _etcd), pytest.raises(EtcdUnreachable):
        await client_of(url).get_prefix("config/")


async def test_something_else_that_tells_its_version_is_no_etcd() -> None:
    answers = {"/version": (200, b'{"version": "2.42.0"}')}
    with serving(answers) as (url, _etcd), pytest.raises(EtcdUnreachable, match="no etcd"):
        await client_of(url).version()


async def test_a_refused_connection_is_unreachable() -> None:
    with serving({}) as (url, _etcd):
        pass
    with pytest.raises(EtcdUnreachable, match="does not answer"):
        await client_of(url).version()
