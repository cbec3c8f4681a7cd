"""Through the composition root to a real PostgreSQL: what is done, refused and recorded."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text

from bai_manager.actions.errors import AuditUnavailable, AuthorizationFailed, InsufficientPrivilege
from bai_manager.app import App
from bai_manager.config import load_config
from bai_manager.models.audit import audit_logs
from bai_manager.models.session import sessions
from bai_manager.repositories.database import Database
from bai_manager.services.audit.actions import ListAuditLogsAction
from bai_manager.services.auth.actions import GetIdentityAction
from bai_manager.services.image.actions import ListImagesAction
from bai_manager.services.session.actions import DestroySessionAction, ListSessionsAction
from bai_manager.services.session.errors import SessionNotFound
from tests import seeds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bai_manager.actions.base import Action, ActionResult
    from bai_manager.errors import BackendAIError
    from bai_manager.types.credentials import Secret
    from tests.conftest import PostgresServer
    from tests.seeds import Person, World

DESTROY = DestroySessionAction(session="waits-1")


class Site:
    """A database with a waiting session of alice's, and whoever comes to the door."""

    def __init__(self, url: str, dsn: str, home: Path, world: World) -> None:
        self.world = world
        self.database = Database(url)
        self._dsn = dsn
        self._home = home

    @asynccontextmanager
    async def app(
        self,
        who: Person,
        *,
        secret: Secret | None = None,
        act_as: Person | None = None,
        dry_run: bool = False,
        **environ: str,
    ) -> AsyncIterator[App]:
        config = load_config(
            {
                "BAI_HOME": str(self._home),
                "BAI_KIND": "cluster",
                "BAI_DATABASE_DSN": self._dsn,
                "BAI_ACCESS_KEY": who.access_key,
                "BAI_SECRET_KEY": (secret or who.secret_key).reveal(),
                **environ,
            }
        )
        app = App(config, act_as=act_as.access_key if act_as else None, dry_run=dry_run)
        try:
            yield app
        finally:
            await app.close()

    async def status(self) -> str | None:
        async with self.database.transaction() as connection:
            return await connection.scalar(select(sessions.c.status))

    async def rows(self) -> list[tuple[str, str, str | None, str]]:
        """Operation, status, who did it, and the description, of each audit row."""
        emails = {
            str(person.user_id): name
            for name, person in vars(self.world).items()
            if isinstance(person, seeds.Person)
        }
        async with self.database.transaction() as connection:
            found = await connection.execute(
                select(
                    audit_logs.c.operation,
                    audit_logs.c.status,
                    audit_logs.c.triggered_by,
                    audit_logs.c.description,
                ).order_by(audit_logs.c.created_at)
            )
            return [
                (row.operation, row.status, emails.get(row.triggered_by or ""), row.description)
                for row in found
            ]


@pytest.fixture
async def site(
    database: str, postgres_server: PostgresServer, tmp_path: Path
) -> AsyncIterator[Site]:
    seeding = Database(database)
    async with seeding.transaction() as connection:
        world = await seeds.seed_world(connection)
        await seeds.seed_session(connection, world.alice, name="waits-1", status="PENDING")
    await seeding.close()
    opened = Site(database, postgres_server.libpq_url(database), tmp_path, world)
    yield opened
    await opened.database.close()


async def _refused(
    site: Site, who: Person, action: Action[ActionResult], error: type[BackendAIError]
) -> BackendAIError:
    async with site.app(who) as app:
        with pytest.raises(error) as refused:
            await app.processor.run(action)
    return refused.value


@pytest.mark.parametrize("name", ["alice", "admin", "root"])
async def test_the_owner_and_those_above_end_a_session_and_are_recorded(
    site: Site, name: str
) -> None:
    async with site.app(getattr(site.world, name)) as app:
        ended = await app.processor.run(DESTROY)
    assert ended.status == "cancelled"
    assert await site.status() == "CANCELLED"
    assert await site.rows() == [("destroy", "success", name, "Success")]


@pytest.mark.parametrize("name", ["bob", "carol", "other_admin"])
async def test_who_cannot_see_a_session_cannot_end_it_and_learns_nothing(
    site: Site, name: str
) -> None:
    await _refused(site, getattr(site.world, name), DESTROY, SessionNotFound)
    assert await site.status() == "PENDING"
    assert await site.rows() == []


async def test_who_may_only_look_is_denied_and_recorded(site: Site) -> None:
    denied = await _refused(site, site.world.monitor, DESTROY, InsufficientPrivilege)
    assert await site.status() == "PENDING"
    assert await site.rows() == [("destroy", "error", "monitor", f"Denied: {denied.message}")]


async def test_a_key_pair_of_somebody_else_cannot_be_named_to_get_at_things(site: Site) -> None:
    alice, bob = site.world.alice, site.world.bob
    for action in (
        ListSessionsAction(owner=alice.access_key),
        ListAuditLogsAction(owner=alice.access_key),
        GetIdentityAction(owner=alice.access_key),
        ListSessionsAction(everybody=True),
        ListAuditLogsAction(everybody=True),
    ):
        await _refused(site, bob, action, InsufficientPrivilege)
    assert {(status, who) for _, status, who, _ in await site.rows()} == {("error", "bob")}


async def test_a_wrong_secret_is_recorded_without_a_name(site: Site) -> None:
    async with site.app(site.world.alice, secret=site.world.bob.secret_key) as app:
        with pytest.raises(AuthorizationFailed):
            await app.processor.run(DESTROY)
    ((operation, status, who, description),) = await site.rows()
    assert (operation, status, who) == ("destroy", "error", None)
    assert site.world.alice.access_key in description
    assert site.world.bob.secret_key.reveal() not in description


async def test_acting_as_somebody_is_recorded_with_both(site: Site) -> None:
    root, alice = site.world.root, site.world.alice
    async with site.app(root, act_as=alice) as app:
        await app.processor.run(DESTROY)
    both = f"Success [{root.access_key} acting as {alice.access_key}]"
    assert await site.rows() == [("destroy", "success", "alice", both)]


async def test_acting_as_somebody_is_for_superadmins_and_the_attempt_is_recorded(
    site: Site,
) -> None:
    async with site.app(site.world.bob, act_as=site.world.alice) as app:
        with pytest.raises(InsufficientPrivilege):
            await app.processor.run(DESTROY)
    assert await site.status() == "PENDING"
    ((_, status, _, description),) = await site.rows()
    assert status == "error"
    assert site.world.bob.email in description


async def test_a_dry_run_answers_as_the_run_would_and_leaves_nothing(site: Site) -> None:
    async with site.app(site.world.alice, dry_run=True) as app:
        ended = await app.processor.run(DESTROY)
        assert ended.status == "cancelled"
    assert await site.status() == "PENDING"
    assert await site.rows() == []


async def test_what_is_denied_to_a_dry_run_is_recorded_all_the_same(site: Site) -> None:
    async with site.app(site.world.bob, dry_run=True) as app:
        await app.processor.run(ListSessionsAction())
        with pytest.raises(InsufficientPrivilege):
            await app.processor.run(ListSessionsAction(everybody=True))
    ((operation, status, who, description),) = await site.rows()
    assert (operation, status, who) == ("list", "error", "bob")
    assert description.startswith("Denied: ")


async def test_reads_are_recorded_only_where_the_profile_says_so(site: Site) -> None:
    async with site.app(site.world.alice) as app:
        await app.processor.run(ListImagesAction())
    assert await site.rows() == []
    async with site.app(site.world.alice, BAI_AUDIT_READS="true") as app:
        await app.processor.run(ListImagesAction())
    assert await site.rows() == [("list", "success", "alice", "Success")]


async def test_what_cannot_be_recorded_is_not_done(site: Site) -> None:
    async with site.database.transaction() as connection:
        await connection.execute(text("ALTER TABLE audit_logs RENAME TO hidden"))
    refused = await _refused(site, site.world.alice, DESTROY, AuditUnavailable)
    assert "nothing was done" in refused.message
    assert await site.status() == "PENDING"


async def test_everyone_reads_their_own_audit_trail_and_monitors_all_of_it(site: Site) -> None:
    for name in ("alice", "bob"):
        async with site.app(getattr(site.world, name), BAI_AUDIT_READS="true") as app:
            await app.processor.run(ListImagesAction())
    async with site.app(site.world.bob) as app:
        mine = await app.processor.run(ListAuditLogsAction())
    async with site.app(site.world.monitor) as app:
        all_ = await app.processor.run(ListAuditLogsAction(everybody=True))
    assert {log.user_email for log in mine.logs} == {site.world.bob.email}
    assert {log.user_email for log in all_.logs} == {site.world.bob.email, site.world.alice.email}
