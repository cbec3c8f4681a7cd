from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bai_manager.types.errors import InvalidSchedulerOptions
from bai_manager.types.scaling_group_options import AgentSelectionStrategy, ScalingGroupOptions
from bai_manager.types.status import RouteStatus, SessionType

if TYPE_CHECKING:
    from bai_manager.types.json import JsonValue

WRITTEN: JsonValue = {
    "allowed_session_types": ["interactive", "batch", "inference"],
    "pending_timeout": 0,
    "config": {},
    "agent_selection_strategy": "dispersed",
    "agent_selector_config": {},
    "enforce_spreading_endpoint_replica": False,
    "allow_fractional_resource_fragmentation": True,
    "route_cleanup_target_statuses": ["unhealthy"],
}


def test_a_new_group_allows_all_but_system_sessions() -> None:
    assert ScalingGroupOptions().to_json() == WRITTEN


def test_without_the_key_inference_is_not_allowed() -> None:
    options = ScalingGroupOptions.from_json({})
    assert options.allowed_session_types == (SessionType.INTERACTIVE, SessionType.BATCH)
    assert options.to_json() == {
        **ScalingGroupOptions().to_json(),
        "allowed_session_types": ["interactive", "batch"],
    }


def test_options_survive_their_json() -> None:
    assert ScalingGroupOptions.from_json(WRITTEN) == ScalingGroupOptions()


def test_unknown_keys_are_written_back() -> None:
    options = ScalingGroupOptions.from_json({"fair_share": {"weight": 2}, "pending_timeout": 1.5})
    assert options.pending_timeout == timedelta(seconds=1.5)
    assert options.unknown == {"fair_share": {"weight": 2}}
    assert options.to_json()["fair_share"] == {"weight": 2}
    assert options.to_json()["pending_timeout"] == 1.5


def test_routes_may_be_cleaned_up_when_degraded() -> None:
    options = ScalingGroupOptions.from_json({"route_cleanup_target_statuses": ["DEGRADED"]})
    assert options.route_cleanup_target_statuses == (RouteStatus.DEGRADED,)


@pytest.mark.parametrize(
    ("config", "strategy"),
    [
        ({}, AgentSelectionStrategy.CONCENTRATED),
        ({"agent_selection_strategy": "roundrobin"}, AgentSelectionStrategy.ROUNDROBIN),
        ({"agent_selection_strategy": "unheard-of"}, AgentSelectionStrategy.CONCENTRATED),
        ({"agent_selection_strategy": None}, AgentSelectionStrategy.CONCENTRATED),
    ],
)
def test_the_scheduler_reads_the_strategy_inside_config(
    config: dict[str, JsonValue], strategy: AgentSelectionStrategy
) -> None:
    options = ScalingGroupOptions(
        config=config, agent_selection_strategy=AgentSelectionStrategy.LEGACY
    )
    assert options.effective_strategy is strategy


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "object"),
        ([], "object"),
        ({"allowed_session_types": []}, "empty"),
        ({"allowed_session_types": "batch"}, "no list"),
        ({"allowed_session_types": ["batsh"]}, "session type"),
        ({"pending_timeout": -1}, "seconds"),
        ({"pending_timeout": "5m"}, "seconds"),
        ({"pending_timeout": True}, "seconds"),
        ({"pending_timeout": 1e400}, "seconds"),
        ({"config": []}, "no object"),
        ({"agent_selection_strategy": "best"}, "agent selection strategy"),
        ({"enforce_spreading_endpoint_replica": "yes"}, "neither true nor false"),
        ({"route_cleanup_target_statuses": ["terminated"]}, "unhealthy"),
    ],
)
def test_options_that_make_no_sense_are_refused_saying_why(value: JsonValue, why: str) -> None:
    with pytest.raises(InvalidSchedulerOptions, match=why):
        ScalingGroupOptions.from_json(value)
