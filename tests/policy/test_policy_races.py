"""Two people change one policy at the same time: nothing is lost, and nothing hangs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text, update

from bai_manager.models.resource_policy import keypair_resource_policies
from bai_manager.models.user import keypairs
from bai_manager.repositories.versions import RowChanged
from bai_manager.services.keypair_resource_policy.actions import (
    CreateKeypairResourcePolicyAction,
    DeleteKeypairResourcePolicyAction,
    GetKeypairResourcePolicyAction,
    UpdateKeypairResourcePolicyAction,
)
from bai_manager.services.keypair_resource_policy.errors import (
    KeypairResourcePolicyAlreadyExists,
    KeypairResourcePolicyInUse,
    KeypairResourcePolicyNotFound,
)
from bai_manager.services.keypair_resource_policy.types import (
    KeypairResourcePolicyChanges,
    KeypairResourcePolicySpec,
)
from bai_manager.types.patches import SlotsPatch
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from bai_manager.actions.base import Action
    from bai_manager.services.keypair_resource_policy.actions import (
        UpdateKeypairResourcePolicyActionResult,
    )
    from tests.tenants import Site

MANY = 6


def _change(
    version: str | None, /, **changes: object
) -> Action[UpdateKeypairResourcePolicyActionResult]:
    return UpdateKeypairResourcePolicyAction(
        policy="default",
        changes=KeypairResourcePolicyChanges(**changes),  # type: ignore[arg-type]
        if_unchanged=version,
    )


async def _at_once(runs: Sequence[Awaitable[object]]) -> list[object]:
    return await asyncio.gather(*runs, return_exceptions=True)


async def test_changes_of_different_slots_are_all_kept(own_site: Site) -> None:
    """Each sees what the one before has committed, whoever waits for whom."""
    apps = [own_site.app() for _ in range(MANY)]
    patches = [SlotsPatch(put=ResourceSlot({f"slot{index}.device": 1})) for index in range(MANY)]
    done = await _at_once(
        [
            app.processor.run(_change(None, total_resource_slots=patch))
            for app, patch in zip(apps, patches, strict=True)
        ]
    )
    assert [one for one in done if isinstance(one, BaseException)] == []
    policy = (await own_site.run(GetKeypairResourcePolicyAction(policy="default"))).policy
    assert set(policy.total_resource_slots) == {f"slot{index}.device" for index in range(MANY)}


async def test_changes_of_different_fields_are_all_kept(own_site: Site) -> None:
    fields = ["idle_timeout", "max_concurrent_sessions", "max_session_lifetime"]
    apps = [own_site.app() for _ in fields]
    await _at_once(
        [
            app.processor.run(_change(None, **{field: 77}))
            for app, field in zip(apps, fields, strict=True)
        ]
    )
    policy = (await own_site.run(GetKeypairResourcePolicyAction(policy="default"))).policy
    assert [getattr(policy, field) for field in fields] == [77, 77, 77]


async def test_of_those_who_saw_the_same_version_one_alone_changes_it(own_site: Site) -> None:
    shown = (await own_site.run(GetKeypairResourcePolicyAction(policy="default"))).policy
    apps = [own_site.app() for _ in range(MANY)]
    done = await _at_once(
        [
            app.processor.run(_change(shown.version, idle_timeout=1000 + index))
            for index, app in enumerate(apps)
        ]
    )
    failed = [one for one in done if isinstance(one, BaseException)]
    assert len(failed) == MANY - 1
    assert all(isinstance(one, RowChanged) for one in failed)
    won = next(index for index, one in enumerate(done) if not isinstance(one, BaseException))
    policy = (await own_site.run(GetKeypairResourcePolicyAction(policy="default"))).policy
    assert policy.idle_timeout == 1000 + won


async def test_who_waits_for_a_change_sees_that_the_row_is_another(own_site: Site) -> None:
    """The version is compared under the lock, not before it."""
    shown = (await own_site.run(GetKeypairResourcePolicyAction(policy="default"))).policy
    async with own_site.database.transaction() as connection:
        await connection.execute(update(keypair_resource_policies).values(idle_timeout=5))
        waiting = asyncio.create_task(own_site.run(_change(shown.version, idle_timeout=6)))
        await _until_someone_waits(own_site)
        assert not waiting.done()
    with pytest.raises(RowChanged):
        await waiting


async def test_of_those_who_create_one_name_one_alone_does(own_site: Site) -> None:
    action = CreateKeypairResourcePolicyAction(spec=KeypairResourcePolicySpec(name="gold"))
    apps = [own_site.app() for _ in range(MANY)]
    done = await _at_once([app.processor.run(action) for app in apps])
    failed = [one for one in done if isinstance(one, BaseException)]
    assert len(failed) == MANY - 1
    assert all(isinstance(one, KeypairResourcePolicyAlreadyExists) for one in failed)


async def test_a_policy_that_is_given_to_somebody_meanwhile_is_not_deleted(own_site: Site) -> None:
    spec = KeypairResourcePolicySpec(name="gold")
    await own_site.run(CreateKeypairResourcePolicyAction(spec=spec))
    key = own_site.world.alice.access_key
    give = update(keypairs).where(keypairs.c.access_key == key).values(resource_policy="gold")
    async with own_site.database.transaction() as connection:
        await connection.execute(give)
        deleting = asyncio.create_task(
            own_site.run(DeleteKeypairResourcePolicyAction(policy="gold"))
        )
        await _until_someone_waits(own_site)
    with pytest.raises(KeypairResourcePolicyInUse):
        await deleting


async def test_a_policy_that_is_deleted_meanwhile_is_not_found(own_site: Site) -> None:
    spec = KeypairResourcePolicySpec(name="gold")
    await own_site.run(CreateKeypairResourcePolicyAction(spec=spec))
    gone = keypair_resource_policies.delete().where(keypair_resource_policies.c.name == "gold")
    change = UpdateKeypairResourcePolicyAction(
        policy="gold", changes=KeypairResourcePolicyChanges(idle_timeout=1)
    )
    async with own_site.database.transaction() as connection:
        await connection.execute(gone)
        updating = asyncio.create_task(own_site.run(change))
        await _until_someone_waits(own_site)
    with pytest.raises(KeypairResourcePolicyNotFound):
        await updating


async def _until_someone_waits(site: Site) -> None:

    waiting = text(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock'"
    )
    for _ in range(4000):
        if await site.rows(waiting):
            return
        await asyncio.sleep(0.005)
    pytest.fail("nobody waits for a lock")
