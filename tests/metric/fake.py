"""A server that answers like Prometheus (``/api/v1``), or as badly as a test wants."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

METRICS = ("cpu_util", "cpu_used", "cuda_util", "io_read", "mem", "net_rx", "net_tx")


@dataclass
class FakeSeries:
    """``value`` of a moment (Unix seconds) as Prometheus writes it; None is no sample."""

    labels: dict[str, str]
    value: Callable[[float], str | None] = lambda _time: "1"


@dataclass
class FakePrometheus:
    """``raw`` replaces every answer to a query; ``hold`` keeps answers back until it is set."""

    series: list[FakeSeries] = field(default_factory=list)
    names: tuple[str, ...] = METRICS
    raw: tuple[int, bytes] | None = None
    hold: Event | None = None
    queries: list[str] = field(default_factory=list)
    ranges: list[tuple[float, float, float]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.hold is not None:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, params: dict[str, list[str]]) -> tuple[int, bytes]:
        if path.endswith("/values"):
            return 200, _success([*self.names])
        self.queries.append(params["query"][0])
        if self.hold is not None:
            self.hold.wait(10)
        if self.raw is not None:
            return self.raw
        if path.endswith("/query"):
            return 200, _success(self._vector(float(params["time"][0])))
        start, end, step = (float(params[name][0]) for name in ("start", "end", "step"))
        self.ranges.append((start, end, step))
        return 200, _success(self._matrix(start, end, step))

    def _vector(self, time: float) -> object:
        found = [(one.labels, one.value(time)) for one in self.series]
        return {
            "resultType": "vector",
            "result": [
                {"metric": labels, "value": [time, value]}
                for labels, value in found
                if value is not None
            ],
        }

    def _matrix(self, start: float, end: float, step: float) -> object:
        times = [start + number * step for number in range(int((end - start) / step + 1.001))]
        result = []
        for one in self.series:
            points = [[time, value] for time in times if (value := one.value(time)) is not None]
            if points:
                result.append({"metric": one.labels, "values": points})
        return {"resultType": "matrix", "result": result}


def _success(data: object) -> bytes:
    return json.dumps({"status": "success", "data": data}).encode()


def _handler(fake: FakePrometheus) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            text = self.rfile.read(length).decode() if length else url.query
            status, body = fake.answer(url.path, parse_qs(text))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_any  # noqa: N815 - the base class's names

        def log_message(self, *_args: object) -> None:
            pass

    return Handler
