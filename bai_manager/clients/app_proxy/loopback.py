"""Programs of this machine: their own port of the loopback interface is the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bai_manager.clients.app_proxy.protocol import ProxyAddress, RunningApp

_OF_BROWSERS: Final = frozenset({"http", "preopen"})
"""What is spoken on a pre-open port is the program's business; most speak HTTP."""


class LoopbackGateway:
    """The local agent answers with the port, and with the path of what keeps others out."""

    async def check(self, proxy: ProxyAddress | None) -> None:
        """Nothing is between a program of this machine and who sits at it."""

    async def open(self, app: RunningApp, proxy: ProxyAddress | None) -> str | None:  # noqa: ARG002
        port = app.told.get("port", app.port)
        if not isinstance(port, int):
            return None
        if app.protocol not in _OF_BROWSERS:
            return f"{app.protocol}://{app.host}:{port}"
        return f"http://{app.host}:{port}{app.told.get('path') or '/'}"
