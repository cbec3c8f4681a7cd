"""No limit is passed, however many create at once: every level of ``architecture.md`` §7."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, update

from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.resource_policy import keypair_resource_policies
from bai_manager.models.session import kernels, sessions
from bai_manager.services.session.actions import CreateSessionAction
from bai_manager.services.session.errors import QuotaExceeded
from bai_manager.types.credentials import new_access_key
from tests import seeds

if TYPE_CHECKING:
    from sqlalchemy import Update

    from bai_manager.app import App
    from tests.tenants import Site

pytestmark = pytest.mark.thorough

AT_ONCE, ALLOWED = 5, 2
SLOTS = {"cpu": str(ALLOWED)}
POLICY = update(keypair_resource_policies).where(keypair_resource_policies.c.name == "default")
LEVELS: dict[str, Update] = {
    "keypair": POLICY.values(max_concurrent_sessions=ALLOWED),
    "user": POLICY.values(total_resource_slots={**SLOTS, "mem": str(1 << 50)}),
    "project": update(groups).values(total_resource_slots=SLOTS),
    "domain": update(domains).values(total_resource_slots=SLOTS),
    "queue": POLICY.values(max_pending_session_resource_slots=SLOTS),
}
UNLIMITED = (
    update(keypair_resource_policies).values(
        max_concurrent_sessions=0,
        total_resource_slots={},
        max_pending_session_resource_slots=None,
    ),
    update(groups).values(total_resource_slots=None),
    update(domains).values(total_resource_slots={}),
    delete(kernels),
    delete(sessions),
)


async def test_of_many_that_create_at_once_as_many_succeed_as_each_level_allows(
    own_site: Site,
) -> None:
    """The user's main key pair has the limited policy; half of the sessions are of another one."""
    site = own_site
    async with site.database.transaction() as connection:
        await seeds.seed_keypair_policy(connection, "roomy")
        second = new_access_key()
        person = replace(site.world.alice, access_key=second)
        await seeds.seed_keypair(connection, person, policy="roomy")
    apps = [site.app(site.world.alice) for _ in range(AT_ONCE)]
    for level, limit in LEVELS.items():
        await site.execute(*UNLIMITED, limit)
        one_key = level in {"keypair", "queue"}
        keys = [None if one_key or number % 2 else second for number in range(AT_ONCE)]
        results = await asyncio.gather(
            *(_create(app, f"{level}-{number}", keys[number]) for number, app in enumerate(apps)),
            return_exceptions=True,
        )
        refused = [one for one in results if one is not None]
        assert Counter(map(type, refused)) == {QuotaExceeded: AT_ONCE - ALLOWED}, (level, refused)
        told = {one.details["level"] for one in refused if isinstance(one, QuotaExceeded)}
        assert told <= {level, "keypair"}
        assert level in told


async def _create(app: App, name: str, owner: str | None) -> None:
    action = CreateSessionAction(
        name=name, image="python", owner=owner, resources={"cpu": "1"}, wait=False
    )
    await app.processor.run(action)


@pytest.mark.parametrize("queue", [False, True])
async def test_what_could_fit_later_waits_only_if_that_was_asked_for(
    site: Site, queue: bool
) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_session(connection, site.world.alice, slots={"cpu": "2", "mem": "1"})
    await site.execute(update(domains).values(total_resource_slots={"cpu": "2"}))
    now = CreateSessionAction(
        name="later-1", image="python", resources={"cpu": "1"}, queue=queue, wait=False
    )
    never = CreateSessionAction(
        name="never-1", image="python", resources={"cpu": "3"}, queue=queue, wait=False
    )
    if queue:
        created = (await site.run(now, site.world.alice)).session
        assert created.status.value == "PENDING"
    else:
        error = await site.refused(now, QuotaExceeded, site.world.alice)
        assert error.details["level"] == "domain"
        assert error.details["slots"] == [
            {"slot": "cpu", "limit": "2", "used": "2", "requested": "1"}
        ]
    error = await site.refused(never, QuotaExceeded, site.world.alice)
    assert "--queue" not in (error.hint or "")
