"""``policy what-if``: a change is made, looked at and taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from bai_manager.models.group import groups
from bai_manager.models.resource_policy import keypair_resource_policies, user_resource_policies
from bai_manager.models.user import keypairs
from bai_manager.services.keypair_resource_policy.errors import KeypairResourcePolicyNotFound
from bai_manager.services.keypair_resource_policy.types import KeypairResourcePolicyChanges
from bai_manager.services.policy.actions import RehearsePolicyChangeAction
from bai_manager.services.policy.types import Effect, PolicyKind, Scope
from bai_manager.services.project_resource_policy.types import ProjectResourcePolicyChanges
from bai_manager.services.user_resource_policy.types import UserResourcePolicyChanges
from bai_manager.types.limits import InvalidLimitValue
from bai_manager.types.patches import SlotsPatch
from bai_manager.types.resource_slot import DefaultForUnspecified, ResourceSlot
from tests import seeds
from tests.people import folder

if TYPE_CHECKING:
    from bai_manager.services.policy.types import PolicyRehearsal, SessionEffect
    from tests.seeds import Person
    from tests.tenants import Site


async def _rehearsed(site: Site, changes: Any, policy: str = "default") -> PolicyRehearsal:
    action = RehearsePolicyChangeAction(policy=policy, changes=changes)
    return (await site.run(action)).rehearsal


async def _keypairs(site: Site, **changes: Any) -> PolicyRehearsal:
    return await _rehearsed(site, KeypairResourcePolicyChanges(**changes))


def _cpu(amount: int) -> SlotsPatch:
    return SlotsPatch(put=ResourceSlot({"cpu": amount}))


async def _session(site: Site, who: Person, name: str, **given: Any) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_session(connection, who, name=name, **given)


def _over(found: PolicyRehearsal) -> list[tuple[object, ...]]:
    return [
        (one.scope, one.name, one.resource, one.used, one.limit, one.excess_before, one.excess)
        for one in found.over
    ]


def _short(effect: SessionEffect) -> list[tuple[object, ...]]:
    return [
        (one.scope, one.name, one.resource, one.limit, one.used, one.requested, one.excess)
        for one in effect.short
    ]


def _effects(found: PolicyRehearsal) -> dict[str, Effect]:
    return {one.name: one.effect for one in found.sessions}


async def test_who_would_be_over_is_named_with_by_how_much(shaped_site: Site) -> None:
    site, alice = shaped_site, shaped_site.world.alice
    await _session(site, alice, "one", kernel_count=3)
    await _session(site, site.world.bob, "small")
    found = await _keypairs(site, total_resource_slots=_cpu(2))
    assert (found.kind, found.policy, found.bound) == (PolicyKind.KEYPAIR, "default", 7)
    assert found.changed == ("total_resource_slots",)
    assert _over(found) == [
        (Scope.KEYPAIR, alice.access_key, "cpu", 3, 2, 0, 1),
        (Scope.USER, alice.email, "cpu", 3, 2, 0, 1),
    ]
    assert found.sessions == ()


async def test_a_count_of_sessions_that_run_can_be_over(site: Site) -> None:
    alice = site.world.alice
    for name in ("one", "two", "three"):
        await _session(site, alice, name)
    await _session(site, alice, "waits", status="PENDING", slots={"cpu": "99", "mem": "1"})
    found = await _keypairs(site, max_concurrent_sessions=2)
    assert _over(found) == [(Scope.KEYPAIR, alice.access_key, "concurrent sessions", 3, 2, 0, 1)]


async def test_who_is_over_already_comes_after_who_would_newly_be(site: Site) -> None:
    alice, bob = site.world.alice, site.world.bob
    await site.execute(update(keypair_resource_policies).values(max_concurrent_sessions=1))
    for name in ("one", "two"):
        await _session(site, alice, name)
    await _session(site, bob, "big", kernel_count=2)
    found = await _keypairs(site, total_resource_slots=_cpu(1))
    told = _over(found)
    assert told[-1] == (Scope.KEYPAIR, alice.access_key, "concurrent sessions", 2, 1, 1, 1)
    assert {name for _, name, *_ in told} == {
        alice.access_key,
        alice.email,
        bob.access_key,
        bob.email,
    }


async def test_a_higher_limit_ends_being_over(site: Site) -> None:
    alice = site.world.alice
    await site.execute(update(keypair_resource_policies).values(max_concurrent_sessions=1))
    for name in ("one", "two"):
        await _session(site, alice, name)
    found = await _keypairs(site, max_concurrent_sessions=2)
    assert [told[-2:] for told in _over(found)] == [(1, 0)]


async def test_a_slot_no_longer_unlimited_is_a_limit_of_nothing(site: Site) -> None:
    await _session(site, site.world.alice, "one")
    found = await _keypairs(site, default_for_unspecified=DefaultForUnspecified.LIMITED)
    assert {(one.scope, one.resource) for one in found.over} == {
        (scope, slot) for scope in (Scope.KEYPAIR, Scope.USER) for slot in ("cpu", "mem")
    }


async def test_whose_key_pair_has_another_policy_is_not_bound(site: Site) -> None:
    alice = site.world.alice
    async with site.database.transaction() as connection:
        await seeds.seed_keypair_policy(connection, "gold")
    await site.execute(
        update(keypairs)
        .where(keypairs.c.access_key == alice.access_key)
        .values(resource_policy="gold")
    )
    await _session(site, alice, "one")
    assert (await _keypairs(site, total_resource_slots=_cpu(0))).over == ()


async def test_waiting_sessions_that_would_no_longer_start_are_told_what_they_lack(
    shaped_site: Site,
) -> None:
    site, alice = shaped_site, shaped_site.world.alice
    await _session(site, alice, "one")
    await _session(site, alice, "waits", status="PENDING", kernel_count=2)
    await _session(site, site.world.bob, "bobs", status="PENDING")
    found = await _keypairs(site, total_resource_slots=_cpu(2))
    (effect,) = found.sessions
    assert (effect.name, effect.effect, effect.user_email) == ("waits", Effect.STOPS, alice.email)
    assert _short(effect) == [
        (Scope.KEYPAIR, alice.access_key, "cpu", 2, 1, 2, 1),
        (Scope.USER, alice.email, "cpu", 2, 1, 2, 1),
    ]
    assert "quota exceeded" in effect.reason


async def test_waiting_sessions_that_would_start_are_told_what_keeps_them_now(site: Site) -> None:
    alice = site.world.alice
    await site.execute(update(keypair_resource_policies).values(max_concurrent_sessions=1))
    await _session(site, alice, "one")
    await _session(site, alice, "waits", status="PENDING")
    found = await _keypairs(site, max_concurrent_sessions=2)
    (effect,) = found.sessions
    assert (effect.name, effect.effect) == ("waits", Effect.STARTS)
    assert _short(effect) == [(Scope.KEYPAIR, alice.access_key, "concurrent sessions", 1, 1, 1, 1)]


async def test_a_session_that_waits_for_another_reason_is_told_so(site: Site) -> None:
    alice = site.world.alice
    await _session(site, alice, "huge", status="PENDING", kernel_count=9)
    found = await _keypairs(site, total_resource_slots=_cpu(2))
    assert _effects(found) == {"huge": Effect.OTHERWISE}


async def test_what_others_gain_from_a_lower_limit_is_told_too(site: Site) -> None:
    """The agent has four cores: what one may no longer have, the next one gets."""
    async with site.database.transaction() as connection:
        await seeds.seed_keypair_policy(connection, "gold")
    bob = site.world.bob
    await site.execute(
        update(keypairs)
        .where(keypairs.c.access_key == bob.access_key)
        .values(resource_policy="gold")
    )
    later = seeds.NOW + timedelta(seconds=1)
    await _session(site, site.world.alice, "first", status="PENDING", kernel_count=3)
    await _session(site, bob, "second", status="PENDING", kernel_count=3, created_at=later)
    found = await _keypairs(site, total_resource_slots=_cpu(2))
    assert _effects(found) == {"first": Effect.STOPS, "second": Effect.STARTS}


async def test_sessions_of_a_lower_priority_get_their_turn_too(site: Site) -> None:
    await _session(site, site.world.bob, "urgent", status="PENDING", priority=50, kernel_count=9)
    await _session(site, site.world.alice, "later", status="PENDING", kernel_count=3)
    found = await _keypairs(site, total_resource_slots=_cpu(2))
    assert _effects(found)["later"] is Effect.STOPS


async def test_folders_and_images_of_users_can_be_over(shaped_site: Site) -> None:
    site, alice = shaped_site, shaped_site.world.alice
    await site.execute(*(folder(name, alice) for name in ("one", "two", "three")))
    found = await _rehearsed(site, UserResourcePolicyChanges(max_vfolder_count=2))
    assert (found.kind, found.bound) == (PolicyKind.USER, 7)
    assert _over(found) == [(Scope.USER, alice.email, "folders", 3, 2, 0, 1)]
    assert (await _rehearsed(site, UserResourcePolicyChanges(max_vfolder_count=0))).over == ()


async def test_folders_of_projects_can_be_over(shaped_site: Site) -> None:
    site, project = shaped_site, shaped_site.world.project_id
    await site.execute(*(folder(name, site.world.alice, group=project) for name in ("a", "b")))
    found = await _rehearsed(site, ProjectResourcePolicyChanges(max_vfolder_count=1))
    assert (found.kind, found.bound) == (PolicyKind.PROJECT, 2)
    assert _over(found) == [(Scope.PROJECT, "default", "folders", 2, 1, 0, 1)]


async def test_a_change_that_changes_nothing_says_so(site: Site) -> None:
    found = await _keypairs(site, max_concurrent_sessions=30)
    assert (found.changed, found.over, found.sessions) == ((), (), ())


@pytest.mark.parametrize(
    "changes",
    [
        KeypairResourcePolicyChanges(max_concurrent_sessions=1),
        UserResourcePolicyChanges(max_vfolder_count=1),
        ProjectResourcePolicyChanges(max_vfolder_count=1),
    ],
)
async def test_nothing_of_it_is_kept(own_site: Site, changes: Any) -> None:
    tables = (keypair_resource_policies, user_resource_policies, groups)
    before = [await own_site.rows(select(table)) for table in tables]
    assert (await _rehearsed(own_site, changes)).changed
    assert [await own_site.rows(select(table)) for table in tables] == before


async def test_what_cannot_be_set_is_refused_as_by_an_update(site: Site) -> None:
    wrong = KeypairResourcePolicyChanges(max_containers_per_session=0)
    action = RehearsePolicyChangeAction(policy="default", changes=wrong)
    await site.refused(action, InvalidLimitValue)
    missing = RehearsePolicyChangeAction(policy="none", changes=KeypairResourcePolicyChanges())
    await site.refused(missing, KeypairResourcePolicyNotFound)
