"""What services are made of: databases, clients, the scheduler."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from bai_manager.repositories.access import AccessRepository
from bai_manager.repositories.audit import AuditRepository
from bai_manager.repositories.database import Database
from bai_manager.services.session_inside.console import NullConsole
from bai_manager.sokovan.gate import ClusterScheduler, SchedulerGate, Silence
from bai_manager.types.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from bai_manager.actions.monitors.base import Monitor
    from bai_manager.clients.agent.pool import AgentPool
    from bai_manager.clients.agent.protocol import AgentClient, KernelStat
    from bai_manager.clients.cluster.etcd import EtcdClient
    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.clients.cluster.signals import ManagerSignals
    from bai_manager.clients.import_journal import ImportJournal
    from bai_manager.clients.live.idle import ValkeyIdleFacts
    from bai_manager.clients.live.protocol import LiveStats
    from bai_manager.clients.postgres.embedded import EmbeddedPostgres
    from bai_manager.config import Config
    from bai_manager.repositories.idle import IdleRepository
    from bai_manager.repositories.scheduler import SchedulerRepository
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.services.metric.sink import SeriesSink
    from bai_manager.services.session_inside.console import ConsoleSink
    from bai_manager.services.vfolder_file.sink import FileSink
    from bai_manager.sokovan.gate import Scheduler
    from bai_manager.sokovan.idle import IdleRules
    from bai_manager.sokovan.idle_facts import IdleFacts
    from bai_manager.sokovan.idle_step import IdleStep
    from bai_manager.sokovan.runner import SchedulerRunner
    from bai_manager.types.clock import Clock
    from bai_manager.types.passes import PassLog

LOCAL_AGENT = ("i-local", "local://")


class Parts:
    """What services share, each built on first use, for one profile."""

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

        async def usage(kernel_ids: Sequence[UUID]) -> Mapping[UUID, KernelStat]:
            from bai_manager.clients.live.protocol import KernelPlace  # noqa: PLC0415 - as above

            reading = await self.live_stats.read(
                [
                    KernelPlace(kernel_id=kernel_id, agent_id=agent_id, agent_addr=addr)
                    for kernel_id in kernel_ids
                ]
            )
            return reading.stats

        keypair = self._config.settings.agent.rpc_manager_keypair
        return self._rehearsed(
            CallosumAgentClient(
                agent_id,
                addr,
                registration=registration,
                manager_keypair=keypair,
                records=records,
                usage=usage,
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
        from bai_manager.sokovan.idle_step import IdleStep  # noqa: PLC0415

        return IdleStep(
            store=self.idle_rows,
            facts=self._idle_facts(read_only=self._dry_run),
            clock=self._clock,
        )

    @cached_property
    def idle_rows(self) -> IdleRepository:
        from bai_manager.repositories.idle import IdleRepository  # noqa: PLC0415

        return IdleRepository(self.database)

    @cached_property
    def idle_facts(self) -> IdleFacts:
        """For looking at: no sample is kept."""
        return self._idle_facts(read_only=True)

    def _idle_facts(self, *, read_only: bool) -> IdleFacts:
        """``read_only`` keeps no sample."""
        from bai_manager.sokovan.idle_facts import (  # noqa: PLC0415
            ClusterIdleFacts,
            LocalIdleFacts,
        )

        settings = self._config.settings
        if settings.kind == "cluster":
            return ClusterIdleFacts(
                rules=self._idle_rules, live=self.idle_live, time=self.idle_rows.time
            )
        from bai_manager.clients.idle_series import IdleSeriesFile  # noqa: PLC0415
        from bai_manager.sokovan.idle import idle_rules  # noqa: PLC0415

        return LocalIdleFacts(
            agents=self.agents,
            series=IdleSeriesFile(self._config.paths.data_dir / "idle.json", read_only=read_only),
            rules=idle_rules(**dict(settings.idle)),
            clock=self._clock,
        )

    async def _idle_rules(self) -> IdleRules:
        from bai_manager.clients.cluster.idle_rules import PREFIX, idle_rules_of  # noqa: PLC0415

        return idle_rules_of(await self.etcd.get_prefix(PREFIX))

    @cached_property
    def idle_live(self) -> ValkeyIdleFacts:
        from bai_manager.clients.live.idle import ValkeyIdleFacts  # noqa: PLC0415 - clusters only

        valkey = self._config.settings.valkey
        return ValkeyIdleFacts(valkey.url, password=valkey.password, timeout=valkey.timeout)

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


def _has_kernels(root: Path) -> bool:
    """Whether the local agent keeps anything there; hidden entries are its own."""
    return root.is_dir() and any(not entry.name.startswith(".") for entry in root.iterdir())
