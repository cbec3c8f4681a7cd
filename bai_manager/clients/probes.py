"""How what is outside this process is: agents, storage proxies, etcd, Valkey, Prometheus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bai_manager.clients.agent.errors import AgentUnreachable
from bai_manager.clients.agent.protocol import AgentHealth
from bai_manager.clients.faults import fault_of
from bai_manager.clients.trust import trusted
from bai_manager.errors import BackendAIError, ConfigurationError, Unreachable
from bai_manager.services.status.types import Answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bai_manager.clients.agent.protocol import AgentClient
    from bai_manager.clients.cluster.etcd import EtcdClient
    from bai_manager.clients.cluster.signals import ManagerSignals
    from bai_manager.clients.prometheus.client import PrometheusClient
    from bai_manager.services.status.types import Probe
    from bai_manager.types.credentials import Secret

_AGENT_LIMIT: Final = 5.0
_REFUSED: Final = frozenset({401, 403})
_TOKEN_HEADER: Final = "X-BackendAI-Storage-Auth-Token"  # noqa: S105 - a header's name


class ServiceUnreachable(Unreachable):
    """An HTTP service refused, broke off or answered something else."""

    error_code = "backendai_access_unreachable"


class AgentProbe:
    def __init__(self, client: AgentClient, address: str) -> None:
        self.name = f"agent {client.agent_id}"
        self.address = address
        self._client = client

    async def ask(self) -> Answer:
        health = await self._client.health()
        return Answer(version=health.version, detail=health.status)


class AgentsProbe:
    """The agents of a cluster that are thought to be alive, asked together; one line for all."""

    name = "agents"
    address = ""

    def __init__(self, clients: Callable[[], Awaitable[list[AgentClient]]]) -> None:
        self._clients = clients

    async def ask(self) -> Answer:
        from bai_manager.clients.agent.callosum.parallel import ask_all  # noqa: PLC0415

        told = await ask_all(await self._clients(), _health_in_time)
        silent = {name: why for name, why in told.items() if isinstance(why, BackendAIError)}
        if silent:
            names, why = ", ".join(silent), next(iter(silent.values())).message
            raise ServiceUnreachable(f"{len(silent)} of {len(told)} do not answer ({names}): {why}")
        versions = {health.version for health in told.values() if isinstance(health, AgentHealth)}
        return Answer(version=", ".join(sorted(versions)) or None, detail=f"{len(told)} answer")


async def _health_in_time(agent: AgentClient) -> AgentHealth:
    try:
        async with asyncio.timeout(_AGENT_LIMIT):
            return await agent.health()
    except TimeoutError:
        raise AgentUnreachable(agent.agent_id, f"no answer within {_AGENT_LIMIT:g} s") from None


class FolderProbe:
    """A local volume."""

    def __init__(self, host: str, folder: Path) -> None:
        self.name = f"storage {host}"
        self.address = str(folder)
        self._folder = folder

    async def ask(self) -> Answer:
        if not self._folder.is_dir():
            raise ServiceUnreachable("The folder is missing; 'bai-manager init' makes it.")
        return Answer()


class EtcdProbe:
    name = "etcd"

    def __init__(self, client: EtcdClient) -> None:
        self.address = client.url
        self._client = client

    async def ask(self) -> Answer:
        """Whoever may not read, or asks for another namespace, has no use of a version."""
        version = await self._client.version()
        await self._client.configuration()
        return Answer(version=version)


class ValkeyProbe:
    name = "valkey"

    def __init__(self, client: ManagerSignals) -> None:
        self.address = client.url
        self._client = client

    async def ask(self) -> Answer:
        return Answer(version=await self._client.version())


class UnusableProbe:
    """A dependency that the profile does not name, or not so that it can be asked."""

    def __init__(self, name: str, error: ConfigurationError) -> None:
        self.name = name
        self.address = ""
        self._error = error

    async def ask(self) -> Answer:
        raise self._error


def built(name: str, build: Callable[[], Probe]) -> Probe:
    """The probe that is built; where the profile does not let it, one that says why."""
    try:
        return build()
    except ConfigurationError as error:
        return UnusableProbe(name, error)


class StorageProbe:
    """A storage proxy: its version, and that it takes our secret (``storage-proxy.md`` §3).

    ``ca_file`` is a PEM file of authorities to trust instead of the system's.
    """

    def __init__(
        self,
        name: str,
        url: str,
        secret: Secret | None,
        *,
        verify: bool = True,
        ca_file: Path | None = None,
        timeout: float = 5.0,
    ) -> None:
        self.name = f"storage {name}"
        self.address = url
        self._setting = f"storage.{name}"
        self._headers = {_TOKEN_HEADER: secret.reveal()} if secret else {}
        self._verify = verify
        self._ca_file = ca_file
        self._timeout = timeout

    async def ask(self) -> Answer:
        import httpx  # noqa: PLC0415 - clusters only

        try:
            async with httpx.AsyncClient(
                base_url=self.address,
                headers=self._headers,
                verify=trusted(self.address, self._ca_file, verify=self._verify),
                timeout=self._timeout,
                trust_env=False,
            ) as client:
                version = (await client.get("/")).raise_for_status().json()["storage-proxy"]
                (await client.get("/volumes")).raise_for_status()
        except httpx.HTTPStatusError as error:
            raise self._refusal(error.response.status_code) from error
        except (httpx.HTTPError, OSError) as error:
            why = fault_of(error, within=self._timeout)
            raise self._silent(f"It does not answer: {why}.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise self._silent("What answers is no storage proxy.") from error
        return Answer(version=str(version))

    def _refusal(self, status: int) -> ServiceUnreachable:
        if status not in _REFUSED:
            return self._silent(f"It answers with HTTP {status}.")
        return ServiceUnreachable(
            f"It refuses our secret (HTTP {status}).",
            hint=f"Check {self._setting}.secret of the profile.",
        )

    def _silent(self, message: str) -> ServiceUnreachable:
        hint = f"Its address is {self._setting}.manager_url: 'bai-manager config show --origin'."
        return ServiceUnreachable(message, hint=hint)


class PrometheusProbe:
    name = "prometheus"

    def __init__(self, client: PrometheusClient) -> None:
        self.address = client.url
        self._client = client

    async def ask(self) -> Answer:
        return Answer(version=await self._client.version())
