"""A kind of session in one text."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from bai_manager.types.errors import InvalidResourceSlot
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, SessionType
from bai_manager.types.wanted_session import EXAMPLE, InvalidSessionSpec, WantedSession

if TYPE_CHECKING:
    from bai_manager.errors import BackendAIError


def test_slots_and_kind_are_read_in_any_order() -> None:
    found = WantedSession.parse("type=batch, mem=4g,cluster-size=2,cpu=2,cluster-mode=multi-node")
    assert found == WantedSession(
        resources=ResourceSlot({"cpu": 2, "mem": 4 << 30}),
        session_type=SessionType.BATCH,
        cluster_size=2,
        cluster_mode=ClusterMode.MULTI_NODE,
    )


def test_what_is_not_said_is_what_a_session_has_by_default() -> None:
    found = WantedSession.parse("cuda.device=0.5")
    assert (found.session_type, found.cluster_size) == (SessionType.INTERACTIVE, 1)
    assert found.resources["cuda.device"] == Decimal("0.5")


def test_all_kernels_together_take_a_multiple() -> None:
    assert WantedSession.parse("cpu=0.5,mem=1g,cluster-size=3").requested == ResourceSlot(
        {"cpu": "1.5", "mem": 3 << 30}
    )


def test_the_example_can_be_read() -> None:
    assert WantedSession.parse(EXAMPLE).cluster_size == 2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", InvalidSessionSpec),
        ("type=batch", InvalidSessionSpec),
        ("cpu=0", InvalidSessionSpec),
        ("cpu=1,cluster-size=0", InvalidSessionSpec),
        ("cpu=1,cluster-size=10001", InvalidSessionSpec),
        ("cpu=1,cluster-size=two", InvalidSessionSpec),
        ("cpu=1,cluster-size=²", InvalidSessionSpec),
        ("cpu=1,cpu=2", InvalidResourceSlot),
        ("cpu=-1", InvalidResourceSlot),
        ("cpu", InvalidResourceSlot),
    ],
)
def test_what_is_no_kind_of_session_is_refused(text: str, error: type[BackendAIError]) -> None:
    with pytest.raises(error):
        WantedSession.parse(text)
