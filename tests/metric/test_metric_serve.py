"""Kernels of this machine in the text that Prometheus scrapes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from bai_manager.cli.metric_serve import exposition, serve
from bai_manager.errors import Unreachable
from bai_manager.services.metric.actions import ExportMetricsActionResult
from bai_manager.services.metric.errors import PortTaken
from bai_manager.services.metric.types import ExportedSample

if TYPE_CHECKING:
    from typing import Self

    from bai_manager.actions.processor import ActionProcessor
    from tests.cli.conftest import Cluster, Typed

SAMPLE = ExportedSample(
    container_metric_name="mem",
    agent_id="i-local",
    kernel_id="k",
    session_id="s",
    user_id="u",
    project_id='p"\n',
    value_type="current",
    value=1024,
)
LINE = (
    'backendai_container_utilization{agent_id="i-local",container_metric_name="mem",kernel_id="k",'
    'project_id="p\\"\\n",session_id="s",user_id="u",value_type="current"} 1024.0'
)


class Exports:
    """In place of the processor: gives one sample, then fails."""

    def __init__(self) -> None:
        self.fails = False

    async def run(self, _action: object) -> ExportMetricsActionResult:
        if self.fails:
            raise Unreachable("The database does not answer.")
        return ExportMetricsActionResult(samples=[SAMPLE])


class Server:
    """``metric serve`` while a test looks at it."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.exports = Exports()
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        processor = cast("ActionProcessor", self.exports)
        self._task = asyncio.ensure_future(
            serve(processor, 0, self._port.set_result, address=self.address)
        )
        self.port = await self._port
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task

    async def get(self, path: str) -> tuple[int, str]:
        def fetch() -> tuple[int, str]:
            try:
                with urlopen(f"http://{self.address}:{self.port}{path}", timeout=5) as response:
                    return response.status, response.read().decode()
            except HTTPError as error:
                with error:
                    return error.code, error.read().decode()

        return await asyncio.to_thread(fetch)


def test_samples_have_the_names_and_labels_of_the_reference() -> None:
    text = exposition()([SAMPLE]).decode()
    assert "# TYPE backendai_container_utilization gauge\n" in text
    assert text.splitlines()[-1] == LINE


async def test_a_scrape_gets_the_samples_of_now() -> None:
    async with Server() as server:
        status, text = await server.get("/metrics")
        assert (status, text.splitlines()[-1]) == (200, LINE)
        assert (await server.get("/"))[0] == 404


async def test_another_address_is_listened_on_alone() -> None:
    async with Server("127.0.0.2") as server:
        assert (await server.get("/metrics"))[0] == 200
        server.address = "127.0.0.1"
        with pytest.raises(URLError, match="refused"):
            await server.get("/metrics")


@pytest.mark.parametrize(
    ("address", "port", "why"),
    [
        ("192.0.2.1", 0, r"192\.0\.2\.1:0: it is no address of this machine\."),
        ("nowhere.invalid", 0, r"the name is not known\."),
        ("ä..b", 0, r"the name is not known\."),
        ("127.0.0.1", 65536, r"ports go up to 65535\."),
    ],
)
async def test_what_cannot_be_listened_on_is_told_in_words(
    address: str, port: int, why: str
) -> None:
    exports = cast("ActionProcessor", Exports())
    with pytest.raises(PortTaken, match=why):
        await serve(exports, port, lambda _: None, address=address)


async def test_a_scrape_that_fails_says_why_and_the_next_one_can_work() -> None:
    async with Server() as server:
        server.exports.fails = True
        assert await server.get("/metrics") == (503, "The database does not answer.\n")
        server.exports.fails = False
        assert (await server.get("/metrics"))[0] == 200


async def test_a_port_that_is_taken_is_a_conflict() -> None:
    async with Server() as server:
        with pytest.raises(PortTaken, match="the port is taken"):
            await serve(cast("ActionProcessor", Exports()), server.port, lambda _: None)


def test_a_cluster_has_nothing_to_serve(cluster: Cluster, typed: Typed) -> None:
    done = typed("metric", "serve", "--port", "0", env=cluster.environ("root"))
    assert (done.code, done.out) == (5, "")
    assert "examples/prometheus.yml" in done.err
