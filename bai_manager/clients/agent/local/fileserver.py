"""The service ``files`` of local images: a kernel's work folder over HTTP, to be read only.

It listens on the loopback interface, where every user of the machine can connect, so it answers
below a path only that begins with the kernel's own token (``BACKENDAI_SERVICE_TOKEN``).
Run in the folder as ``python -P -m bai_manager.clients.agent.local.fileserver PORT``.
"""

from __future__ import annotations

import os
import sys
from hmac import compare_digest
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_VARIABLE = "BACKENDAI_SERVICE_TOKEN"  # noqa: S105 - the name of a variable
_LOOPBACK = "127.0.0.1"


def handler_for(token: str) -> type[SimpleHTTPRequestHandler]:
    """What answers below ``/TOKEN/``, and that nothing is found anywhere else."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            self._if_invited(super().do_GET)

        def do_HEAD(self) -> None:
            self._if_invited(super().do_HEAD)

        def translate_path(self, path: str) -> str:
            return super().translate_path("/" + path.lstrip("/").partition("/")[2])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
            """Keep quiet: a kernel's log is no place for its token."""

        def _if_invited(self, answer: Callable[[], None]) -> None:
            given, slash, _ = self.path.lstrip("/").partition("/")
            if slash and compare_digest(given.encode(), token.encode()):
                answer()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

    return Handler


def main(port: int) -> None:
    """Serve until the process is ended."""
    handler = handler_for(os.environ[TOKEN_VARIABLE])
    ThreadingHTTPServer((_LOOPBACK, port), handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
