"""etcd through its HTTP gateway: reading the configuration below ``/sorna/<namespace>``."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import httpx

from bai_manager.clients.cluster.errors import (
    ClusterUnknown,
    EtcdRefused,
    EtcdUnreachable,
)
from bai_manager.clients.faults import fault_of
from bai_manager.clients.trust import trusted

if TYPE_CHECKING:
    from bai_manager.types.credentials import Secret
    from bai_manager.types.json import JsonObject

_HINT: Final = "Its address is etcd.url: 'bai-manager config show --origin'."


class EtcdClient:
    """Reads keys; writes nothing. Key components are URL-quoted in etcd and plain here."""

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        user: str | None = None,
        password: Secret | None = None,
        timeout: float = 5.0,
        hint: str = _HINT,
    ) -> None:
        """``hint`` says where its address comes from."""
        self.url = url.rstrip("/")
        self._root = f"/sorna/{namespace}/"
        self._user = user
        self._password = password
        self._timeout = timeout
        self._hint = hint

    async def configuration(self) -> dict[str, str]:
        """What the cluster's managers and storage proxies read: ``config/`` and ``volumes/``.

        Raises ``ClusterUnknown`` when there is nothing, ``EtcdUnreachable`` and ``EtcdRefused``.
        """
        found = {**await self.get_prefix("volumes/"), **await self.get_prefix("config/")}
        if not found:
            raise ClusterUnknown(
                f"etcd at {self.url} has nothing below {self._root}.",
                hint="The cluster's namespace is in its manager's file.",
            )
        return found

    async def version(self) -> str:
        """The server's version. Raises ``EtcdUnreachable``."""
        async with self._client() as client:
            answer = await self._answer(client, "GET", "/version", None)
        if "etcdserver" not in answer:
            raise EtcdUnreachable(f"What answers at {self.url} is no etcd.", hint=self._hint)
        return str(answer["etcdserver"])

    async def get_prefix(self, prefix: str) -> dict[str, str]:
        """Everything below a prefix, keys relative to the namespace.

        Raises ``EtcdUnreachable`` and ``EtcdRefused``.
        """
        first = (self._root + prefix).encode()
        after = first[:-1] + bytes([first[-1] + 1])
        wanted: JsonObject = {"key": _encoded(first), "range_end": _encoded(after)}
        async with self._client() as client:
            await self._log_in(client)
            answer = await self._answer(client, "POST", "/v3/kv/range", wanted)
        return dict(self._pair(entry) for entry in _listed(answer.get("kvs")))

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, timeout=self._timeout, trust_env=False, verify=trusted(self.url)
        )

    async def _log_in(self, client: httpx.AsyncClient) -> None:
        if not self._user:
            return
        proof: JsonObject = {
            "name": self._user,
            "password": self._password.reveal() if self._password else "",
        }
        answer = await self._answer(client, "POST", "/v3/auth/authenticate", proof)
        client.headers["Authorization"] = str(answer.get("token", ""))

    async def _answer(
        self, client: httpx.AsyncClient, method: str, path: str, body: JsonObject | None
    ) -> JsonObject:
        try:
            response = await client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise EtcdUnreachable(
                f"etcd at {self.url} does not answer: {fault_of(error, within=self._timeout)}.",
                hint=self._hint,
            ) from error
        if response.status_code in {400, 401, 403}:
            raise EtcdRefused(
                f"etcd at {self.url} refuses: {response.text[:200].strip()}",
                hint="Check etcd.user and etcd.password of the profile.",
            )
        try:
            answer: JsonObject = response.raise_for_status().json()
        except (httpx.HTTPStatusError, ValueError) as error:
            raise EtcdUnreachable(
                f"What answers at {self.url} is no etcd (HTTP {response.status_code}).",
                hint=self._hint,
            ) from error
        return answer

    def _pair(self, entry: JsonObject) -> tuple[str, str]:
        try:
            key = base64.b64decode(str(entry["key"]), validate=True).decode()
            value = base64.b64decode(str(entry.get("value", "")), validate=True).decode()
        except (KeyError, binascii.Error, UnicodeDecodeError) as error:
            raise EtcdUnreachable(
                f"etcd at {self.url} answers garbage.", hint=self._hint
            ) from error
        return "/".join(map(unquote, key.removeprefix(self._root).split("/"))), value


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _listed(value: object) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
