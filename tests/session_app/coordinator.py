"""A server that answers like an app proxy's coordinator (``reference/app-proxy.md`` §1 to §3)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

TOKEN = "some-api-secret"
NO_WORKER = {"error_code": "E10001", "title": "Service unavailable."}


@dataclass
class FakeCoordinator:
    """``answers`` replaces what a route says: ``{"/status": (200, b"…")}``, by the last part."""

    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    configured: list[dict[str, Any]] = field(default_factory=list)
    added: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

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
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        split = urlsplit(path)
        last = split.path.rpartition("/")[2]
        self.asked.append(last)
        if last in self.answers:
            return self.answers[last]
        if last == "status":
            return _json({"api_version": "v2", "advertise_address": "http://apps.example.com"})
        if last == "conf":
            if headers.get("x-backendai-token") != TOKEN:
                return 401, b"<html>unauthorized</html>"
            self.configured.append(json.loads(body))
            return _json({"token": "0f6e5b1c-0000-4000-8000-000000000000"})
        self.added.append({"path": split.path, **dict(parse_qsl(split.query))})
        return _json({"code": 200, "url": "http://worker.example.com:10205/"})


def _json(value: dict[str, Any]) -> tuple[int, bytes]:
    return 200, json.dumps(value).encode()


def _handler(fake: FakeCoordinator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
            pass

        def _answer(self, body: bytes) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, content = fake.answer(self.path, headers, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
