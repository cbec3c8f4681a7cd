"""What a cluster's etcd says about idle checks, and that it is read from a real one."""

from __future__ import annotations

import base64
import os
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from bai_manager.clients.cluster.etcd import EtcdClient
from bai_manager.clients.cluster.idle_rules import PREFIX, idle_rules_of
from bai_manager.sokovan.idle import IdleRules, Operator, UtilizationRules

ETCD_URL = os.environ.get("BAI_CLUSTER_ETCD_URL", "")
MINUTE = timedelta(minutes=1)
USE = {
    "enabled": "utilization",
    "checkers/utilization/time-window": "12h",
    "checkers/utilization/initial-grace-period": "5m",
}
CPU = "checkers/utilization/resource-thresholds/cpu_util/average"
GRACE = "checkers/user_grace_period/user_initial_grace_period"


def config(**keys: str) -> dict[str, str]:
    return {PREFIX + key: value for key, value in keys.items()}


def used(operator: Operator = Operator.AND, **thresholds: float) -> IdleRules:
    rules = UtilizationRules(
        window=720 * MINUTE,
        initial_grace=5 * MINUTE,
        thresholds=thresholds,
        operator=operator,
    )
    return IdleRules(utilization=rules)


@pytest.mark.parametrize(
    ("keys", "rules"),
    [
        pytest.param({}, IdleRules(), id="nothing is enabled"),
        pytest.param(
            {"checkers/network_timeout/threshold": "3m"}, IdleRules(), id="set, and not enabled"
        ),
        pytest.param(
            {"enabled": "network_timeout, other"},
            IdleRules(network_timeout=10 * MINUTE),
            id="the default of ten minutes",
        ),
        pytest.param(
            {"enabled": "network_timeout", "checkers/network_timeout/threshold": "90s"},
            IdleRules(network_timeout=1.5 * MINUTE),
            id="a threshold",
        ),
        pytest.param({**USE, CPU: "30"}, used(cpu_util=30), id="a mean"),
        pytest.param(
            {
                **USE,
                CPU: "null",
                "checkers/utilization/thresholds-check-operator": "or",
                "checkers/utilization/resource-thresholds/cuda_mem/average": "12.5",
                "checkers/utilization/resource-thresholds/cuda_mem/name": "cuda",
            },
            used(Operator.OR, cuda_mem=12.5),
            id="one that is ignored, and an operator",
        ),
        pytest.param({GRACE: "7d"}, IdleRules(user_grace=timedelta(days=7)), id="grace"),
        pytest.param({GRACE: ""}, IdleRules(), id="no grace"),
    ],
)
def test_what_etcd_says_is_a_rule(keys: dict[str, str], rules: IdleRules) -> None:
    assert idle_rules_of(config(**keys)) == rules


@pytest.mark.parametrize(
    ("keys", "unclear"),
    [
        pytest.param(
            {"enabled": "network_timeout", "checkers/network_timeout/threshold": "soon"},
            {"network_timeout"},
            id="no duration",
        ),
        pytest.param({"enabled": "utilization"}, {"utilization"}, id="no window"),
        pytest.param({**USE, CPU: "low"}, {"utilization"}, id="no number"),
        pytest.param({**USE, CPU: "nan"}, {"utilization"}, id="not finite"),
        pytest.param(
            {**USE, "checkers/utilization/thresholds-check-operator": "xor"},
            {"utilization"},
            id="no operator",
        ),
        pytest.param(
            {GRACE: "long"},
            {"session_lifetime", "network_timeout", "utilization"},
            id="a grace that is not known changes all",
        ),
    ],
)
def test_what_cannot_be_read_makes_no_rule(keys: dict[str, str], unclear: set[str]) -> None:
    rules = idle_rules_of(config(**keys))
    assert set(rules.unclear) == unclear
    assert all("config/idle/checkers/" in why for why in rules.unclear.values())


@pytest.mark.cluster
async def test_rules_are_read_from_an_etcd() -> None:
    namespace = f"idle-{uuid4().hex[:8]}"
    keys = {**USE, CPU: "30", GRACE: "1d"}
    async with httpx.AsyncClient(base_url=ETCD_URL) as server:
        try:
            for key, value in config(**keys).items():
                body = {"key": _b64(f"/sorna/{namespace}/{key}"), "value": _b64(value)}
                (await server.post("/v3/kv/put", json=body)).raise_for_status()
            found = await EtcdClient(ETCD_URL, namespace=namespace).get_prefix(PREFIX)
            none = await EtcdClient(ETCD_URL, namespace=f"{namespace}-2").get_prefix(PREFIX)
        finally:
            span = {"key": _b64(f"/sorna/{namespace}/"), "range_end": _b64(f"/sorna/{namespace}0")}
            await server.post("/v3/kv/deleterange", json=span)
    assert idle_rules_of(found).utilization == used(cpu_util=30).utilization
    assert idle_rules_of(found).user_grace == timedelta(days=1)
    assert idle_rules_of(none) == IdleRules()


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
