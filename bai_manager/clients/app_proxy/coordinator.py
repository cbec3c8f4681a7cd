"""The coordinator of an app proxy: the routes for session apps (``reference/app-proxy.md`` §1-§3).

No route lets a way be taken back: it goes with the session, or when nobody used it for an hour.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import httpx

from bai_manager.clients.app_proxy.errors import (
    AppProxyBusy,
    AppProxyRefused,
    AppProxyTokenRefused,
    AppProxyUnreachable,
    NoAppProxy,
)
from bai_manager.clients.trust import trusted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.clients.app_proxy.protocol import ProxyAddress, RunningApp
    from bai_manager.types.json import JsonObject

_CONNECT_TIMEOUT: Final = 5.0
_ANSWER_TIMEOUT: Final = 20.0
"""A worker has 15 s to make a way."""


class CoordinatorGateway:
    """Asks the coordinator of the resource group, whichever that is; keeps no connection.

    In a dry run it only looks whether somebody is there.
    """

    def __init__(self, *, dry_run: bool = False, timeout: float = _ANSWER_TIMEOUT) -> None:
        self._dry_run = dry_run
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT))

    async def check(self, proxy: ProxyAddress | None) -> None:
        """Raise ``NoAppProxy`` and ``AppProxyUnreachable``."""
        if proxy is None:
            raise NoAppProxy
        await self._ask(proxy, "GET", "/status")

    async def open(self, app: RunningApp, proxy: ProxyAddress | None) -> str | None:
        """Register the program, then have a worker make a way to it.

        Raises ``AppProxyUnreachable``, ``AppProxyTokenRefused``, ``AppProxyBusy`` and
        ``AppProxyRefused``.
        """
        if proxy is None:
            raise NoAppProxy
        if self._dry_run:
            return None
        token = await self._register(app, proxy)
        return await self._add(app, proxy, token)

    async def _register(self, app: RunningApp, proxy: ProxyAddress) -> str:
        answer = await self._ask(
            proxy,
            "POST",
            "/v2/conf",
            body={
                "login_session_token": None,
                "kernel_host": app.host,
                "kernel_port": app.port,
                "session": {
                    "id": str(app.session_id),
                    "user_uuid": str(app.user_id),
                    "group_id": str(app.group_id),
                    "access_key": app.access_key,
                    "domain_name": app.domain_name,
                },
            },
        )
        return _text(answer, "token", proxy)

    async def _add(self, app: RunningApp, proxy: ProxyAddress, token: str) -> str:
        query = {
            "app": app.name,
            "protocol": app.protocol,
            "open_to_public": str(app.open_to_public).lower(),
        }
        for name, given in (("args", app.arguments), ("envs", app.environ)):
            if given:
                query[name] = json.dumps(given)
        route = f"/v2/proxy/{token}/{app.session_id}/add"
        return _text(await self._ask(proxy, "GET", route, query=query), "url", proxy)

    async def _ask(
        self,
        proxy: ProxyAddress,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
    ) -> JsonObject:
        headers = {"Accept": "application/json"}
        if proxy.token is not None:
            headers["X-BackendAI-Token"] = proxy.token.reveal()
        try:
            async with httpx.AsyncClient(
                timeout=self._timeout, trust_env=False, verify=trusted(proxy.url)
            ) as client:
                response = await client.request(
                    method,
                    proxy.url.rstrip("/") + path,
                    params=query,
                    json=body,
                    headers=headers,
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = f"does not answer ({error or type(error).__name__})"
            raise AppProxyUnreachable(proxy.url, why) from error
        return _read(response, proxy)


def _read(response: httpx.Response, proxy: ProxyAddress) -> JsonObject:
    try:
        found = response.json()
    except ValueError:
        found = None
    answer: JsonObject = found if isinstance(found, dict) else {}
    why = str(answer.get("title") or answer.get("msg") or response.reason_phrase)
    match response.status_code:
        case httpx.codes.UNAUTHORIZED | httpx.codes.FORBIDDEN:
            raise AppProxyTokenRefused(proxy.url)
        case httpx.codes.SERVICE_UNAVAILABLE:
            raise AppProxyBusy(proxy.url, why)
    if not response.is_success:
        raise AppProxyRefused(proxy.url, response.status_code, why)
    if not answer:
        raise AppProxyUnreachable(proxy.url, "does not answer as an app proxy would")
    return answer


def _text(answer: JsonObject, key: str, proxy: ProxyAddress) -> str:
    value = answer.get(key)
    if not isinstance(value, str) or not value:
        raise AppProxyUnreachable(proxy.url, f"answers without {key}")
    return value
