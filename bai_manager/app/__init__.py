"""The composition root: every part is built here once, on first use, from the profile.

The difference between one machine and a cluster is which client a method below builds.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from bai_manager.actions.actor import Credentials
from bai_manager.actions.errors import CredentialsMissing
from bai_manager.actions.processor import ActionProcessor
from bai_manager.actions.validators.access import AccessValidator
from bai_manager.actions.validators.authentication import AuthenticationValidator
from bai_manager.app.system import SystemServices

if TYPE_CHECKING:
    from bai_manager.actions.actor import Actor
    from bai_manager.actions.monitors.base import Outcome, Run
    from bai_manager.actions.processor import ActionT
    from bai_manager.actions.targets import TargetScope


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

    async def settle(self, action: ActionT, actor: Actor) -> tuple[ActionT, TargetScope]:
        return await AccessValidator(self._app.access).settle(action, actor)


class LaterAudit:
    """Opens the database when there is something to record, not before somebody is known."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def record_started(self, run: Run) -> None:
        await self._app.audit_log.record_started(run)

    async def record_finished(self, run: Run, outcome: Outcome) -> None:
        await self._app.audit_log.record_finished(run, outcome)


class App(SystemServices):
    """Everything one command needs, for one profile."""

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
