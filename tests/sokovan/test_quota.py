"""Which limit binds a request, with its numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bai_manager.sokovan.quota import (
    Counted,
    Level,
    LimitBreach,
    binding_limits,
    concurrency_breach,
    queueing_breaches,
)
from bai_manager.sokovan.snapshot import KeypairLimits, Limits, Occupancy, Owner
from bai_manager.sokovan.validators import VALIDATORS, Situation, refusals
from bai_manager.types.resource_slot import ResourceSlot
from tests.sokovan.world import GIB, NOW, PROJECT, USER, keypair_limits, session, slots

OWNER = Owner(access_key="AK", user_id=USER, group_id=PROJECT, domain_name="default")


def binding_limit(
    owner: Owner, requested: ResourceSlot, limits: Limits, occupancy: Occupancy
) -> LimitBreach | None:
    """The one that is told."""
    return next(iter(binding_limits(owner, requested, limits, occupancy)), None)


def test_nothing_binds_where_nothing_is_limited() -> None:
    assert binding_limit(OWNER, slots(9, 9), Limits(), Occupancy()) is None


@pytest.mark.parametrize(
    ("limits", "level", "name"),
    [
        (keypair_limits(resource_slots=slots(1)), Level.KEYPAIR, "AK"),
        (Limits(users={USER: slots(1)}), Level.USER, str(USER)),
        (Limits(groups={PROJECT: slots(1)}), Level.PROJECT, str(PROJECT)),
        (Limits(domains={"default": slots(1)}), Level.DOMAIN, "default"),
    ],
    ids=["keypair", "user", "project", "domain"],
)
def test_a_breach_names_the_level_that_binds(limits: Limits, level: Level, name: str) -> None:
    breach = binding_limit(OWNER, slots(2), limits, Occupancy())

    assert breach is not None
    assert (breach.level, breach.name) == (level, name)


def test_a_breach_has_the_numbers_of_every_slot_that_is_over() -> None:
    limits = keypair_limits(resource_slots=slots(8, 16))
    occupancy = Occupancy(keypairs={"AK": slots(7, 15)})
    breach = binding_limit(OWNER, slots(2, 4), limits, occupancy)

    assert breach is not None
    assert [(one.slot, one.limit, one.used, one.requested) for one in breach.slots] == [
        ("cpu", Decimal(8), Decimal(7), Decimal(2)),
        ("mem", Decimal(16 * GIB), Decimal(15 * GIB), Decimal(4 * GIB)),
    ]
    assert [one.excess for one in breach.slots] == [Decimal(1), Decimal(3 * GIB)]
    assert not breach.never_fits


def test_a_request_above_the_whole_limit_never_fits() -> None:
    limits = keypair_limits(resource_slots=slots(8))
    breach = binding_limit(OWNER, slots("8.001"), limits, Occupancy())

    assert breach is not None
    assert breach.never_fits
    assert str(breach) == "cpu: limit=8, current=0, requested=8.001"


def test_among_limits_in_use_the_nearest_binds() -> None:
    limits = Limits(
        keypairs={"AK": KeypairLimits(resource_slots=slots(4))}, domains={"default": slots(4)}
    )
    occupancy = Occupancy(keypairs={"AK": slots(4)}, domains={"default": slots(4)})
    breach = binding_limit(OWNER, slots(1), limits, occupancy)

    assert breach is not None
    assert breach.level is Level.KEYPAIR


def test_a_limit_that_can_never_hold_it_binds_before_one_in_use() -> None:
    limits = Limits(
        keypairs={"AK": KeypairLimits(resource_slots=slots(4))}, domains={"default": slots(2)}
    )
    breach = binding_limit(OWNER, slots(3), limits, Occupancy(keypairs={"AK": slots(4)}))

    assert breach is not None
    assert breach.level is Level.DOMAIN
    assert breach.never_fits


def test_what_is_no_number_keeps_no_limit() -> None:
    limits = Limits(domains={"default": slots(1)})
    assert binding_limit(OWNER, ResourceSlot({"cpu": Decimal("NaN")}), limits, Occupancy())


def test_concurrency_counts_private_sessions_apart() -> None:
    limits = keypair_limits(max_concurrent_sessions=2, max_concurrent_sftp_sessions=1)
    occupancy = Occupancy(session_counts={"AK": 1}, sftp_counts={"AK": 1})

    assert concurrency_breach("AK", limits, occupancy, private=False) is None
    breach = concurrency_breach("AK", limits, occupancy, private=True)
    assert breach is not None
    assert (breach.counted, breach.limit, breach.used) == (Counted.SFTP_SESSIONS, 1, 1)


@pytest.mark.parametrize(("others", "refused"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_session_may_join_a_queue_shorter_than_the_limit(others: int, *, refused: bool) -> None:
    limits = keypair_limits(max_pending_session_count=2)
    occupancy = Occupancy(pending_counts={"AK": others})

    assert bool(queueing_breaches(session(1), limits, occupancy)) is refused


@pytest.mark.parametrize(("asked", "refused"), [(1, False), (2, False), (3, True)])
def test_a_session_may_join_a_queue_that_asks_for_less_than_the_limit(
    asked: int, *, refused: bool
) -> None:
    limits = keypair_limits(max_pending_session_resource_slots=ResourceSlot({"cpu": 4}))
    occupancy = Occupancy(pending_slots={"AK": slots(2, 500)})

    assert bool(queueing_breaches(session(1, slots(asked, 500)), limits, occupancy)) is refused


def test_an_empty_limit_on_waiting_slots_is_none() -> None:
    limits = keypair_limits(max_pending_session_resource_slots=ResourceSlot())
    occupancy = Occupancy(pending_slots={"AK": slots(500)})

    assert not queueing_breaches(session(1), limits, occupancy)


@pytest.mark.parametrize(
    ("limits", "predicate"),
    [
        (keypair_limits(max_pending_session_count=3), "PendingSessionCountLimitValidator"),
        (
            keypair_limits(max_pending_session_resource_slots=slots(5)),
            "PendingSessionResourceLimitValidator",
        ),
    ],
    ids=["count", "slots"],
)
def test_the_pending_rules_are_real_where_they_are_shown_a_queue(
    limits: Limits, predicate: str
) -> None:
    queue = Occupancy(pending_counts={"AK": 3}, pending_slots={"AK": slots(6)})
    situation = Situation(now=NOW, limits=limits, occupancy=queue)

    assert [one.predicate for one in refusals(VALIDATORS, session(1), situation)] == [predicate]
