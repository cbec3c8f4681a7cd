"""Who may do what with whose sessions: every action, every role, through the one door.

What is behind the door is not looked at: an action that comes past it is answered at once.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import pytest

from bai_manager.actions.base import Action, ActionResult, EntityType
from bai_manager.actions.errors import AuthorizationFailed, InsufficientPrivilege
from bai_manager.actions.processor import ActionProcessor
from bai_manager.app import App
from bai_manager.config import load_config
from bai_manager.errors import BackendAIError
from bai_manager.repositories.database import Database
from bai_manager.repositories.session_records import SessionRecordRepository
from bai_manager.services.session.actions import (
    CreateSessionAction,
    DestroySessionAction,
    GetSessionAction,
    ListSessionsAction,
    WaitSessionAction,
)
from bai_manager.services.session.errors import SessionNotFound
from bai_manager.services.session_app.actions import (
    ListServicesAction,
    ShutdownServiceAction,
    StartServiceAction,
)
from bai_manager.services.session_change.actions import (
    CheckAndTransitStatusAction,
    CheckAndTransitStatusBatchAction,
    RenameSessionAction,
    RestartSessionAction,
    UpdateSessionAction,
)
from bai_manager.services.session_change.types import SessionChanges
from bai_manager.services.session_commit.actions import (
    CommitSessionAction,
    ConvertSessionToImageAction,
    GetCommitStatusAction,
)
from bai_manager.services.session_inside.actions import (
    CompleteAction,
    DownloadFileAction,
    DownloadFilesAction,
    ExecuteSessionAction,
    GetContainerLogsAction,
    GetUsageAction,
    InterruptSessionAction,
    ListFilesAction,
    UploadFileAction,
)
from bai_manager.services.session_record.actions import (
    GetAbusingReportAction,
    GetDependencyGraphAction,
    GetDirectAccessInfoAction,
    GetStatusHistoryAction,
    GetTimelineAction,
    MatchSessionsAction,
)
from bai_manager.types.status import UserStatus
from tests import seeds
from tests.architecture.catalogue import actions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.conftest import PostgresServer
    from tests.seeds import Person, SeededSession

Make: TypeAlias = "Callable[[str], Action[ActionResult]]"

READS: Sequence[Make] = (
    lambda name: GetSessionAction(session=name),
    lambda name: WaitSessionAction(session=name),
    lambda name: GetUsageAction(session=name),
    lambda name: GetStatusHistoryAction(session=name),
    lambda name: GetTimelineAction(session=name),
    lambda name: GetDependencyGraphAction(session=name),
    lambda name: GetAbusingReportAction(session=name),
    lambda name: ListServicesAction(session=name),
    lambda name: GetCommitStatusAction(session=name),
)
"""What is known of a session: for monitors as well."""

USES: Sequence[Make] = (
    lambda name: DestroySessionAction(session=name),
    lambda name: RenameSessionAction(session=name, new_name="other-1"),
    lambda name: UpdateSessionAction(session=name, changes=SessionChanges(priority=1)),
    lambda name: RestartSessionAction(session=name),
    lambda name: CheckAndTransitStatusAction(session=name),
    lambda name: ExecuteSessionAction(session=name, code="1"),
    lambda name: InterruptSessionAction(session=name),
    lambda name: CompleteAction(session=name, code="1"),
    lambda name: GetContainerLogsAction(session=name),
    lambda name: ListFilesAction(session=name),
    lambda name: UploadFileAction(session=name, source="a", destination="a"),
    lambda name: DownloadFileAction(session=name, source="a", destination="a"),
    lambda name: DownloadFilesAction(session=name, sources=("a",), destination="a"),
    lambda name: GetDirectAccessInfoAction(session=name),
    lambda name: StartServiceAction(session=name, service="web"),
    lambda name: ShutdownServiceAction(session=name, service="web"),
    lambda name: CommitSessionAction(session=name),
    lambda name: ConvertSessionToImageAction(session=name, image_name="mine"),
)
"""What changes a session, or looks or gets into it."""

OF_A_KEY_PAIR: tuple[Sequence[Make], Sequence[Make]] = (
    (
        lambda owner: ListSessionsAction(owner=owner),
        lambda owner: MatchSessionsAction(prefix="train", owner=owner),
    ),
    (lambda owner: CreateSessionAction(name="new-1", image="python", owner=owner),),
)
"""The same of all that somebody has."""
OF_ALL = ListSessionsAction(everybody=True)
OF_WHAT_IS_SEEN = CheckAndTransitStatusBatchAction(sessions=("train-1",))

PEOPLE = ("root", "admin", "other_admin", "alice", "bob", "monitor")

# Whose session it is → who asks → what becomes of reads, and of uses.
OF_SESSIONS = {
    "alice": {
        "root": ("allowed", "allowed"),
        "admin": ("allowed", "allowed"),
        "alice": ("allowed", "allowed"),
        "monitor": ("allowed", "denied"),
        "bob": ("unseen", "unseen"),
        "other_admin": ("unseen", "unseen"),
        "idle": ("unknown", "unknown"),
        "keyless": ("unknown", "unknown"),
    },
    "root": {
        "root": ("allowed", "allowed"),
        "admin": ("denied", "denied"),
        "monitor": ("allowed", "denied"),
        "alice": ("unseen", "unseen"),
    },
}
OUTCOMES: dict[type[BackendAIError], str] = {
    InsufficientPrivilege: "denied",
    SessionNotFound: "unseen",
    AuthorizationFailed: "unknown",
}


@dataclass(frozen=True)
class Site:
    """``idle`` is a user who is not active, ``keyless`` one whose key pair is not."""

    dsn: str
    home: Path
    people: Mapping[str, Person]
    sessions: Mapping[str, SeededSession]

    @asynccontextmanager
    async def app(self, name: str) -> AsyncIterator[App]:
        person = self.people[name]
        app = App(
            load_config(
                {
                    "BAI_HOME": str(self.home),
                    "BAI_KIND": "cluster",
                    "BAI_DATABASE_DSN": self.dsn,
                    "BAI_ACCESS_KEY": person.access_key,
                    "BAI_SECRET_KEY": person.secret_key.reveal(),
                }
            ),
            dry_run=True,  # so that only what is denied is recorded
        )
        try:
            yield app
        finally:
            await app.close()

    async def outcomes(self, name: str, actions: Iterable[Action[ActionResult]]) -> set[str]:
        """What became of them, each once: one word where all are treated alike."""
        found = set()
        async with self.app(name) as app:
            for action in actions:
                try:
                    await app.processor.run(action)
                except BackendAIError as error:
                    found.add(OUTCOMES[type(error)])
                else:
                    found.add("allowed")
        return found


@pytest.fixture
async def site(
    database: str,
    postgres_server: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Site:
    async def passed(_action: Action[ActionResult]) -> ActionResult:
        return ActionResult()

    monkeypatch.setattr(ActionProcessor, "_method_of", lambda _self, _action: passed)
    opened = Database(database)
    async with opened.transaction() as connection:
        world = await seeds.seed_world(connection)
        people = {name: getattr(world, name) for name in PEOPLE} | {
            "idle": await seeds.seed_user(connection, "idle", status=UserStatus.INACTIVE),
            "keyless": await seeds.seed_user(connection, "keyless", keypair_active=False),
        }
        sessions = {
            name: await seeds.seed_session(connection, people[name], name=f"{name}-1")
            for name in OF_SESSIONS
        }
    await opened.close()
    return Site(postgres_server.libpq_url(database), tmp_path, people, sessions)


async def test_each_action_on_a_session_is_for_its_owner_and_those_above(site: Site) -> None:
    for owner, expected in OF_SESSIONS.items():
        found = {}
        for name in expected:
            reads = await site.outcomes(name, [make(f"{owner}-1") for make in READS])
            uses = await site.outcomes(name, [make(f"{owner}-1") for make in USES])
            found[name] = (reads, uses)
        assert found == {name: ({read}, {use}) for name, (read, use) in expected.items()}, owner


async def test_what_somebody_has_is_listed_and_added_to_by_the_owner_and_those_above(
    site: Site,
) -> None:
    """A key pair is no secret, so it is denied where a session would not be seen."""
    reads, uses = OF_A_KEY_PAIR
    for owner, expected in OF_SESSIONS.items():
        key = site.people[owner].access_key
        for name, words in expected.items():
            read = await site.outcomes(name, [make(key) for make in reads])
            use = await site.outcomes(name, [make(key) for make in uses])
            seen = [{word.replace("unseen", "denied")} for word in words]
            assert [read, use] == seen, (owner, name)


async def test_all_sessions_are_listed_by_superadmins_and_monitors(site: Site) -> None:
    allowed = {name for name in site.people if await site.outcomes(name, [OF_ALL]) == {"allowed"}}
    assert allowed == {"root", "monitor"}


async def test_statuses_of_what_one_sees_are_checked_by_whoever_may_change_something(
    site: Site,
) -> None:
    found = {name: await site.outcomes(name, [OF_WHAT_IS_SEEN]) for name in site.people}
    allowed = {name for name, outcome in found.items() if outcome == {"allowed"}}
    assert allowed == set(PEOPLE) - {"monitor"}


async def test_what_was_denied_is_in_the_timeline_of_the_session(site: Site) -> None:
    await site.outcomes("monitor", [USES[0]("alice-1")])
    database = Database(site.dsn.replace("postgresql://", "postgresql+psycopg://"))
    entries = await SessionRecordRepository(database).timeline(site.sessions["alice"].id)
    await database.close()
    (entry,) = [entry for entry in entries if entry.source == "audit"]
    assert (entry.what, entry.who) == ("destroy", site.people["monitor"].email)
    assert (entry.detail or "").startswith("Denied: ")


def test_no_action_on_sessions_is_left_out() -> None:
    made = [*(make("a") for make in (*READS, *USES)), OF_ALL, OF_WHAT_IS_SEEN]
    made += [make("a") for kind in OF_A_KEY_PAIR for make in kind]
    known = {action for action in actions() if action.entity_type is EntityType.SESSION}
    assert {type(action) for action in made} == known
