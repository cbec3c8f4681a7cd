"""Who is who, and who may find what: on both shapes of the database, in one seeded world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import update

from bai_manager.actions.targets import (
    DomainTarget,
    KernelTarget,
    KeypairTarget,
    ProjectTarget,
    SessionTarget,
    SystemTarget,
    TargetScope,
    UserTarget,
)
from bai_manager.models.session import sessions
from bai_manager.models.user import keypairs
from bai_manager.repositories.access import AccessRepository
from bai_manager.repositories.database import Database
from bai_manager.repositories.session import SessionRepository
from bai_manager.services.group.errors import GroupNotFound, TooManyGroupsMatched
from bai_manager.services.keypair.errors import KeyPairNotFound
from bai_manager.services.session.errors import (
    KernelNotFound,
    SessionNotFound,
    TooManyKernelsFound,
    TooManySessionsMatched,
)
from bai_manager.services.user.errors import UserNotFound
from bai_manager.types.credentials import new_access_key
from bai_manager.types.status import UserRole, UserStatus
from tests import seeds
from tests.repositories.conftest import seeded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tests.conftest import PostgresServer
    from tests.seeds import Person, World

TRAIN = UUID("aaaa1111-0000-4000-8000-000000000001")
SECOND = UUID("aaaa2222-0000-4000-8000-000000000002")
ENDED_TRAIN = UUID("aaaa3333-0000-4000-8000-000000000003")
BOBS = UUID("bbbb1111-0000-4000-8000-000000000004")
ALICES_BBBB = UUID("bbbb2222-0000-4000-8000-000000000005")
CAROLS = UUID("cccc1111-0000-4000-8000-000000000006")
ROOTS = UUID("dddd1111-0000-4000-8000-000000000007")
OLD_ALICE = UUID("eeee1111-0000-4000-8000-000000000008")
OLD_ALICE_AGAIN = UUID("eeee2222-0000-4000-8000-000000000009")
OLD_ROOT = UUID("eeee3333-0000-4000-8000-00000000000a")


@dataclass(frozen=True)
class Seen:
    """A database to read, and what is in it."""

    url: str
    world: World
    suspended: Person
    locked: Person
    keyless: Person


async def _seed(connection: AsyncConnection) -> tuple[World, Person, Person, Person]:
    world = await seeds.seed_world(connection)
    await seeds.seed_project(connection, "research", domain="default")
    suspended = await seeds.seed_user(connection, "suspended", status=UserStatus.INACTIVE)
    locked = await seeds.seed_user(connection, "locked", keypair_active=False)
    keyless = await seeds.seed_user(connection, "keyless")
    await connection.execute(
        update(keypairs).where(keypairs.c.access_key == keyless.access_key).values(secret_key=None)
    )
    live = (
        (TRAIN, world.alice, "train-1"),
        (SECOND, world.alice, "eval-1"),
        (BOBS, world.bob, "bobs-1"),
        (ALICES_BBBB, world.alice, "aaaa1111"),  # named like the beginning of another's id
        (CAROLS, world.carol, "carols-1"),
        (ROOTS, world.root, "roots-1"),
    )
    for session_id, owner, name in live:
        await seeds.seed_session(
            connection,
            owner,
            name=name,
            session_id=session_id,
            kernel_ids=[UUID(int=session_id.int + (1 << 64))],
        )
    behalf = await seeds.seed_session(connection, world.alice, name="behalf-1")
    await connection.execute(
        update(sessions)
        .where(sessions.c.id == behalf.id)
        .values(user_uuid=world.root.user_id)  # as a manager writes it: who asked for it
    )
    ended = (
        (ENDED_TRAIN, world.alice, "train-1"),
        (OLD_ALICE, world.alice, "old-1"),
        (OLD_ALICE_AGAIN, world.alice, "old-1"),
        (OLD_ROOT, world.root, "old-1"),
    )
    for age, (session_id, owner, name) in enumerate(ended):
        await seeds.seed_session(
            connection,
            owner,
            name=name,
            session_id=session_id,
            status="TERMINATED",
            created_at=seeds.NOW + timedelta(hours=age),
        )
    return world, suspended, locked, keyless


@pytest.fixture(scope="module", params=["oneshot", "migrated"])
def seen(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Seen]:
    with postgres_server.emptied_database(request.param) as url:
        yield Seen(url, *seeded(url, _seed))


@pytest.fixture
async def access(seen: Seen) -> AsyncIterator[AccessRepository]:
    opened = Database(seen.url)
    yield AccessRepository(opened)
    await opened.close()


# Identities


async def test_an_identity_is_the_key_pair_with_its_user(
    access: AccessRepository, seen: Seen
) -> None:
    identity = await access.identity_of(seen.world.alice.access_key)
    assert identity is not None
    assert identity.actor == seen.world.alice.actor
    assert identity.secret_key == seen.world.alice.secret_key
    assert identity.keypair_active
    assert identity.user_status == "active"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("root", UserRole.SUPERADMIN),
        ("admin", UserRole.ADMIN),
        ("alice", UserRole.USER),
        ("monitor", UserRole.MONITOR),
    ],
)
async def test_an_identity_has_the_role_of_the_user(
    access: AccessRepository, seen: Seen, name: str, role: UserRole
) -> None:
    identity = await access.identity_of(getattr(seen.world, name).access_key)
    assert identity is not None
    assert identity.actor.role is role


async def test_an_identity_tells_what_is_inactive(access: AccessRepository, seen: Seen) -> None:
    suspended = await access.identity_of(seen.suspended.access_key)
    locked = await access.identity_of(seen.locked.access_key)
    assert suspended is not None
    assert locked is not None
    assert (suspended.keypair_active, suspended.user_status) == (True, "inactive")
    assert (locked.keypair_active, locked.user_status) == (False, "active")


async def test_an_unknown_key_and_one_without_a_secret_are_nobody(
    access: AccessRepository, seen: Seen
) -> None:
    assert await access.identity_of(new_access_key()) is None
    assert await access.identity_of(seen.keyless.access_key) is None
    assert await access.identity_of("' OR true --") is None


# Targets that are no session


async def test_the_system_and_a_domain_are_where_they_say(
    access: AccessRepository, seen: Seen
) -> None:
    actor = seen.world.alice.actor
    assert await access.locate(SystemTarget(), actor) == TargetScope()
    assert await access.locate(DomainTarget("other"), actor) == TargetScope(domain_name="other")


def _of(person: Person, *, with_key: bool = True, session_id: UUID | None = None) -> TargetScope:
    return TargetScope(
        domain_name=person.domain_name,
        owner_user_id=person.user_id,
        owner_role=person.role,
        owner_access_key=person.access_key if with_key else None,
        session_id=session_id,
    )


async def test_no_key_pair_is_the_actor_s_own(access: AccessRepository, seen: Seen) -> None:
    world = seen.world
    assert await access.locate(KeypairTarget(), world.alice.actor) == _of(world.alice)
    named = KeypairTarget(world.carol.access_key)
    assert await access.locate(named, world.alice.actor) == _of(world.carol)


async def test_a_user_is_found_by_e_mail_and_by_id(access: AccessRepository, seen: Seen) -> None:
    bob, actor = seen.world.bob, seen.world.root.actor
    for text in (bob.email, str(bob.user_id), str(bob.user_id).upper()):
        assert await access.locate(UserTarget(text), actor) == _of(bob, with_key=False)


async def test_a_project_is_found_by_id_and_by_a_name_that_is_the_only_one(
    access: AccessRepository, seen: Seen
) -> None:
    actor = seen.world.root.actor
    by_id = ProjectTarget(str(seen.world.other_project_id))
    assert await access.locate(by_id, actor) == TargetScope(
        domain_name="other", group_id=seen.world.other_project_id
    )
    by_name = await access.locate(ProjectTarget("research"), actor)
    assert (by_name.domain_name, by_name.actor_is_member) == ("default", False)


async def test_a_project_is_one_of_the_actor_s_domain_unless_the_actor_sees_all(
    access: AccessRepository, seen: Seen
) -> None:
    world = seen.world
    found = await access.locate(ProjectTarget("default"), world.carol.actor)
    assert found == TargetScope(
        domain_name="other", group_id=world.other_project_id, actor_is_member=True
    )
    named = await access.locate(ProjectTarget("other/default"), world.root.actor)
    assert named.group_id == world.other_project_id
    with pytest.raises(GroupNotFound):
        await access.locate(ProjectTarget(str(world.other_project_id)), world.admin.actor)


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (KeypairTarget("AKIANOBODY"), KeyPairNotFound),
        (UserTarget("nobody@example.com"), UserNotFound),
        (ProjectTarget("nowhere"), GroupNotFound),
        (ProjectTarget("default"), TooManyGroupsMatched),  # one in each domain
    ],
    ids=["key pair", "user", "project", "project of two domains"],
)
async def test_what_is_not_there_is_not_found(
    access: AccessRepository,
    seen: Seen,
    target: KeypairTarget | UserTarget | ProjectTarget,
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        await access.locate(target, seen.world.root.actor)


# Sessions


async def test_a_session_is_found_by_name_id_and_unique_prefix(
    access: AccessRepository, seen: Seen
) -> None:
    ids = str(TRAIN), str(TRAIN).upper(), TRAIN.hex
    for text in ("train-1", *ids, "aaaa1111-0", "AAAA1111-0000"):
        found = await access.locate(SessionTarget(text), seen.world.alice.actor)
        assert found == _of(seen.world.alice, session_id=TRAIN), text


BOBS_WORDS = ["bobs-1", str(BOBS), BOBS.hex, "bbbb1111", "bbbb1111-0000-4000"]


async def test_a_user_finds_no_session_of_another(access: AccessRepository, seen: Seen) -> None:
    for text in BOBS_WORDS:
        with pytest.raises(SessionNotFound, match=text):
            await access.locate(SessionTarget(text), seen.world.alice.actor)


@pytest.mark.parametrize("name", ["root", "admin", "monitor", "bob"])
async def test_the_owner_and_those_above_find_it(
    access: AccessRepository, seen: Seen, name: str
) -> None:
    actor = getattr(seen.world, name).actor
    for text in BOBS_WORDS:
        found = await access.locate(SessionTarget(text), actor)
        assert found == _of(seen.world.bob, session_id=BOBS), text


@pytest.mark.parametrize("text", ["carols-1", str(CAROLS), "cccc"])
async def test_a_domain_ends_what_its_admin_finds(
    access: AccessRepository, seen: Seen, text: str
) -> None:
    found = await access.locate(SessionTarget(text), seen.world.other_admin.actor)
    assert found == _of(seen.world.carol, session_id=CAROLS)
    with pytest.raises(SessionNotFound):
        await access.locate(SessionTarget(text), seen.world.admin.actor)


async def test_a_prefix_of_several_names_all_of_them_and_nothing_else(
    access: AccessRepository, seen: Seen
) -> None:
    with pytest.raises(TooManySessionsMatched) as several:
        await access.locate(SessionTarget("aaaa"), seen.world.alice.actor)
    matches = several.value.details["matches"]
    assert isinstance(matches, list)
    assert {match["session_id"] for match in matches if isinstance(match, dict)} == {
        str(TRAIN),
        str(SECOND),
        str(ENDED_TRAIN),
    }


async def test_a_prefix_is_unique_among_what_the_actor_may_find(
    access: AccessRepository, seen: Seen
) -> None:
    found = await access.locate(SessionTarget("bbbb"), seen.world.alice.actor)
    assert found == _of(seen.world.alice, session_id=ALICES_BBBB)  # bob's begins with bbbb too
    with pytest.raises(TooManySessionsMatched):
        await access.locate(SessionTarget("bbbb"), seen.world.root.actor)


async def test_the_actor_s_own_comes_before_those_of_others(
    access: AccessRepository, seen: Seen
) -> None:
    found = await access.locate(SessionTarget("old-1"), seen.world.root.actor)
    assert found == _of(seen.world.root, session_id=OLD_ROOT)


async def test_a_whole_name_comes_before_the_beginning_of_an_id(
    access: AccessRepository, seen: Seen
) -> None:
    opened = Database(seen.url)
    try:
        found = await SessionRepository(opened).get_session("aaaa1111", seen.world.alice.access_key)
    finally:
        await opened.close()
    assert found.id == ALICES_BBBB
    assert await access.locate(SessionTarget("aaaa1111"), seen.world.alice.actor)


@pytest.mark.parametrize("text", ["aaa", "a", "", "%", "aaaa%", "____", "train", "TRAIN-1"])
async def test_a_short_prefix_a_pattern_or_half_a_name_finds_nothing(
    access: AccessRepository, seen: Seen, text: str
) -> None:
    with pytest.raises(SessionNotFound):
        await access.locate(SessionTarget(text), seen.world.root.actor)


async def test_a_live_session_comes_before_an_ended_one_of_its_name(seen: Seen) -> None:
    opened = Database(seen.url)
    try:
        found = await SessionRepository(opened).get_session("train-1", seen.world.alice.access_key)
    finally:
        await opened.close()
    assert found.id == TRAIN


async def test_of_ended_sessions_of_one_name_the_newest_is_meant_if_they_are_one_owner_s(
    access: AccessRepository, seen: Seen
) -> None:
    alice = seen.world.alice
    found = await access.locate(SessionTarget("old-1"), alice.actor)
    assert found == _of(alice, session_id=OLD_ALICE_AGAIN)
    with pytest.raises(TooManySessionsMatched):
        await access.locate(SessionTarget("old-1"), seen.world.monitor.actor)
    found = await access.locate(SessionTarget(str(OLD_ALICE)), alice.actor)
    assert found == _of(alice, session_id=OLD_ALICE)


async def test_with_an_owner_only_that_key_pair_s_sessions_are_looked_at(
    access: AccessRepository, seen: Seen
) -> None:
    root, bob = seen.world.root, seen.world.bob
    found = await access.locate(SessionTarget("bbbb", bob.access_key), root.actor)
    assert found == _of(bob, session_id=BOBS)


async def test_naming_an_owner_tells_nobody_which_sessions_that_one_has(
    access: AccessRepository, seen: Seen
) -> None:
    bob, alice = seen.world.bob, seen.world.alice
    there, missing = (SessionTarget(name, bob.access_key) for name in ("bobs-1", "nothing"))
    assert await access.locate(there, alice.actor) == await access.locate(missing, alice.actor)


async def test_a_session_made_on_somebody_s_behalf_is_that_one_s(
    access: AccessRepository, seen: Seen
) -> None:
    alice = seen.world.alice
    found = await access.locate(SessionTarget("behalf-1"), alice.actor)
    assert replace(found, session_id=None) == _of(alice)


async def test_a_second_key_pair_of_the_same_user_finds_the_user_s_sessions(
    access: AccessRepository, seen: Seen
) -> None:
    second = replace(seen.world.alice.actor, access_key="AKIASECOND")
    found = await access.locate(SessionTarget("eval-1"), second)
    assert found == _of(seen.world.alice, session_id=SECOND)


# Kernels


def _kernel(session_id: UUID) -> str:
    return str(UUID(int=session_id.int + (1 << 64)))


@pytest.mark.parametrize("name", ["root", "admin", "monitor", "bob"])
async def test_a_kernel_is_found_by_the_owner_and_those_above(
    access: AccessRepository, seen: Seen, name: str
) -> None:
    actor = getattr(seen.world, name).actor
    for text in (_kernel(BOBS), _kernel(BOBS)[:23]):
        assert await access.locate(KernelTarget(text), actor) == _of(seen.world.bob)


@pytest.mark.parametrize("name", ["alice", "carol", "other_admin"])
async def test_a_kernel_is_found_by_nobody_else(
    access: AccessRepository, seen: Seen, name: str
) -> None:
    actor = getattr(seen.world, name).actor
    for text in (_kernel(BOBS), _kernel(BOBS)[:8], "train-1"):
        with pytest.raises(KernelNotFound):
            await access.locate(KernelTarget(text), actor)


async def test_a_prefix_of_several_kernels_is_refused(access: AccessRepository, seen: Seen) -> None:
    with pytest.raises(TooManyKernelsFound):
        await access.locate(KernelTarget("aaaa"), seen.world.alice.actor)
