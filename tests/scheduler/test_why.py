"""Why a session waits, and whether one would fit: all reasons at once, with their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from bai_manager.actions.errors import InsufficientPrivilege
from bai_manager.models.agent import agents
from bai_manager.models.domain import domains
from bai_manager.models.resource_policy import keypair_resource_policies
from bai_manager.models.session import sessions
from bai_manager.services.scheduler.actions import ExplainPendingAction, FitSessionAction
from bai_manager.services.scheduler.errors import SessionDoesNotWait
from bai_manager.services.session.actions import CreateSessionAction
from bai_manager.services.session.errors import InvalidSessionParameters, SessionNotFound
from bai_manager.types.status import SessionStatus
from tests import seeds
from tests.seeds import GIB

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from bai_manager.services.scheduler.actions import (
        ExplainPendingActionResult,
        FitSessionActionResult,
    )
    from tests.cli.conftest import Ask
    from tests.seeds import Person
    from tests.tenants import Site

HUGE = {"cpu": "64", "mem": str(GIB)}


async def wait(
    site: Site,
    who: Person,
    name: str,
    slots: Mapping[str, str] = seeds.SLOTS,
    *,
    priority: int = 10,
) -> UUID:
    async with site.database.transaction() as connection:
        session = await seeds.seed_session(
            connection,
            who,
            name=name,
            slots=slots,
            status=SessionStatus.PENDING,
            agent=None,
            priority=priority,
        )
    return session.id


async def why(site: Site, session: str, who: Person | None = None) -> ExplainPendingActionResult:
    return await site.run(ExplainPendingAction(session=session), who or site.world.alice)


async def fit(site: Site, **asked: object) -> FitSessionActionResult:
    request = CreateSessionAction(name="asked-1", image="python", **asked)  # type: ignore[arg-type]
    return await site.run(FitSessionAction(request=request), site.world.alice)


async def test_every_reason_is_told_at_once_the_most_stubborn_first(shaped_site: Site) -> None:
    site = shaped_site
    await wait(site, site.world.alice, "huge-1", HUGE)
    await wait(site, site.world.bob, "urgent-1", priority=20)
    await site.execute(update(domains).values(total_resource_slots={"cpu": "32"}))

    told = await why(site, "huge-1")

    assert [(one.kind, one.outlook) for one in told.reasons] == [
        ("limit", "never"),
        ("agents", "never"),
        ("priority", "in-turn"),
    ]
    (limit,) = told.reasons[0].limits
    assert (limit.level, limit.name, limit.counted) == ("domain", "default", "cpu")
    numbers = [int(one) for one in (limit.limit, limit.used, limit.requested)]
    assert numbers == [32, 1, 64]  # at its turn, when the urgent one has started
    (agent,) = told.agents
    assert (agent.agent, agent.could_hold) == ("i-local", False)
    assert [(one.slot, int(one.requested)) for one in agent.missing] == [("cpu", 64)]
    assert told.smallest_change is not None
    assert told.smallest_change.kinds == ["raise-priority", "reduce-request"]
    assert (told.starts, told.agent_ids, told.ahead) == (False, [], 1)


async def test_a_session_that_can_start_is_told_where(site: Site) -> None:
    session_id = await wait(site, site.world.alice, "easy-1")
    told = await why(site, "easy-1")
    assert (told.session_id, told.starts, told.agent_ids) == (session_id, True, ["i-local"])
    assert (told.reasons, told.agents, told.changes) == ([], [], [])


async def test_a_group_without_an_open_agent_is_a_reason(site: Site) -> None:
    await wait(site, site.world.alice, "easy-1")
    await site.execute(update(agents).values(schedulable=False))
    told = await why(site, "easy-1")
    assert [one.kind for one in told.reasons] == ["no-agents"]
    assert [(one.agent, one.status.value, one.schedulable) for one in told.closed_agents] == [
        ("i-local", "ALIVE", False)
    ]


async def test_what_does_not_wait_or_is_not_seen_is_not_explained(site: Site) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_session(connection, site.world.alice, name="runs-1")
    action = ExplainPendingAction(session="runs-1")
    error = await site.refused(action, SessionDoesNotWait, site.world.alice)
    assert "RUNNING" in error.message
    await site.refused(action, SessionNotFound, site.world.bob)


async def test_nobody_asks_what_another_one_may_still_use(site: Site) -> None:
    request = CreateSessionAction(name="asked-1", image="python")
    of_bob = FitSessionAction(request=request, owner=site.world.bob.access_key)
    await site.refused(of_bob, InsufficientPrivilege, site.world.alice)
    assert (await site.run(of_bob, site.world.admin)).starts


async def test_what_would_fit_is_told_where_and_nothing_is_created(shaped_site: Site) -> None:
    told = await fit(shaped_site, resources={"cpu": "1"})
    assert (told.starts, told.agent_ids) == (True, ["i-local"])
    assert (told.refusals, told.queue_refusals) == ([], [])
    assert await shaped_site.count(select(sessions.c.id)) == 0


async def test_a_request_is_measured_against_the_limits_that_creating_has(site: Site) -> None:
    """Running and waiting sessions of every resource group count; the scheduler's own do not."""
    async with site.database.transaction() as connection:
        await seeds.seed_scaling_group(connection, "elsewhere")
        await seeds.seed_session(connection, site.world.alice, scaling_group="elsewhere")
    await site.execute(
        update(keypair_resource_policies).values(
            max_concurrent_sessions=1, total_resource_slots={"cpu": "1"}
        )
    )
    told = await fit(site, resources={"cpu": "1"})
    assert told.starts
    assert len(told.refusals) == 3  # the number of sessions, the key pair's and the user's slots
    assert told.queue_refusals == []


async def test_a_limit_on_waiting_holds_also_for_who_would_start_at_once(site: Site) -> None:
    await wait(site, site.world.alice, "first-1")
    await site.execute(update(keypair_resource_policies).values(max_pending_session_count=1))
    told = await fit(site)
    assert "queue-limit" in [one.kind for one in told.reasons]
    assert len(told.queue_refusals) == 1


async def test_what_no_agent_can_hold_even_when_empty_is_refused_or_waits(site: Site) -> None:
    told = await fit(site, resources={"cpu": "64"})
    assert "even when empty" in told.refusals[0]
    assert told.queue_refusals == []
    assert [one.kind for one in told.reasons] == ["agents"]
    with pytest.raises(InvalidSessionParameters):
        await fit(site, resources={"mem": "1m"})


def test_a_person_reads_what_to_do_and_findings_have_an_exit_code(ask: Ask) -> None:
    good = ask("alice", "session", "fits", "--image", "python", "-o", "table")
    assert (good.code, good.out.split("\n")[0].split(maxsplit=1)) == (
        0,
        ["Verdict", "would start in the next pass, on i-local"],
    )
    huge = ("-r", "cpu=64", "-r", "mem=512g", "-o", "table")
    bad = ask("alice", "session", "fits", "--image", "python", *huge)
    assert bad.code == 8
    assert "no available agents [waiting does not help]" in bad.out
    assert " left, 64 asked; mem: " in bad.out
    assert " left, 512g asked (could not even when empty)" in bad.out
    assert "Smallest change  ask for cpu=" in bad.out


async def test_asking_writes_nothing(site: Site) -> None:
    await wait(site, site.world.alice, "huge-1", HUGE)
    rows = select(sessions)
    before = await site.rows(rows)
    await why(site, "huge-1")
    assert await site.rows(rows) == before
