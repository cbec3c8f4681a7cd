"""Local kernels for a Prometheus that scrapes this machine."""

from __future__ import annotations

import asyncio
import errno
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6, gaierror
from threading import Thread
from typing import TYPE_CHECKING, Final

from bai_manager.errors import BackendAIError
from bai_manager.services.metric.actions import ExportMetricsAction
from bai_manager.services.metric.errors import ExporterMissing, PortTaken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.services.metric.types import ExportedSample

LOOPBACK: Final = "127.0.0.1"
PATH: Final = "/metrics"

_FAMILY: Final = "backendai_container_utilization"
_HELP: Final = "Container utilization metrics"
_LABELS: Final = (
    "container_metric_name",
    "agent_id",
    "kernel_id",
    "session_id",
    "user_id",
    "project_id",
    "value_type",
)
_LAST_PORT: Final = 65535
_WORDS: Final[dict[int | None, str]] = {
    errno.EADDRINUSE: "the port is taken",
    errno.EADDRNOTAVAIL: "it is no address of this machine",
    errno.EACCES: "this user may not listen there",
    errno.EPERM: "this user may not listen there",
    errno.EAFNOSUPPORT: "this machine has no such addresses",
}
_PATIENCE: Final = 10.0
"""Seconds; as long as Prometheus waits for a scrape."""
_LOOK: Final = 0.05
"""Seconds between two looks at whether to end."""


async def serve(
    processor: ActionProcessor,
    port: int,
    started: Callable[[int], None],
    *,
    address: str = LOOPBACK,
) -> None:
    """Answer scrapes on one address until cancelled; ``started`` is told the port.

    Raises ``PortTaken``, ``ExporterMissing`` and what exporting once raises.
    """
    write = exposition()
    await processor.run(ExportMetricsAction())
    loop = asyncio.get_running_loop()

    async def scrape() -> bytes:
        return write((await processor.run(ExportMetricsAction())).samples)

    def answer() -> bytes:
        return asyncio.run_coroutine_threadsafe(scrape(), loop).result(_PATIENCE)

    try:
        server = _server_class(address)((address, port), _handler(answer))
    except (OSError, OverflowError, TypeError) as error:
        raise PortTaken(
            f"Nothing can listen on {host_of_url(address)}:{port}: {_why_not(error)}.",
            hint="Give another --port, where 0 takes one that is free, or an --address of this"
            " machine.",
            details={"address": address, "port": port},
        ) from error
    listening = Thread(target=server.serve_forever, args=(_LOOK,), daemon=True)
    listening.start()
    try:
        started(server.server_port)
        await asyncio.Event().wait()
    finally:
        server.shutdown()
        server.server_close()


def _why_not(error: Exception) -> str:
    """In words: the system's differ from one to the next, and some errors have none.

    A name that cannot be written for the resolver is a ``TypeError`` there.
    """
    if isinstance(error, OverflowError):
        return f"ports go up to {_LAST_PORT}"
    if isinstance(error, gaierror | TypeError):
        return "the name is not known"
    code = getattr(error, "errno", None)
    return _WORDS.get(code) or getattr(error, "strerror", None) or type(error).__name__


def host_of_url(address: str) -> str:
    """The address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def _server_class(address: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in address else AF_INET
        daemon_threads = True

    return Server


def exposition() -> Callable[[Sequence[ExportedSample]], bytes]:
    """What writes samples in the text format. Raises ``ExporterMissing``."""
    try:
        from prometheus_client import CollectorRegistry, Gauge, generate_latest  # noqa: PLC0415
    except ImportError as error:
        raise ExporterMissing(
            "Metrics are written by prometheus_client, which is not installed.",
            hint="Install bai-manager[embedded].",
        ) from error

    def write(samples: Sequence[ExportedSample]) -> bytes:
        registry = CollectorRegistry()
        gauge = Gauge(_FAMILY, _HELP, _LABELS, registry=registry)
        for sample in samples:
            gauge.labels(*(getattr(sample, label) for label in _LABELS)).set(sample.value)
        return generate_latest(registry)

    return write


def _handler(answer: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    class Scrape(BaseHTTPRequestHandler):
        """One request; a failure is status 503 with its text, so that the target counts as down."""

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != PATH:
                self._say(404, "text/plain; charset=utf-8", f"See {PATH}\n".encode())
                return
            try:
                body = answer()
            except BackendAIError as error:
                self._say(503, "text/plain; charset=utf-8", f"{error.message}\n".encode())
            except (TimeoutError, RuntimeError) as error:
                self._say(503, "text/plain; charset=utf-8", f"{type(error).__name__}\n".encode())
            else:
                self._say(200, "text/plain; version=0.0.4; charset=utf-8", body)

        def _say(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server
            """Scrapes come every few seconds and say nothing new."""

    return Scrape
