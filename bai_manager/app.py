"""The composition root: every part is built here once, on first use, from the profile.

The difference between one machine and a cluster is which client a method below builds.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from bai_manager.actions.actor import Credentials
from bai_manager.actions.errors import CredentialsMissing
from bai_manager.actions.processor import ActionProcessor
from bai_manager.actions.validators.access import AccessValidator
from bai_manager.actions.validators.authentication import AuthenticationValidator
from bai_manager.repositories.access import AccessRepository
from bai_manager.repositories.audit import AuditRepository
from bai_manager.repositories.database import Database
from bai_manager.services.session.console import NullConsole
from bai_manager.sokovan.gate import ClusterScheduler, SchedulerGate, Silence
from bai_manager.types.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bai_manager.actions.actor import Actor
    from bai_manager.actions.monitors.base import Monitor, Outcome, Run
    from bai_manager.actions.processor import ActionT
    from bai_manager.clients.agent.pool import AgentPool
    from bai_manager.clients.agent.protocol import AgentClient
    from bai_manager.clients.app_proxy.protocol import AppGateway
    from bai_manager.clients.cluster.etcd import EtcdClient
    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.clients.cluster.signals import ManagerSignals
    from bai_manager.clients.import_journal import ImportJournal
    from bai_manager.clients.live.abuse import AbuseReports
    from bai_manager.clients.live.protocol import LiveStats
    from bai_manager.clients.postgres.embedded import EmbeddedPostgres
    from bai_manager.clients.prometheus.client import PrometheusClient
    from bai_manager.clients.storage_proxy.pool import StorageMap, StoragePool
    from bai_manager.config import Config
    from bai_manager.repositories.scheduler import SchedulerRepository
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.services.agent.service import AgentService
    from bai_manager.services.audit.service import AuditService
    from bai_manager.services.auth.service import AuthService
    from bai_manager.services.container_registry.service import ContainerRegistryService
    from bai_manager.services.domain.service import DomainService
    from bai_manager.services.group.service import GroupService
    from bai_manager.services.image.service import ImageService
    from bai_manager.services.kernel.service import KernelService
    from bai_manager.services.keypair.service import KeypairService
    from bai_manager.services.keypair_resource_policy.service import KeypairResourcePolicyService
    from bai_manager.services.manifest.service import ManifestService
    from bai_manager.services.metric.service import MetricService
    from bai_manager.services.metric.sink import SeriesSink
    from bai_manager.services.policy.service import PolicyService
    from bai_manager.services.project_resource_policy.service import ProjectResourcePolicyService
    from bai_manager.services.resource_preset.service import ResourcePresetService
    from bai_manager.services.running import RunningSessions
    from bai_manager.services.scaling_group.service import ScalingGroupService
    from bai_manager.services.scheduler.service import SchedulerService
    from bai_manager.services.session.actions import (
        DestroySessionAction,
        DestroySessionActionResult,
    )
    from bai_manager.services.session.console import ConsoleSink
    from bai_manager.services.session.creation import Creation
    from bai_manager.services.session.mounts import SessionMounts
    from bai_manager.services.session.request import SessionRequest
    from bai_manager.services.session.service import SessionService
    from bai_manager.services.session.types import SessionSpec
    from bai_manager.services.session_app.service import SessionAppService
    from bai_manager.services.session_commit.service import SessionCommitService
    from bai_manager.services.status.service import StatusService
    from bai_manager.services.status.types import Probe
    from bai_manager.services.storage.service import StorageService
    from bai_manager.services.system.service import SystemService
    from bai_manager.services.template.service import TemplateService
    from bai_manager.services.user.service import UserService
    from bai_manager.services.user_import.service import Journal, UserImportService
    from bai_manager.services.user_resource_policy.service import UserResourcePolicyService
    from bai_manager.services.vfolder.service import VFolderService
    from bai_manager.services.vfolder_file.service import VFolderFileService
    from bai_manager.services.vfolder_file.sink import FileSink
    from bai_manager.services.vfolder_invitation.service import VFolderInvitationService
    from bai_manager.sokovan.gate import Scheduler
    from bai_manager.sokovan.idle_step import IdleStep
    from bai_manager.sokovan.runner import SchedulerRunner
    from bai_manager.types.clock import Clock
    from bai_manager.types.passes import PassLog

LOCAL_AGENT = ("i-local", "local://")


class ProfileAuthorizer:
    """The actor of a profile's key pair, verified once, and what it may do."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._actor: Actor | None = None

    async def actor(self) -> Actor:
        if self._actor is None:
            credentials = self._app.credentials  # first: without them no database is started
            authentication = AuthenticationValidator(self._app.access)
            self._actor = await authentication.authenticate(credentials)
        return self._actor

    async def authorize(self, action: ActionT, actor: Actor) -> ActionT:
        return await AccessValidator(self._app.access).authorize(action, actor)


class LaterAudit:
    """Opens the database when there is something to record, not before somebody is known."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def record_started(self, run: Run) -> None:
        await self._app.audit_log.record_started(run)

    async def record_finished(self, run: Run, outcome: Outcome) -> None:
        await self._app.audit_log.record_finished(run, outcome)


class LaterSessions:
    """Ends sessions through the session service, which is loaded when there are some to end."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def destroy_session(self, action: DestroySessionAction) -> DestroySessionActionResult:
        return await self._app.session_service.destroy_session(action)


class App:
    """Everything one command needs, for one profile."""

    def __init__(
        self,
        config: Config,
        *,
        act_as: str | None = None,
        dry_run: bool = False,
        console: ConsoleSink | None = None,
        monitors: Sequence[Monitor] = (),
        warn: Callable[[str], None] = lambda _message: None,
        clock: Clock = system_clock,
    ) -> None:
        self._config = config
        self._act_as = act_as
        self._dry_run = dry_run
        self._console = console or NullConsole()
        self._monitors = monitors
        self._warn = warn
        self._clock = clock
        self.series_sink: SeriesSink | None = None
        self._journals: list[ImportJournal] = []
        self.file_sink: FileSink | None = None

    @cached_property
    def processor(self) -> ActionProcessor:
        return ActionProcessor(
            service_of=self.service,
            authorizer=ProfileAuthorizer(self),
            audit=LaterAudit(self),
            clock=self._clock,
            new_id=uuid4,
            monitors=self._monitors,
            audit_reads=self._config.settings.audit.reads,
            dry_run=self._dry_run,
            warn=self._warn,
        )

    def service(self, noun: str) -> object:
        """The service of a noun, built on first use."""
        service: object = getattr(self, f"{noun}_service")
        return service

    @property
    def credentials(self) -> Credentials:
        settings = self._config.settings
        if settings.access_key is None or settings.secret_key is None:
            raise CredentialsMissing(self._config.profile_name)
        return Credentials(
            access_key=settings.access_key, secret_key=settings.secret_key, act_as=self._act_as
        )

    @cached_property
    def embedded(self) -> EmbeddedPostgres:
        from bai_manager.clients.postgres.embedded import EmbeddedPostgres  # noqa: PLC0415

        return EmbeddedPostgres(self._config.paths.data_dir / "postgres")

    @cached_property
    def database(self) -> Database:
        return self._connected(dry_run=self._dry_run)

    @cached_property
    def kept_database(self) -> Database:
        """Where a dry run writes what it does keep: that something was denied."""
        return self._connected(dry_run=False) if self._dry_run else self.database

    def _connected(self, *, dry_run: bool) -> Database:
        settings = self._config.settings.database
        return Database(
            self._database_url(),
            connect_timeout=settings.connect_timeout,
            statement_timeout=settings.statement_timeout,
            dry_run=dry_run,
            warn=self._warn,
        )

    def _database_url(self) -> str:
        settings = self._config.settings
        if settings.kind == "embedded":
            if settings.database.autostart:
                self.embedded.start()
            return self.embedded.sqlalchemy_url()
        if settings.database.dsn is None:
            raise self._config.missing("database.dsn")
        scheme, _, rest = settings.database.dsn.reveal().partition("://")
        return f"{scheme.replace('postgres', 'postgresql', scheme == 'postgres')}+psycopg://{rest}"

    @cached_property
    def access(self) -> AccessRepository:
        return AccessRepository(self.database)

    @cached_property
    def audit_log(self) -> AuditRepository:
        return AuditRepository(self.kept_database)

    @cached_property
    def agents(self) -> AgentPool:
        from bai_manager.clients.agent.pool import AgentPool  # noqa: PLC0415

        embedded = self._config.settings.kind == "embedded"
        return AgentPool(
            {"local": self._local_agent} if embedded else {"tcp": self._cluster_agent},
            resident=[LOCAL_AGENT] if embedded else [],
        )

    def _local_agent(self, agent_id: str, _addr: str) -> AgentClient:
        from bai_manager.clients.agent.local.client import LocalAgentClient  # noqa: PLC0415

        agent = LocalAgentClient(
            agent_id,
            self._local_root,
            on_kernel_end=self._scheduler_command(),
            on_kernel_end_environ=self._own_environ(),
        )
        return self._rehearsed(agent)

    def _cluster_agent(self, agent_id: str, addr: str) -> AgentClient:
        from bai_manager.clients.agent.callosum.client import (  # noqa: PLC0415 - clusters only
            CallosumAgentClient,
        )
        from bai_manager.clients.agent.callosum.records import (  # noqa: PLC0415
            KernelRecord,
            Registration,
        )
        from bai_manager.repositories.agent import AgentRepository  # noqa: PLC0415

        async def registration() -> Registration:
            key, version = await AgentRepository(self.database).key_and_version(agent_id)
            return Registration(public_key=key, version=version)

        async def records(agent_id: str) -> Sequence[KernelRecord]:
            from bai_manager.repositories.kernel_records import (  # noqa: PLC0415 - restarts only
                KernelRecordRepository,
            )

            found = await KernelRecordRepository(self.database).of_agent(agent_id)
            return [
                KernelRecord(
                    kernel_id=info.kernel_id, session_id=session, image=image, creation_info=info
                )
                for session, image, info in found
            ]

        keypair = self._config.settings.agent.rpc_manager_keypair
        return self._rehearsed(
            CallosumAgentClient(
                agent_id,
                addr,
                registration=registration,
                manager_keypair=keypair,
                records=records,
            )
        )

    def _rehearsed(self, agent: AgentClient) -> AgentClient:
        """The agent itself; in a dry run, one that only remembers what it was asked."""
        if not self._dry_run:
            return agent
        from bai_manager.clients.agent.rehearsal import RehearsalAgent  # noqa: PLC0415

        return RehearsalAgent(agent)

    def _scheduler_command(self) -> list[str]:
        """What a kernel that ends by itself runs, so that its rows are finished at once."""
        return [
            sys.executable,
            "-m",
            "bai_manager",
            "--profile",
            self._config.profile_name,
            "scheduler",
            "run",
        ]

    def _own_environ(self) -> dict[str, str]:
        names = ("BAI_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HOME", "PATH")
        found = {name: os.environ[name] for name in names if name in os.environ}
        return {**found, "BAI_DATABASE_AUTOSTART": "false"}

    @cached_property
    def scheduler_store(self) -> SchedulerRepository:
        from bai_manager.repositories.scheduler import SchedulerRepository  # noqa: PLC0415

        patience = timedelta(seconds=self._config.settings.scheduler.lock_timeout)
        return SchedulerRepository(self.database, patience=patience)

    @cached_property
    def runner(self) -> SchedulerRunner:
        from bai_manager.sokovan.runner import SchedulerRunner  # noqa: PLC0415

        return SchedulerRunner(
            store=self.scheduler_store,
            agents=self.agents,
            clock=self._clock,
            stuck_after=timedelta(seconds=self._config.settings.scheduler.retry_after),
            passes=self.passes,
            idle=self._idle_step(),
        )

    def _idle_step(self) -> IdleStep:
        from bai_manager.clients.idle_series import IdleSeriesFile  # noqa: PLC0415
        from bai_manager.repositories.idle import IdleRepository  # noqa: PLC0415
        from bai_manager.sokovan.idle import idle_rules  # noqa: PLC0415
        from bai_manager.sokovan.idle_step import IdleStep  # noqa: PLC0415

        return IdleStep(
            store=IdleRepository(self.database),
            agents=self.agents,
            series=IdleSeriesFile(
                self._config.paths.data_dir / "idle.json", read_only=self._dry_run
            ),
            rules=idle_rules(**dict(self._config.settings.idle)),
            clock=self._clock,
        )

    @cached_property
    def passes(self) -> PassLog:
        from bai_manager.clients.passes import PassFile  # noqa: PLC0415
        from bai_manager.types.passes import NoPassLog  # noqa: PLC0415

        if self._dry_run or self._config.settings.kind == "cluster":
            return NoPassLog()
        return PassFile(self._config.paths.data_dir / "scheduler.json")

    @cached_property
    def scheduler(self) -> Scheduler:
        if self._config.settings.kind == "cluster":
            signals = Silence() if self._dry_run else self.signals
            return ClusterScheduler(signals=signals, warn=self._warn)
        return SchedulerGate(has_work=self._something_lives, build=lambda: self.runner)

    @cached_property
    def signals(self) -> ManagerSignals | None:
        settings = self._config.settings.valkey
        if settings.url is None:
            return None
        from bai_manager.clients.cluster.signals import ManagerSignals  # noqa: PLC0415

        return ManagerSignals(settings.url, password=settings.password, timeout=settings.timeout)

    @cached_property
    def manager_memory(self) -> ManagerMemory:
        from bai_manager.clients.cluster.memory import ClusterMemory, NoMemory  # noqa: PLC0415

        if self._config.settings.kind == "embedded" or self._dry_run:
            return NoMemory()
        return ClusterMemory(signals=self.signals, warn=self._warn)

    async def _something_lives(self) -> bool:
        """Whether a session has not ended, or a kernel of this machine is not accounted for."""
        return _has_kernels(self._local_root) or await self.sessions.any_unfinished()

    @cached_property
    def _local_root(self) -> Path:
        """Where the kernels of this machine are: this system's alone, or ``AgentRootTaken``."""
        from bai_manager.clients.agent.local.ownership import claim_root  # noqa: PLC0415

        data = self._config.paths.data_dir
        root = self._config.settings.agent.local_root or data / "agents"
        claim_root(root, data, self._config.profile_name, read_only=self._dry_run)
        return root

    @cached_property
    def sessions(self) -> SessionRepository:
        from bai_manager.repositories.session import SessionRepository  # noqa: PLC0415

        return SessionRepository(self.database)

    @cached_property
    def session_service(self) -> SessionService:
        from bai_manager.repositories.session_changes import (  # noqa: PLC0415
            SessionChangeRepository,
        )
        from bai_manager.repositories.session_records import (  # noqa: PLC0415
            SessionRecordRepository,
        )
        from bai_manager.services.session.service import SessionService  # noqa: PLC0415

        return SessionService(
            sessions=self.sessions,
            changes=SessionChangeRepository(self.database, self._clock),
            records=SessionRecordRepository(self.database),
            creation=lambda: self.session_creation,
            agents=self.agents,
            abuse=lambda: self.abuse_reports,
            scheduler=self.scheduler,
            console=self._console,
            clock=self._clock,
        )

    @cached_property
    def session_creation(self) -> Creation:
        from bai_manager.repositories.image import ImageRepository  # noqa: PLC0415
        from bai_manager.repositories.open_groups import OpenGroupRepository  # noqa: PLC0415
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.services.session.creation import Creation  # noqa: PLC0415

        return Creation(
            sessions=self.sessions,
            images=ImageRepository(self.database),
            owners=OwnerRepository(self.database),
            scaling_groups=OpenGroupRepository(self.database),
            mounts=self.session_mounts,
            scheduler=self.scheduler,
            clock=self._clock,
        )

    @property
    def abuse_reports(self) -> AbuseReports:
        from bai_manager.clients.live.abuse import (  # noqa: PLC0415
            NoAbuseReports,
            ValkeyAbuseReports,
        )

        settings = self._config.settings
        if settings.kind != "cluster":
            return NoAbuseReports()
        valkey = settings.valkey
        return ValkeyAbuseReports(valkey.url, password=valkey.password, timeout=valkey.timeout)

    @cached_property
    def running_sessions(self) -> RunningSessions:
        from bai_manager.services.running import RunningSessions  # noqa: PLC0415

        return RunningSessions(sessions=self.sessions, agents=self.agents, scheduler=self.scheduler)

    @cached_property
    def session_app_service(self) -> SessionAppService:
        from bai_manager.repositories.session_app import SessionAppRepository  # noqa: PLC0415
        from bai_manager.services.session_app.service import SessionAppService  # noqa: PLC0415

        return SessionAppService(
            running=self.running_sessions,
            sessions=self.sessions,
            apps=SessionAppRepository(self.database),
            gateway=self._gateway(),
        )

    @cached_property
    def session_commit_service(self) -> SessionCommitService:
        from bai_manager.repositories.session_commit import (  # noqa: PLC0415
            SessionCommitRepository,
        )
        from bai_manager.services.session_commit.service import (  # noqa: PLC0415
            SessionCommitService,
        )

        return SessionCommitService(
            running=self.running_sessions,
            commits=SessionCommitRepository(self.database),
            new_id=uuid4,
            clock=self._clock,
        )

    def _gateway(self) -> AppGateway:
        """An app proxy makes ways into a cluster."""
        if self._config.settings.kind == "cluster":
            from bai_manager.clients.app_proxy.coordinator import (  # noqa: PLC0415
                CoordinatorGateway,
            )

            return CoordinatorGateway(dry_run=self._dry_run)
        from bai_manager.clients.app_proxy.loopback import LoopbackGateway  # noqa: PLC0415

        return LoopbackGateway()

    @cached_property
    def session_mounts(self) -> SessionMounts:
        from bai_manager.repositories.session_mounts import (  # noqa: PLC0415
            SessionMountRepository,
        )
        from bai_manager.services.session.mounts import SessionMounts  # noqa: PLC0415

        return SessionMounts(
            folders=SessionMountRepository(self.database),
            storages=self.storages,
            unprivileged=self._config.settings.kind == "embedded",
            warn=self._warn,
        )

    @cached_property
    def kernel_service(self) -> KernelService:
        from bai_manager.services.kernel.service import KernelService  # noqa: PLC0415

        return KernelService(
            sessions=self.sessions,
            agents=self.agents,
            scheduler=self.scheduler,
        )

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

    async def _plan_session(self, request: SessionRequest) -> SessionSpec:
        from bai_manager.repositories.image import ImageRepository  # noqa: PLC0415
        from bai_manager.repositories.open_groups import OpenGroupRepository  # noqa: PLC0415
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.services.session.planning import plan_session  # noqa: PLC0415

        return await plan_session(
            request,
            images=ImageRepository(self.database),
            owners=OwnerRepository(self.database),
            scaling_groups=OpenGroupRepository(self.database),
            clock=self._clock,
        )

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
        )

    @cached_property
    def image_service(self) -> ImageService:
        from bai_manager.repositories.image import ImageRepository  # noqa: PLC0415
        from bai_manager.services.image.service import ImageService  # noqa: PLC0415

        return ImageService(images=ImageRepository(self.database))

    @cached_property
    def template_service(self) -> TemplateService:
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.repositories.template import TemplateRepository  # noqa: PLC0415
        from bai_manager.services.template.service import TemplateService  # noqa: PLC0415

        return TemplateService(
            templates=TemplateRepository(self.database), owners=OwnerRepository(self.database)
        )

    @cached_property
    def container_registry_service(self) -> ContainerRegistryService:
        from bai_manager.repositories.container_registry import (  # noqa: PLC0415
            ContainerRegistryRepository,
        )
        from bai_manager.services.container_registry.service import (  # noqa: PLC0415
            ContainerRegistryService,
        )

        return ContainerRegistryService(registries=ContainerRegistryRepository(self.database))

    @cached_property
    def auth_service(self) -> AuthService:
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.repositories.password import PasswordRepository  # noqa: PLC0415
        from bai_manager.services.auth.service import AuthService  # noqa: PLC0415
        from bai_manager.types.password import hash_password, verify  # noqa: PLC0415

        return AuthService(
            owners=OwnerRepository(self.database),
            passwords=PasswordRepository(self.database),
            hash_password=hash_password,
            verify_password=verify,
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
    def live_stats(self) -> LiveStats:
        """A cluster's agents leave their samples in Valkey; the one of this machine is asked."""
        settings = self._config.settings
        if settings.kind == "cluster":
            from bai_manager.clients.live.valkey import ValkeyLiveStats  # noqa: PLC0415

            return ValkeyLiveStats(
                settings.valkey.url,
                password=settings.valkey.password,
                timeout=settings.valkey.timeout,
                clock=self._clock,
            )
        from bai_manager.clients.live.agents import AgentLiveStats  # noqa: PLC0415

        return AgentLiveStats(self.agents)

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
    def keypair_resource_policy_service(self) -> KeypairResourcePolicyService:
        from bai_manager.repositories.resource_policy import (  # noqa: PLC0415
            KeypairResourcePolicyRepository,
        )
        from bai_manager.services.keypair_resource_policy.service import (  # noqa: PLC0415
            KeypairResourcePolicyService,
        )

        return KeypairResourcePolicyService(policies=KeypairResourcePolicyRepository(self.database))

    @cached_property
    def user_resource_policy_service(self) -> UserResourcePolicyService:
        from bai_manager.repositories.resource_policy import (  # noqa: PLC0415
            UserResourcePolicyRepository,
        )
        from bai_manager.services.user_resource_policy.service import (  # noqa: PLC0415
            UserResourcePolicyService,
        )

        return UserResourcePolicyService(policies=UserResourcePolicyRepository(self.database))

    @cached_property
    def project_resource_policy_service(self) -> ProjectResourcePolicyService:
        from bai_manager.repositories.resource_policy import (  # noqa: PLC0415
            ProjectResourcePolicyRepository,
        )
        from bai_manager.services.project_resource_policy.service import (  # noqa: PLC0415
            ProjectResourcePolicyService,
        )

        return ProjectResourcePolicyService(policies=ProjectResourcePolicyRepository(self.database))

    @cached_property
    def policy_service(self) -> PolicyService:
        from bai_manager.repositories.open_groups import OpenGroupRepository  # noqa: PLC0415
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.repositories.policy import PolicyRepository  # noqa: PLC0415
        from bai_manager.services.policy.service import PolicyService  # noqa: PLC0415

        return PolicyService(
            policies=PolicyRepository(self.database),
            owners=OwnerRepository(self.database),
            open_groups=OpenGroupRepository(self.database),
            clock=self._clock,
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
                yield probes.storage_probe(
                    name,
                    proxy.manager_url,
                    proxy.secret,
                    verify=proxy.verify_tls,
                    ca_file=proxy.ca_file,
                )
        if settings.prometheus.url is not None:
            yield probes.built("prometheus", self._prometheus_probe)

    @cached_property
    def etcd(self) -> EtcdClient:
        from bai_manager.clients.cluster.etcd import EtcdClient  # noqa: PLC0415

        settings = self._config.settings.etcd
        if settings.url is None:
            raise self._config.missing("etcd.url")
        return EtcdClient(
            settings.url,
            namespace=settings.namespace,
            user=settings.user,
            password=settings.password,
            timeout=settings.timeout,
        )

    @cached_property
    def scaling_group_service(self) -> ScalingGroupService:
        from bai_manager.repositories.scaling_group import ScalingGroupRepository  # noqa: PLC0415
        from bai_manager.services.scaling_group.service import ScalingGroupService  # noqa: PLC0415

        return ScalingGroupService(scaling_groups=ScalingGroupRepository(self.database))

    @cached_property
    def domain_service(self) -> DomainService:
        from bai_manager.repositories.domain import DomainRepository  # noqa: PLC0415
        from bai_manager.services.domain.service import DomainService  # noqa: PLC0415

        return DomainService(domains=DomainRepository(self.database))

    @cached_property
    def resource_preset_service(self) -> ResourcePresetService:
        from bai_manager.repositories.open_groups import OpenGroupRepository  # noqa: PLC0415
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.repositories.preset_room import PresetRoomRepository  # noqa: PLC0415
        from bai_manager.repositories.resource_preset import (  # noqa: PLC0415
            ResourcePresetRepository,
        )
        from bai_manager.services.resource_preset.service import (  # noqa: PLC0415
            ResourcePresetService,
        )

        return ResourcePresetService(
            presets=ResourcePresetRepository(self.database),
            room=PresetRoomRepository(self.database),
            owners=OwnerRepository(self.database),
            open_groups=OpenGroupRepository(self.database),
            clock=self._clock,
            memory=self.manager_memory,
        )

    @cached_property
    def user_service(self) -> UserService:
        from bai_manager.repositories.usage import UsageRepository  # noqa: PLC0415
        from bai_manager.repositories.user import UserRepository  # noqa: PLC0415
        from bai_manager.repositories.user_purge import UserPurgeRepository  # noqa: PLC0415
        from bai_manager.services.user.service import UserService  # noqa: PLC0415
        from bai_manager.types.password import hash_password  # noqa: PLC0415
        from bai_manager.types.ssh_keys import new_ssh_keypair  # noqa: PLC0415

        return UserService(
            users=UserRepository(self.database),
            purges=UserPurgeRepository(self.database),
            usage=UsageRepository(self.database),
            sessions=LaterSessions(self),
            hash_password=hash_password,
            new_ssh_keypair=new_ssh_keypair,
            token=os.urandom,
            clock=self._clock,
            memory=self.manager_memory,
        )

    @cached_property
    def keypair_service(self) -> KeypairService:
        from bai_manager.repositories.keypair import KeypairRepository  # noqa: PLC0415
        from bai_manager.services.keypair.service import KeypairService  # noqa: PLC0415
        from bai_manager.types.ssh_keys import new_ssh_keypair  # noqa: PLC0415

        return KeypairService(
            keypairs=KeypairRepository(self.database),
            new_ssh_keypair=new_ssh_keypair,
            token=os.urandom,
            memory=self.manager_memory,
        )

    @cached_property
    def group_service(self) -> GroupService:
        from bai_manager.repositories.group import GroupRepository  # noqa: PLC0415
        from bai_manager.repositories.group_purge import GroupPurgeRepository  # noqa: PLC0415
        from bai_manager.repositories.usage import UsageRepository  # noqa: PLC0415
        from bai_manager.services.group.service import GroupService  # noqa: PLC0415

        return GroupService(
            groups=GroupRepository(self.database),
            purges=GroupPurgeRepository(self.database),
            usage=UsageRepository(self.database),
            sessions=LaterSessions(self),
            clock=self._clock,
        )

    @property
    def _only_planned(self) -> bool:
        """Whether this is a dry run without a database."""
        return self._dry_run and not self.embedded.is_running()

    @cached_property
    def user_import_service(self) -> UserImportService:
        from bai_manager.repositories.user_import import UserImportRepository  # noqa: PLC0415
        from bai_manager.services.user_import.service import UserImportService  # noqa: PLC0415
        from bai_manager.types.password import hash_password, verify  # noqa: PLC0415
        from bai_manager.types.ssh_keys import new_ssh_keypair  # noqa: PLC0415

        return UserImportService(
            imports=UserImportRepository(self.database),
            journal_of=self._import_journal,
            hash_password=hash_password,
            verify_password=verify,
            new_ssh_keypair=new_ssh_keypair,
            token=os.urandom,
        )

    def _import_journal(self, digest: str, secret_file: str | None) -> Journal:
        from bai_manager.clients.import_journal import ImportJournal, NoJournal  # noqa: PLC0415

        if self._dry_run:
            return NoJournal()
        folder = self._config.paths.state_dir / "imports"
        journal = ImportJournal(folder / f"{digest}.jsonl", secret_file)
        self._journals.append(journal)
        return journal

    @cached_property
    def manifest_service(self) -> ManifestService:
        from bai_manager.repositories.manifest import ManifestRepository  # noqa: PLC0415
        from bai_manager.services.manifest.service import ManifestService  # noqa: PLC0415
        from bai_manager.types.ssh_keys import new_ssh_keypair  # noqa: PLC0415

        return ManifestService(
            manifests=ManifestRepository(self.database),
            new_ssh_keypair=new_ssh_keypair,
            token=os.urandom,
            memory=self.manager_memory,
        )

    @cached_property
    def storages(self) -> StoragePool:
        from bai_manager.clients.storage_proxy.pool import StoragePool  # noqa: PLC0415

        return StoragePool(self._storage_map)

    async def _storage_map(self) -> StorageMap:
        from bai_manager.clients.storage_proxy.profile import storage_map  # noqa: PLC0415

        settings = self._config.settings
        use_etcd = settings.kind == "cluster" and settings.etcd.url is not None
        return storage_map(
            settings,
            folder=self._config.paths.data_dir / "volumes",
            etcd=await self.etcd.get_prefix("volumes/") if use_etcd else {},
            rehearsed=self._dry_run,
        )

    @cached_property
    def vfolder_file_service(self) -> VFolderFileService:
        from bai_manager.services.vfolder_file.service import VFolderFileService  # noqa: PLC0415
        from bai_manager.services.vfolder_file.sink import NullSink  # noqa: PLC0415

        return VFolderFileService(
            storages=self.storages,
            sink=self.file_sink or NullSink(),
            work_folder=self._config.paths.state_dir / "transfers",
            rehearse=self._dry_run,
        )

    @cached_property
    def vfolder_service(self) -> VFolderService:
        from bai_manager.repositories.vfolder_all import VFolderRepositories  # noqa: PLC0415
        from bai_manager.services.vfolder.service import VFolderService  # noqa: PLC0415

        rows = VFolderRepositories(self.database, self._clock)
        return VFolderService(rows=rows, storages=self.storages)

    @cached_property
    def vfolder_invitation_service(self) -> VFolderInvitationService:
        from bai_manager.repositories.vfolder_invitation import (  # noqa: PLC0415
            VFolderInvitationRepository,
        )
        from bai_manager.services.vfolder_invitation.service import (  # noqa: PLC0415
            VFolderInvitationService,
        )

        return VFolderInvitationService(invitations=VFolderInvitationRepository(self.database))

    @cached_property
    def storage_service(self) -> StorageService:
        from bai_manager.repositories.storage import StorageRepository  # noqa: PLC0415
        from bai_manager.services.storage.service import StorageService  # noqa: PLC0415

        return StorageService(storage=StorageRepository(self.database), storages=self.storages)

    async def prepare_database(self) -> None:
        """Create the schema in an empty database; nothing when it is there.

        A dry run starts no database; raises ``DatabaseStopped`` when it would have to.
        """
        if self._only_planned:
            if self.embedded.data_dir.exists():
                from bai_manager.clients.postgres.errors import DatabaseStopped  # noqa: PLC0415

                raise DatabaseStopped
            return
        from bai_manager.repositories.schema import create_schema  # noqa: PLC0415

        async with self.database.transaction() as connection:
            await create_schema(connection)

    async def close(self) -> None:
        """Let go of whatever was opened."""
        for journal in self._journals:
            journal.close()
        if "agents" in self.__dict__:
            await self.agents.aclose()
        if (prometheus := self.__dict__.get("prometheus")) is not None:
            await prometheus.aclose()
        if "storages" in self.__dict__:
            await self.storages.aclose()
        if "database" in self.__dict__:
            await self.database.close()
        if self._dry_run and "kept_database" in self.__dict__:
            await self.kept_database.close()


def _has_kernels(root: Path) -> bool:
    """Whether the local agent keeps anything there; hidden entries are its own."""
    return root.is_dir() and any(not entry.name.startswith(".") for entry in root.iterdir())
