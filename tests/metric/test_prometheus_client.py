"""The Prometheus client against a server that answers by the wire format, badly, or not at all."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import isinf, isnan
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from bai_manager.clients.prometheus.client import PrometheusClient
from bai_manager.clients.prometheus.errors import (
    AuthoritiesUnreadable,
    FailedToGetMetric,
    PrometheusUnreachable,
    QueryRejected,
)
from bai_manager.clients.prometheus.grid import Grid
from bai_manager.clients.prometheus.matrix import Malformed, MatrixReader
from bai_manager.clients.prometheus.promql import selector
from bai_manager.types.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bai_manager.types.json import JsonValue

    Answer = Callable[[str, dict[str, list[str]]], tuple[int, bytes]]

START = datetime(2026, 11, 1, tzinfo=UTC)
MOST_POINTS = 11_000
TLS = Path(__file__).with_name("tls")
"""A certificate of 127.0.0.1 that vouches for itself, made for these tests."""


class Asked(list[tuple[str, dict[str, list[str]], str | None]]):
    """Path, parameters and authorization of each request."""


@contextmanager
def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, Asked]]:
    asked = Asked()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            text = self.rfile.read(length).decode() if length else url.query
            params = parse_qs(text)
            asked.append((url.path, params, self.headers.get("Authorization")))
            status, body = answer(url.path, params)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_any  # noqa: N815 - the base class's names

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.handle_error = _nothing  # type: ignore[method-assign,assignment]
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def _nothing(*_: object) -> None:
    """Certificates that are refused are what the test is about."""


def fixed(status: int, body: JsonValue | bytes) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _path, _params: (status, content)


def success(result: JsonValue, kind: str = "matrix") -> dict[str, JsonValue]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def refusal(kind: str) -> dict[str, JsonValue]:
    return {"status": "error", "errorType": kind, "error": "the reason"}


async def ranged(url: str, grid: Grid) -> list[tuple[dict[str, str], list[float], list[float]]]:
    client = PrometheusClient(url, timeout=1.0)
    try:
        return [
            (series.labels, series.times, series.values)
            for series in await client.query_range_joined("up", grid)
        ]
    finally:
        await client.aclose()


def minutes(count: int) -> Grid:
    return Grid.between(START, START + timedelta(minutes=count), timedelta(minutes=1))


async def test_a_range_is_posted_and_its_series_are_read() -> None:
    start = START.timestamp()
    result: JsonValue = [
        {"metric": {"kernel_id": "a"}, "values": [[start, "1.5"], [start + 60, "2"]]}
    ]
    with serving(fixed(200, success(result))) as (url, asked):
        assert await ranged(url, minutes(1)) == [
            ({"kernel_id": "a"}, [start, start + 60], [1.5, 2.0])
        ]
    [(path, params, _authorization)] = asked
    assert path == "/api/v1/query_range"
    assert params["query"] == ["up"]
    assert float(params["step"][0]) == 60


async def test_a_range_of_more_than_11000_points_is_asked_for_in_parts() -> None:
    def answer(_path: str, params: dict[str, list[str]]) -> tuple[int, bytes]:
        start, end = float(params["start"][0]), float(params["end"][0])
        points: JsonValue = [[moment, "1"] for moment in range(int(start), int(end) + 1, 60)]
        assert len(points) <= MOST_POINTS  # type: ignore[arg-type]
        return 200, json.dumps(success([{"metric": {}, "values": points}])).encode()

    with serving(answer) as (url, asked):
        [(_labels, times, _values)] = await ranged(url, minutes(25_000))
    assert len(asked) == 3
    assert len(times) == 25_001
    assert sorted(set(times)) == times


async def test_nan_and_infinity_are_values() -> None:
    start = START.timestamp()
    values: JsonValue = [[start, "NaN"], [start + 60, "+Inf"]]
    with serving(fixed(200, success([{"metric": {}, "values": values}]))) as (url, _asked):
        [(_labels, _times, found)] = await ranged(url, minutes(1))
    assert isnan(found[0])
    assert isinf(found[1])


async def test_nothing_found_is_no_series() -> None:
    with serving(fixed(200, success([]))) as (url, _asked):
        assert await ranged(url, minutes(1)) == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"status": "error", "errorType": "bad_data", "error": "parse error"}, QueryRejected),
        (
            422,
            {"status": "error", "errorType": "execution", "error": "too many"},
            FailedToGetMetric,
        ),
        (503, {"status": "error", "errorType": "timeout", "error": "timed out"}, FailedToGetMetric),
        (500, b"oops", FailedToGetMetric),
        (200, b"<html>", FailedToGetMetric),
        (
            200,
            b'{"status": "success", "data": {"resultType": "matrix", "result": [{"metr',
            FailedToGetMetric,
        ),
        (
            200,
            {"status": "success", "data": {"resultType": "matrix", "result": 3}},
            FailedToGetMetric,
        ),
    ],
)
async def test_answers_that_are_no_series_are_errors(
    status: int, body: JsonValue | bytes, error: type[Exception]
) -> None:
    with serving(fixed(status, body)) as (url, _asked), pytest.raises(error):
        await ranged(url, minutes(1))


async def test_the_servers_own_words_are_passed_on() -> None:
    with (
        serving(fixed(400, refusal("bad_data"))) as (url, _asked),
        pytest.raises(QueryRejected, match="the reason"),
    ):
        await ranged(url, minutes(1))


async def test_a_refused_connection_is_unreachable() -> None:
    with serving(fixed(200, {})) as (url, _asked):
        pass
    with pytest.raises(PrometheusUnreachable):
        await ranged(url, minutes(1))


async def test_a_hang_ends_within_the_timeout() -> None:
    released = Event()

    def answer(_path: str, _params: dict[str, list[str]]) -> tuple[int, bytes]:
        released.wait(10)
        return 200, b"{}"

    with serving(answer) as (url, _asked):
        client = PrometheusClient(url, timeout=0.2)
        try:
            with pytest.raises((PrometheusUnreachable, FailedToGetMetric)):
                await client.query("up", START)
        finally:
            released.set()
            await client.aclose()


async def test_a_token_is_shown() -> None:
    with serving(fixed(200, success([], "vector"))) as (url, asked):
        client = PrometheusClient(url, timeout=1.0, token=Secret("tok"))
        await client.query("up", START)
        await client.aclose()
    assert asked[0][2] == "Bearer tok"


@pytest.mark.parametrize(
    ("value", "written"),
    [('a"b', r"a\"b"), ("a\\b", r"a\\b"), ("a\nb", r"a\nb")],
)
def test_label_values_cannot_break_out_of_their_quotes(value: str, written: str) -> None:
    assert f'"{written}"' in selector("up", {"session_id": [value]})


async def test_a_user_and_a_password_are_shown() -> None:
    with serving(fixed(200, success([], "vector"))) as (url, asked):
        client = PrometheusClient(url, timeout=1.0, user="me", password=Secret("pass"))
        await client.query("up", START)
        await client.aclose()
    assert asked[0][2] == "Basic " + b64encode(b"me:pass").decode()


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
@pytest.mark.parametrize("trusted", ["environment", "setting", ""])
async def test_certificates_are_checked(
    monkeypatch: pytest.MonkeyPatch, trusted: str, scheme: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    if trusted == "environment":
        monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "certificate.pem"))
    with serving(fixed(200, success([], "vector")), tls=context) as (url, _asked):
        ca_file = TLS / "certificate.pem" if trusted == "setting" else None
        address = url.replace("https", scheme)
        client = PrometheusClient(address, timeout=2.0, ca_file=ca_file)
        try:
            if trusted:
                assert await client.query("up", START) == []
            else:
                with pytest.raises(PrometheusUnreachable, match="certificate"):
                    await client.query("up", START)
        finally:
            await client.aclose()


def test_a_file_without_authorities_is_a_matter_of_configuration(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for file in (empty, tmp_path / "none.pem"):
        with pytest.raises(AuthoritiesUnreadable, match=file.name):
            PrometheusClient("https://127.0.0.1:1", ca_file=file)


async def test_families_are_listed_with_type_and_help() -> None:
    entry: JsonValue = {"type": "gauge", "help": "Use", "unit": ""}
    body: JsonValue = {"status": "success", "data": {"backendai_x": [entry], "odd": []}}
    with serving(fixed(200, body)) as (url, _asked):
        client = PrometheusClient(url, timeout=1.0)
        assert await client.metadata() == {"backendai_x": ("gauge", "Use")}
        await client.aclose()


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_series_are_read_however_the_body_is_cut(size: int) -> None:
    labels: dict[str, JsonValue] = {"session_id": ']]},{"metric":{"x":"\\"é\U0001f600'}
    result: JsonValue = [
        {"metric": labels, "values": [[1.5, "2"], [3, "NaN"]]},
        {"metric": {}, "values": []},
        {"metric": {"a": "b"}, "values": [[4, "5e-3"]]},
    ]
    body = {**success(result), "warnings": ["]]}"]}
    for text in (json.dumps(body), json.dumps(body, indent=2)):
        reader = MatrixReader()
        cuts = range(0, len(text), size)
        found = [series for cut in cuts for series in reader.feed(text[cut : cut + size])]
        reader.close()
        assert [series.labels for series in found] == [labels, {}, {"a": "b"}]
        assert [series.times for series in found] == [[1.5, 3], [], [4]]
        assert found[2].values == [0.005]


def test_an_answer_that_breaks_off_anywhere_is_noticed() -> None:
    text = json.dumps(success([{"metric": {"a": "b"}, "values": [[1, "2"]]}]))
    for end in range(text.index('"result"'), text.index("]}}")):
        reader = MatrixReader()
        assert len([*reader.feed(text[:end])]) <= 1
        with pytest.raises(Malformed):
            reader.close()
