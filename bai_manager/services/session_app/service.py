"""The programs that a session serves: listing, starting and stopping them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.clients.app_proxy.protocol import ProxyAddress, RunningApp
from bai_manager.services.session_app.actions import (
    ListServicesActionResult,
    ShutdownServiceActionResult,
    StartServiceActionResult,
)
from bai_manager.services.session_app.errors import (
    AppNotFound,
    AppNotMapped,
    InferenceApp,
    InvalidAppPort,
)
from bai_manager.services.session_app.types import AppData
from bai_manager.types.service_port import ServicePort, ServiceProtocol

if TYPE_CHECKING:
    from bai_manager.clients.app_proxy.protocol import AppGateway
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.repositories.session_app import SessionAppRepository
    from bai_manager.services.running import RunningSessions
    from bai_manager.services.session.types import KernelData, SessionData
    from bai_manager.services.session_app.actions import (
        ListServicesAction,
        ShutdownServiceAction,
        StartServiceAction,
    )
    from bai_manager.services.session_app.types import AppPlace
    from bai_manager.types.json import JsonObject


class SessionAppService:
    """Has agents start programs, and a gateway make ways to them."""

    def __init__(
        self,
        *,
        running: RunningSessions,
        sessions: SessionRepository,
        apps: SessionAppRepository,
        gateway: AppGateway,
    ) -> None:
        self._running = running
        self._sessions = sessions
        self._apps = apps
        self._gateway = gateway

    async def list_services(self, action: ListServicesAction) -> ListServicesActionResult:
        """What the main kernel serves, in the image's order."""
        _session, kernel, _agent = await self._running.main(
            action.session, action.owner, "serve anything"
        )
        return ListServicesActionResult(services=[_described(port) for port in _ports(kernel)])

    async def start_service(self, action: StartServiceAction) -> StartServiceActionResult:
        """Start the program unless it runs; its address for people."""
        session, kernel, agent = await self._running.main(
            action.session, action.owner, "serve anything"
        )
        service = _wanted(session, kernel, action.service)
        if service.is_inference:
            raise InferenceApp(service.name)
        index = _index(service, action.port)
        place = await self._apps.place_of(kernel.id)
        proxy = _proxy(place)
        await self._gateway.check(proxy)
        await self._sessions.count_execution(session.id, kernel.id)
        arguments: JsonObject = {**action.arguments}
        environ: JsonObject = {**action.environ}
        told: JsonObject = {}
        if service.protocol is not ServiceProtocol.PREOPEN:
            options: JsonObject = {"arguments": arguments, "envs": environ}
            told = await agent.start_service(kernel.id, service.name, options)
        running = RunningApp(
            name=service.name,
            protocol=service.protocol.value,
            host=_host(kernel, place),
            port=service.host_ports[index],
            told=told,
            session_id=session.id,
            user_id=session.user_id,
            group_id=session.group_id,
            access_key=session.access_key,
            domain_name=session.domain_name,
            arguments=arguments,
            environ=environ,
            open_to_public=action.open_to_public,
        )
        if proxy is not None and running.port is None:
            raise AppNotMapped(service.name)
        return StartServiceActionResult(
            session_id=session.id,
            service=service.name,
            protocol=service.protocol.value,
            url=await self._gateway.open(running, proxy),
        )

    async def shutdown_service(self, action: ShutdownServiceAction) -> ShutdownServiceActionResult:
        """Stop the program. The way to it stays, and leads nowhere."""
        session, kernel, agent = await self._running.main(
            action.session, action.owner, "stop serving"
        )
        service = _wanted(session, kernel, action.service)
        await agent.shutdown_service(kernel.id, service.name)
        return ShutdownServiceActionResult(session_id=session.id, service=service.name)


def _ports(kernel: KernelData) -> list[ServicePort]:
    """Without what kernels keep for themselves."""
    found = [ServicePort.from_json(value) for value in kernel.service_ports]
    return [port for port in found if port.protocol is not ServiceProtocol.INTERNAL]


def _described(port: ServicePort) -> AppData:
    return AppData(
        name=port.name,
        protocol=port.protocol.value,
        container_ports=[*port.container_ports],
        host_ports=[*port.host_ports],
        is_inference=port.is_inference,
    )


def _wanted(session: SessionData, kernel: KernelData, name: str) -> ServicePort:
    ports = {port.name: port for port in _ports(kernel)}
    if name not in ports:
        raise AppNotFound(session.name, name, [*ports])
    return ports[name]


def _index(service: ServicePort, port: int | None) -> int:
    if port is None:
        return 0
    if port not in service.container_ports:
        raise InvalidAppPort(service.name, port, service.container_ports)
    return service.container_ports.index(port)


def _proxy(place: AppPlace) -> ProxyAddress | None:
    if not place.proxy_url:
        return None
    return ProxyAddress(url=place.proxy_url, token=place.proxy_token)


def _host(kernel: KernelData, place: AppPlace) -> str:
    """The kernel's own host, or that of its agent (``tcp://HOST:PORT``)."""
    if place.kernel_host:
        return place.kernel_host
    return (kernel.agent_addr or "").partition("://")[2].rpartition(":")[0]
