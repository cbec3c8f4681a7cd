"""Whoever passes a limit reads whose it is by the name that people use, never by an id."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.user import keypairs
from bai_manager.repositories.snapshot import load_snapshot
from bai_manager.services.session.actions import CreateSessionAction
from bai_manager.services.session.errors import QuotaExceeded
from bai_manager.sokovan.explain import explain
from bai_manager.types.credentials import new_access_key
from tests import seeds

if TYPE_CHECKING:
    from tests.seeds import Person
    from tests.tenants import Site

LITTLE = {"cpu": "1"}


async def _second_key(site: Site) -> Person:
    """A key pair of alice without limits, while her main one is limited to one core."""
    second = replace(site.world.alice, access_key=new_access_key())
    async with site.database.transaction() as connection:
        await seeds.seed_keypair_policy(connection, "little", total_resource_slots=LITTLE)
        await seeds.seed_keypair(connection, second)
    await site.execute(
        update(keypairs)
        .where(keypairs.c.access_key == site.world.alice.access_key)
        .values(resource_policy="little")
    )
    return second


async def _limited(site: Site, level: str) -> tuple[Person, str]:
    """Who asks, and how whose limit it is is called."""
    match level:
        case "user":
            return await _second_key(site), "alice@example.com"
        case "project":
            await site.execute(update(groups).values(name="vision", total_resource_slots=LITTLE))
            return site.world.alice, "vision"
        case _:
            await site.execute(update(domains).values(total_resource_slots=LITTLE))
            return site.world.alice, "default"


@pytest.mark.parametrize("level", ["user", "project", "domain"])
async def test_a_refused_session_names_whose_limit_it_is(site: Site, level: str) -> None:
    who, name = await _limited(site, level)
    action = CreateSessionAction(
        name="train-9", image="python", resources={"cpu": "2", "mem": "1g"}, wait=False
    )
    error = await site.refused(action, QuotaExceeded, who)
    assert f"The {level} quota of {name} would be passed" in error.message
    assert error.details["name"] == name


@pytest.mark.parametrize(("level", "name"), [("user", "alice@example.com"), ("project", "vision")])
async def test_a_way_out_names_whose_limit_to_raise(site: Site, level: str, name: str) -> None:
    who, _ = await _limited(site, level)
    async with site.database.transaction() as connection:
        waiting = await seeds.seed_session(connection, who, status="PENDING", kernel_count=2)
        snapshot = await load_snapshot(connection, "default", now=seeds.NOW)
    changes = [str(change) for change in explain(snapshot, waiting.id).changes]
    assert any(f"raise the limit of {level} {name} by cpu=1" in change for change in changes)
