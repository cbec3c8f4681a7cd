"""The services of the system itself: agents, scheduling, metrics, health."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from bai_manager.app.people import PeopleServices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bai_manager.clients.agent.protocol import AgentClient
    from bai_manager.clients.prometheus.client import PrometheusClient
    from bai_manager.services.agent.service import AgentService
    from bai_manager.services.audit.service import AuditService
    from bai_manager.services.metric.service import MetricService
    from bai_manager.services.scheduler.service import SchedulerService
    from bai_manager.services.session_idle.service import SessionIdleService
    from bai_manager.services.status.service import StatusService
    from bai_manager.services.status.types import Probe
    from bai_manager.services.system.service import SystemService


class SystemServices(PeopleServices):
    """What keeps sessions running, and what tells about it."""

    @cached_property
    def scheduler_service(self) -> SchedulerService:
        from bai_manager.repositories.scheduler_status import (  # noqa: PLC0415
            SchedulerStatusRepository,
        )
        from bai_manager.repositories.waiting import WaitingRepository  # noqa: PLC0415
        from bai_manager.services.scheduler.service import SchedulerService  # noqa: PLC0415

        embedded = self._config.settings.kind == "embedded"
        return SchedulerService(
            runner=lambda: self.runner,
            status=SchedulerStatusRepository(self.database),
            waiting=WaitingRepository(self.database),
            plan=self._plan_session,
            scheduler=self.scheduler,
            passes=self.passes,
            scheduled_by="this machine" if embedded else "manager",
            clock=self._clock,
        )

    @cached_property
    def session_idle_service(self) -> SessionIdleService:
        from bai_manager.services.session_idle.service import (  # noqa: PLC0415
            SessionIdleService,
        )

        return SessionIdleService(
            sessions=self.sessions,
            rows=self.idle_rows,
            facts=self.idle_facts,
            step=self._idle_step(),
            leader=self._leading_manager,
            scheduler=self.scheduler,
            warn=self._warn,
        )

    async def _leading_manager(self) -> str | None:
        """None: there is none, as on one machine. Raises what keeps that from being known."""
        if self._config.settings.kind != "cluster":
            return None
        return await self.idle_live.leader()

    @cached_property
    def agent_service(self) -> AgentService:
        from bai_manager.repositories.agent import AgentRepository  # noqa: PLC0415
        from bai_manager.repositories.agent_changes import AgentChangeRepository  # noqa: PLC0415
        from bai_manager.services.agent.service import AgentService  # noqa: PLC0415

        return AgentService(
            agents=AgentRepository(self.database),
            changes=AgentChangeRepository(self.database),
            clients=self.agents,
            scheduler=self.scheduler,
            memory=self.manager_memory,
        )

    @cached_property
    def audit_service(self) -> AuditService:
        from bai_manager.services.audit.service import AuditService  # noqa: PLC0415

        return AuditService(audit=self.audit_log)

    @cached_property
    def prometheus(self) -> PrometheusClient | None:
        settings = self._config.settings.prometheus
        if settings.url is None:
            return None
        from bai_manager.clients.prometheus.client import PrometheusClient  # noqa: PLC0415

        return PrometheusClient(
            settings.url,
            user=settings.user,
            password=settings.password,
            token=settings.token,
            ca_file=settings.ca_file,
            timeout=settings.timeout,
        )

    @cached_property
    def metric_service(self) -> MetricService:
        from bai_manager.repositories.metric import MetricRepository  # noqa: PLC0415
        from bai_manager.services.metric.service import MetricService  # noqa: PLC0415
        from bai_manager.services.metric.sink import NullSink  # noqa: PLC0415

        return MetricService(
            metrics=MetricRepository(self.database),
            prometheus=self.prometheus,
            live=self.live_stats,
            sink=self.series_sink or NullSink(),
            has_local_agent=self._config.settings.kind == "embedded",
            clock=self._clock,
        )

    @cached_property
    def system_service(self) -> SystemService:
        from bai_manager.clients.agent.local.host import describe_host  # noqa: PLC0415
        from bai_manager.clients.storage_proxy.volumes import LocalVolumes  # noqa: PLC0415
        from bai_manager.repositories.system import SystemRepository  # noqa: PLC0415
        from bai_manager.services.system.service import NothingYet, SystemService  # noqa: PLC0415
        from bai_manager.vault import ProfileVault  # noqa: PLC0415

        return SystemService(
            system=NothingYet() if self._only_planned else SystemRepository(self.database),
            vault=ProfileVault(self._config, dry_run=self._dry_run),
            host=describe_host(),
            volumes=LocalVolumes(self._config.paths.data_dir / "volumes", dry_run=self._dry_run),
        )

    @cached_property
    def status_service(self) -> StatusService:
        from bai_manager.services.status.service import StatusService  # noqa: PLC0415

        return StatusService(probes=[*self._own_probes(), *self._cluster_probes()])

    def _own_probes(self) -> Iterator[Probe]:
        """The database, and on one machine its agent and volume."""
        from bai_manager.clients.probes import AgentProbe, FolderProbe, built  # noqa: PLC0415
        from bai_manager.clients.storage_proxy.volumes import LocalVolumes  # noqa: PLC0415

        yield built("database", self._database_probe)
        if self._config.settings.kind == "embedded":
            for client in self.agents.resident():
                yield AgentProbe(client, "this machine")
            volumes = LocalVolumes(self._config.paths.data_dir / "volumes")
            yield FolderProbe("local:volume1", volumes.folder("local:volume1"))

    async def _living_agents(self) -> list[AgentClient]:
        from bai_manager.repositories.agent import AgentRepository  # noqa: PLC0415
        from bai_manager.types.query import Query  # noqa: PLC0415
        from bai_manager.types.status import AgentStatus  # noqa: PLC0415

        return [
            self.agents.client(agent.id, agent.addr)
            for agent in await AgentRepository(self.database).list_agents(Query())
            if agent.status is AgentStatus.ALIVE
        ]

    def _database_probe(self) -> Probe:
        from bai_manager.repositories.probe import DatabaseProbe  # noqa: PLC0415

        return DatabaseProbe(self.database, self.database.address, self._clock)

    def _prometheus_probe(self) -> Probe:
        from bai_manager.clients.probes import PrometheusProbe  # noqa: PLC0415

        if self.prometheus is None:
            raise self._config.missing("prometheus.url")
        return PrometheusProbe(self.prometheus)

    def _cluster_probes(self) -> Iterator[Probe]:
        """Whatever else the profile names."""
        from bai_manager.clients import probes  # noqa: PLC0415

        settings = self._config.settings
        if settings.etcd.url is not None:
            yield probes.EtcdProbe(self.etcd)
            yield probes.AgentsProbe(self._living_agents)
        if self.signals is not None:
            yield probes.ValkeyProbe(self.signals)
        for name, proxy in settings.storage.items():
            if proxy.manager_url is not None:
                yield probes.StorageProbe(
                    name,
                    proxy.manager_url,
                    proxy.secret,
                    verify=proxy.verify_tls,
                    ca_file=proxy.ca_file,
                )
        if settings.prometheus.url is not None:
            yield probes.built("prometheus", self._prometheus_probe)
