"""The HTTP API of Prometheus: instant and range queries, label values, metadata."""

from __future__ import annotations

import asyncio
import codecs
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpx

from bai_manager.clients.faults import fault_of
from bai_manager.clients.prometheus.errors import (
    AuthoritiesUnreadable,
    FailedToGetMetric,
    PrometheusUnreachable,
    QueryRejected,
)
from bai_manager.clients.prometheus.matrix import (
    Malformed,
    MatrixReader,
    Refused,
    Series,
    read_vector,
)
from bai_manager.clients.trust import trusted

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from bai_manager.clients.prometheus.grid import Grid
    from bai_manager.errors import BackendAIError
    from bai_manager.types.credentials import Secret
    from bai_manager.types.json import JsonObject, JsonValue

_CONNECT_TIMEOUT: Final = 5.0
_PIECE: Final = 1 << 16
_SHOWN: Final = 300
_CREDENTIALS_HINT: Final = (
    "Set prometheus.user and prometheus.password, or prometheus.token, with 'bai-manager config"
    " set'."
)
_ADDRESS_HINT: Final = "Is prometheus.url that of a Prometheus? See 'bai-manager config show'."


class PrometheusClient:
    """One Prometheus server, or what speaks its API.

    ``timeout`` bounds each answer, and of a stream each pause in it. A token wins over a user.
    Certificates are checked against the authorities in ``ca_file`` (PEM), else the usual ones or
    those of ``SSL_CERT_FILE``; without TLS none are loaded, which takes longer than a query.

    Raises ``AuthoritiesUnreadable`` at once. Every method raises ``PrometheusUnreachable``,
    ``FailedToGetMetric`` (the server's own text in it) and, for what the caller asked wrongly,
    ``QueryRejected``.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: Secret | None = None,
        token: Secret | None = None,
        timeout: float = 30.0,
        ca_file: Path | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token.reveal()}"} if token else None,
            auth=_basic(user, password) if token is None else None,
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT)),
            verify=_trusted(self.url, ca_file),
        )

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def version(self) -> str:
        """The server's version."""
        data = (await self._get("status/buildinfo", {})).get("data")
        return str(data.get("version", "unknown")) if isinstance(data, dict) else "unknown"

    async def label_values(self, label: str, match: str) -> list[str]:
        """Values of a label among the series that match, in the server's order.

        The selector goes into the query string: of a GET, Prometheus reads nothing else.
        """
        body = await self._get(f"label/{label}/values", {"match[]": match})
        data = body.get("data")
        return [str(value) for value in data] if isinstance(data, list) else []

    async def metadata(self) -> dict[str, tuple[str, str]]:
        """Type and help text of every metric family that is scraped; of several, the first."""
        data = (await self._get("metadata", {})).get("data")
        found: dict[str, tuple[str, str]] = {}
        for family, entries in data.items() if isinstance(data, dict) else ():
            entry = entries[0] if isinstance(entries, list) and entries else None
            if isinstance(entry, dict):
                found[family] = str(entry.get("type", "")), str(entry.get("help", ""))
        return found

    async def query(self, promql: str, at: datetime) -> list[Series]:
        """The value of each series at one moment; a single point each."""
        body = await self._json("POST", "query", data={"query": promql, "time": _time(at)})
        try:
            return read_vector(body)
        except Malformed as error:
            raise self._garbled(error) from error

    async def query_range(self, promql: str, grid: Grid) -> AsyncGenerator[Series, None]:
        """Series as they arrive; of a range in parts, each series comes again with each part.

        A part holds the points that one answer may; times never go back within a series.
        """
        for part in grid.parts():
            async for series in self._part(promql, part):
                yield series

    async def query_range_joined(self, promql: str, grid: Grid) -> list[Series]:
        """The same with every series whole, put together by labels, in order of appearance."""
        whole: dict[frozenset[tuple[str, str]], Series] = {}
        async for series in self.query_range(promql, grid):
            known = whole.setdefault(frozenset(series.labels.items()), series)
            if known is not series:
                known.times.extend(series.times)
                known.values.extend(series.values)
        return list(whole.values())

    async def _part(self, promql: str, grid: Grid) -> AsyncIterator[Series]:
        form = {
            "query": promql,
            "start": f"{grid.start / 1000:.3f}",
            "end": f"{grid.end / 1000:.3f}",
            "step": f"{grid.step / 1000:.3f}",
        }
        reader = MatrixReader()
        decode = codecs.getincrementaldecoder("utf-8")().decode
        async with self._answer("POST", "query_range", data=form) as response:
            try:
                async for piece in response.aiter_bytes(_PIECE):
                    for series in reader.feed(decode(piece)):
                        yield series
                reader.close()
            except Refused as error:
                raise self._error(response.status_code, str(error)) from error
            except ValueError as error:
                raise self._garbled(error) from error

    async def _get(self, path: str, params: Mapping[str, str]) -> JsonObject:
        return await self._json("GET", path, params=params)

    async def _json(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> JsonObject:
        async with self._within_limit(), self._answer(method, path, params, data) as response:
            content = await response.aread()
        try:
            body: JsonValue = json.loads(content)
        except ValueError as error:
            raise self._garbled(error) from error
        if not isinstance(body, dict) or body.get("status") != "success":
            raise self._error(response.status_code, response.text)
        return body

    @asynccontextmanager
    async def _within_limit(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError as error:
            raise self._too_slow() from error

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """A successful answer whose body has not been read; any other becomes an error."""
        url = f"{self.url}/api/v1/{path}"
        try:
            async with self._client.stream(method, url, params=params, data=data) as response:
                if not response.is_success:
                    await response.aread()
                    raise self._error(response.status_code, response.text)
                yield response
        except httpx.TimeoutException as error:
            raise self._too_slow() from error
        except httpx.ConnectError as error:
            raise PrometheusUnreachable(
                self.url, f"cannot be reached ({fault_of(error)})"
            ) from error
        except httpx.HTTPError as error:
            raise PrometheusUnreachable(self.url, f"broke off ({fault_of(error)})") from error

    def _too_slow(self) -> PrometheusUnreachable:
        return PrometheusUnreachable(
            self.url,
            f"did not answer within {self._timeout:g} s",
            hint="Ask for less, or allow more time with prometheus.timeout.",
        )

    def _error(self, status: int, text: str) -> BackendAIError:
        why = _reason(text) or f"HTTP status {status}"
        if status in _UNAUTHORIZED:
            return FailedToGetMetric(
                self.url,
                f"it does not accept the credentials ({why})",
                status=status,
                hint=_CREDENTIALS_HINT,
            )
        kind = _kind(text)
        if kind == "bad_data":
            return QueryRejected(self.url, why)
        is_api = kind is not None
        return FailedToGetMetric(
            self.url,
            why if is_api else f"HTTP status {status}: {why}",
            status=status,
            hint=None if is_api else _ADDRESS_HINT,
        )

    def _garbled(self, why: Exception) -> FailedToGetMetric:
        return FailedToGetMetric(self.url, f"its answer cannot be read ({why})", hint=_ADDRESS_HINT)


_UNAUTHORIZED: Final[Sequence[int]] = (401, 403)


def _trusted(url: str, ca_file: Path | None) -> ssl.SSLContext | bool:
    try:
        return trusted(url, ca_file)
    except OSError as error:
        raise AuthoritiesUnreadable(str(ca_file), error.strerror or error) from error


def _basic(user: str | None, password: Secret | None) -> httpx.BasicAuth | None:
    return httpx.BasicAuth(user, password.reveal() if password else "") if user else None


def _time(moment: datetime) -> str:
    return f"{moment.timestamp():.3f}"


def _error_body(text: str) -> JsonObject:
    try:
        body: JsonValue = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _kind(text: str) -> str | None:
    """``errorType`` of an error that the API itself reports; None for any other body."""
    kind = _error_body(text).get("errorType")
    return kind if isinstance(kind, str) else None


def _reason(text: str) -> str:
    """The server's error text, or the first line of whatever it sent."""
    error = _error_body(text).get("error")
    if isinstance(error, str):
        return error[:_SHOWN]
    lines = text.strip().splitlines()
    return lines[0][:_SHOWN] if lines else ""
