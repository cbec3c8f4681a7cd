"""Key pairs (``reference/services.md`` §17), in both shapes of the database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from bai_manager.actions.errors import AuthorizationFailed
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.versions import RowChanged
from bai_manager.services.auth.actions import GetIdentityAction
from bai_manager.services.keypair.actions import (
    CreateKeypairAction,
    DeleteKeypairAction,
    GenerateSSHKeypairAction,
    GetBootstrapScriptAction,
    GetKeypairAction,
    GetSSHKeypairAction,
    ListKeypairsAction,
    RotateKeypairAction,
    SetBootstrapScriptAction,
    UpdateKeypairAction,
    UploadSSHKeypairAction,
)
from bai_manager.services.keypair.errors import (
    BootstrapScriptTooLong,
    KeyPairInUse,
    KeyPairNotFound,
    UnknownKeypairPolicy,
)
from bai_manager.services.keypair.types import KeypairChanges, KeypairSpec
from bai_manager.services.user.errors import UserNotFound
from bai_manager.types.credentials import Secret
from bai_manager.types.limits import InvalidLimitValue
from bai_manager.types.query import Query, parse_filter, parse_sort
from bai_manager.types.ssh_keys import InvalidSSHKeypair, new_ssh_keypair
from tests import seeds
from tests.people import SSH_KEYPAIR, one_row

if TYPE_CHECKING:
    from bai_manager.services.keypair.actions import CreateKeypairActionResult
    from bai_manager.services.keypair.types import KeypairData
    from tests.tenants import Site

ALICE = "alice@example.com"


async def _create(site: Site, **spec: Any) -> CreateKeypairActionResult:
    return await site.run(CreateKeypairAction(user=ALICE, spec=KeypairSpec(**spec)))


async def _update(site: Site, access_key: str, **changes: Any) -> tuple[KeypairData, Any]:
    action = UpdateKeypairAction(access_key=access_key, changes=KeypairChanges(**changes))
    result = await site.run(action)
    return result.keypair, result.changed


async def test_a_key_pair_has_the_defaults_of_the_reference(shaped_people: Site) -> None:
    made = await _create(shaped_people)
    row = await one_row(shaped_people, keypairs, keypairs.c.access_key == made.keypair.access_key)
    assert (row.user_id, row.user) == (ALICE, shaped_people.world.alice.user_id)
    assert (row.is_active, row.is_admin, row.num_queries) == (True, False, 0)
    assert (row.resource_policy, row.rate_limit) == ("default", 10000)
    assert (row.dotfiles, row.bootstrap_script) == (b"\x90", "")
    assert Secret(row.secret_key) == made.secret_key
    assert row.ssh_public_key == SSH_KEYPAIR.public_key
    assert (len(row.access_key), row.access_key[:4], len(row.secret_key)) == (20, "AKIA", 40)


async def test_another_key_pair_is_not_the_main_one(people: Site) -> None:
    made = await _create(people)
    assert not made.keypair.is_main
    main = await people.run(GetKeypairAction(owner=people.world.alice.access_key))
    assert main.keypair.is_main


async def test_a_key_pair_can_be_used_at_once(people: Site) -> None:
    made = await _create(people)
    second = replace(
        people.world.alice, access_key=made.keypair.access_key, secret_key=made.secret_key
    )
    assert (await people.run(GetIdentityAction(), second)).identity.email == ALICE


async def test_what_is_given_is_kept(shaped_people: Site) -> None:
    async with shaped_people.database.transaction() as connection:
        await seeds.seed_keypair_policy(connection, "large")
    made = await _create(
        shaped_people, resource_policy="large", rate_limit=7, is_admin=True, is_active=False
    )
    key = made.keypair
    assert (key.resource_policy, key.rate_limit) == ("large", 7)
    assert (key.is_admin, key.is_active) == (True, False)


async def test_nobody_s_key_pair_is_not_made(people: Site) -> None:
    await people.refused(CreateKeypairAction(user="nobody"), UserNotFound)


async def test_a_policy_that_is_not_there_is_named(shaped_people: Site) -> None:
    spec = KeypairSpec(resource_policy="gone")
    await shaped_people.refused(CreateKeypairAction(user=ALICE, spec=spec), UnknownKeypairPolicy)
    key = shaped_people.world.alice.access_key
    action = UpdateKeypairAction(access_key=key, changes=KeypairChanges(resource_policy="gone"))
    await shaped_people.refused(action, UnknownKeypairPolicy)


async def test_a_rate_limit_is_not_negative(people: Site) -> None:
    spec = KeypairSpec(rate_limit=-1)
    await people.refused(CreateKeypairAction(user=ALICE, spec=spec), InvalidLimitValue)
    key = people.world.alice.access_key
    action = UpdateKeypairAction(access_key=key, changes=KeypairChanges(rate_limit=-1))
    await people.refused(action, InvalidLimitValue)


async def test_an_update_sets_what_is_given_and_nothing_else(shaped_people: Site) -> None:
    access_key = shaped_people.world.alice.access_key
    key, changed = await _update(shaped_people, access_key, rate_limit=9, is_admin=True)
    assert changed == ("is_admin", "rate_limit")
    assert (key.rate_limit, key.is_admin, key.is_active) == (9, True, True)


async def test_an_update_that_changes_nothing_says_so(people: Site) -> None:
    access_key = people.world.alice.access_key
    before = (await people.run(GetKeypairAction(owner=access_key))).keypair
    key, changed = await _update(people, access_key, is_active=True)
    assert (changed, key.version) == ((), before.version)


async def test_a_key_pair_that_changed_since_it_was_shown_is_left_alone(people: Site) -> None:
    access_key = people.world.alice.access_key
    version = (await people.run(GetKeypairAction(owner=access_key))).keypair.version
    await _update(people, access_key, rate_limit=1)
    late = UpdateKeypairAction(
        access_key=access_key, changes=KeypairChanges(rate_limit=2), if_unchanged=version
    )
    await people.refused(late, RowChanged)


async def test_an_inactive_key_pair_lets_nobody_in(people: Site) -> None:
    made = await _create(people)
    second = replace(
        people.world.alice, access_key=made.keypair.access_key, secret_key=made.secret_key
    )
    await _update(people, second.access_key, is_active=False)
    await people.refused(GetIdentityAction(), AuthorizationFailed, second)


async def test_rotating_makes_the_old_secret_worthless(shaped_people: Site) -> None:
    bob = shaped_people.world.bob
    rotated = await shaped_people.run(RotateKeypairAction(access_key=bob.access_key))
    assert rotated.keypair.access_key == bob.access_key
    assert rotated.secret_key != bob.secret_key
    await shaped_people.refused(GetIdentityAction(), AuthorizationFailed, bob)
    app = shaped_people.app(replace(bob, secret_key=rotated.secret_key))
    assert (await app.processor.run(GetIdentityAction())).identity.email == bob.email


async def test_a_result_does_not_show_its_secret(people: Site) -> None:
    made = await _create(people)
    assert made.secret_key.reveal() not in repr(made)


async def test_a_main_key_pair_is_not_deleted(shaped_people: Site) -> None:
    action = DeleteKeypairAction(access_key=shaped_people.world.alice.access_key)
    error = await shaped_people.refused(action, KeyPairInUse)
    assert (error.exit_code, error.details["user"]) == (5, ALICE)


async def test_another_key_pair_is_deleted(shaped_people: Site) -> None:
    made = await _create(shaped_people)
    gone = await shaped_people.run(DeleteKeypairAction(access_key=made.keypair.access_key))
    assert gone.keypair == made.keypair
    assert await shaped_people.count(select(keypairs).where(keypairs.c.user_id == ALICE)) == 1


async def test_a_key_pair_that_is_nobody_s_main_one_any_more_is_deleted(people: Site) -> None:
    alice = people.world.alice
    await people.execute(update(users).where(users.c.email == ALICE).values(main_access_key=None))
    await people.run(DeleteKeypairAction(access_key=alice.access_key))


async def test_what_is_not_there_is_not_found_unless_ignored(people: Site) -> None:
    for action in (
        GetKeypairAction(owner="AKIANOBODY"),
        RotateKeypairAction(access_key="AKIANOBODY"),
        UpdateKeypairAction(access_key="AKIANOBODY", changes=KeypairChanges()),
        DeleteKeypairAction(access_key="AKIANOBODY"),
    ):
        await people.refused(action, KeyPairNotFound)
    ignored = DeleteKeypairAction(access_key="AKIANOBODY", ignore_not_found=True)
    assert (await people.run(ignored)).keypair is None


async def test_showing_counts_sessions_that_have_not_ended(people: Site) -> None:
    alice = people.world.alice
    async with people.database.transaction() as connection:
        await seeds.seed_session(connection, alice)
        await seeds.seed_session(connection, alice, name="ended-1", status="TERMINATED")
    shown = await people.run(GetKeypairAction(), alice)
    assert (shown.keypair.access_key, shown.live_sessions) == (alice.access_key, 1)


# Lists


async def test_one_lists_what_one_may_see(shaped_people: Site) -> None:
    world = shaped_people.world

    async def seen(who: Any) -> set[str]:
        listed = await shaped_people.run(ListKeypairsAction(), who)
        return {key.user_email.partition("@")[0] for key in listed.keypairs}

    assert await seen(world.alice) == {"alice"}
    assert await seen(world.other_admin) == {"other-admin", "carol"}
    assert await seen(world.admin) == {"root", "admin", "alice", "bob", "monitor"}
    assert await seen(world.monitor) == await seen(world.root)
    assert len(await seen(world.root)) == 7


async def test_the_key_pairs_of_one_user_are_listed(people: Site) -> None:
    await _create(people)
    listed = await people.run(ListKeypairsAction(user=ALICE))
    assert [key.user_email for key in listed.keypairs] == [ALICE, ALICE]
    await people.refused(ListKeypairsAction(user="nobody"), UserNotFound)


async def test_naming_another_user_shows_a_user_nothing(people: Site) -> None:
    listed = await people.run(ListKeypairsAction(user="bob"), people.world.alice)
    assert listed.keypairs == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("is_main=true", 7),
        ("is_admin=true", 3),
        ("is_active=false", 0),
        ("rate_limit>=10000", 7),
        ("user_email~alice", 1),
        ("resource_policy=default", 7),
        ("created_at>1h", 7),
    ],
)
async def test_key_pairs_are_found_by_what_is_shown(
    shaped_people: Site, text: str, count: int
) -> None:
    query = Query(filters=(parse_filter(text),), sort=parse_sort("-user_email,access_key"))
    listed = await shaped_people.run(ListKeypairsAction(query=query))
    assert len(listed.keypairs) == count


# SSH keys and bootstrap scripts


async def test_an_ssh_key_is_made_and_the_public_half_shown(shaped_people: Site) -> None:
    alice = shaped_people.world.alice
    before = await shaped_people.run(GetSSHKeypairAction(), alice)
    assert before.public_key == ""
    made = await shaped_people.run(GenerateSSHKeypairAction(), alice)
    assert made.private_key == SSH_KEYPAIR.private_key
    shown = await shaped_people.run(GetSSHKeypairAction(), alice)
    assert (shown.access_key, shown.public_key) == (alice.access_key, SSH_KEYPAIR.public_key)


async def test_an_ssh_key_is_uploaded_when_its_halves_belong_together(people: Site) -> None:
    alice, pair, other = people.world.alice, new_ssh_keypair(), new_ssh_keypair()
    await people.run(
        UploadSSHKeypairAction(public_key=pair.public_key, private_key=pair.private_key), alice
    )
    row = await one_row(people, keypairs, keypairs.c.access_key == alice.access_key)
    assert (row.ssh_public_key, row.ssh_private_key) == (
        pair.public_key,
        pair.private_key.reveal(),
    )
    wrong = UploadSSHKeypairAction(public_key=other.public_key, private_key=pair.private_key)
    await people.refused(wrong, InvalidSSHKeypair, alice)


async def test_a_bootstrap_script_is_kept_and_taken_away(shaped_people: Site) -> None:
    alice = shaped_people.world.alice
    assert (await shaped_people.run(GetBootstrapScriptAction(), alice)).script == ""
    await shaped_people.run(SetBootstrapScriptAction(script="echo hello\n"), alice)
    shown = await shaped_people.run(GetBootstrapScriptAction(owner=alice.access_key))
    assert shown.script == "echo hello\n"
    await shaped_people.run(SetBootstrapScriptAction(script=""), alice)
    assert (await shaped_people.run(GetBootstrapScriptAction(), alice)).script == ""


async def test_a_bootstrap_script_has_at_most_65536_characters(people: Site) -> None:
    alice = people.world.alice
    await people.run(SetBootstrapScriptAction(script="x" * 65_536), alice)
    too_long = SetBootstrapScriptAction(script="x" * 65_537)
    await people.refused(too_long, BootstrapScriptTooLong, alice)
