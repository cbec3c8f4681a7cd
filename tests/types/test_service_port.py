from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types.errors import InvalidServicePorts
from bai_manager.types.service_port import (
    RESERVED_SERVICE_PORTS,
    ServicePort,
    ServiceProtocol,
    check_preopen_ports,
    parse_service_ports,
)

if TYPE_CHECKING:
    from bai_manager.types.json import JsonValue

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JUPYTER = ServicePort(
    name="jupyter",
    protocol=ServiceProtocol.HTTP,
    container_ports=(8080,),
    host_ports=(None,),
)


def test_a_label_is_a_list_of_services() -> None:
    parsed = parse_service_ports(
        "jupyter:http:8080, ssh:pty:22,tensorboard:tcp:[6006, 6007],infer:preopen:8000",
        endpoint_ports=["infer"],
    )
    assert parsed == (
        JUPYTER,
        ServicePort(
            name="tensorboard",
            protocol=ServiceProtocol.TCP,
            container_ports=(6006, 6007),
            host_ports=(None, None),
        ),
        ServicePort(
            name="infer",
            protocol=ServiceProtocol.PREOPEN,
            container_ports=(8000,),
            host_ports=(None,),
            is_inference=True,
        ),
    )


def test_an_empty_label_has_no_services() -> None:
    assert parse_service_ports("") == ()


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("jupyter", "NAME:PROTOCOL:PORT"),
        ("jupyter:http", "NAME:PROTOCOL:PORT"),
        ("jupyter:http:80x", "NAME:PROTOCOL:PORT"),
        ("ju pyter:http:8080", "NAME:PROTOCOL:PORT"),
        ("a:http:8080 b:http:8081", "NAME:PROTOCOL:PORT"),
        ("a:http:[8080,,8081]", "no list of ports"),
        ("a:http:[ ]", "no list of ports"),
        ("a:udp:8080", "none of http"),
        ("a:internal:8080", "none of http"),
        ("a:http:1024", "outside 1025 to 65534"),
        ("a:http:65535", "outside 1025 to 65534"),
        ("a:http:2003", "reserved"),
        ("a:http:[8080,8080]", "taken"),
        ("a:http:8080,b:tcp:8080", "taken"),
    ],
)
def test_a_label_that_breaks_a_rule_is_refused_saying_which(label: str, why: str) -> None:
    with pytest.raises(InvalidServicePorts, match=why) as caught:
        parse_service_ports(label)
    assert "jupyter:http:8080" in (caught.value.hint or "")


def test_old_rows_have_one_host_port() -> None:
    stored: JsonValue = {
        "name": "jupyter",
        "protocol": "http",
        "container_ports": [8080],
        "host_port": 30001,
    }
    assert ServicePort.from_json(stored).host_ports == (30001,)


def test_missing_host_ports_are_not_mapped_yet() -> None:
    stored: JsonValue = {
        "name": "a",
        "protocol": "tcp",
        "container_ports": [1, 2],
        "host_ports": [],
    }
    assert ServicePort.from_json(stored).host_ports == (None, None)


@pytest.mark.parametrize(
    "value", [None, [], {}, {"container_ports": "x"}, {"container_ports": [""]}]
)
def test_json_without_ports_is_refused(value: JsonValue) -> None:
    with pytest.raises(InvalidServicePorts):
        ServicePort.from_json(value)


ports = st.integers(1025, 65534).filter(lambda port: port not in RESERVED_SERVICE_PORTS)


@given(
    st.builds(
        lambda name, protocol, numbers, is_inference: ServicePort(
            name=name,
            protocol=protocol,
            container_ports=tuple(numbers),
            host_ports=(None,) * len(numbers),
            is_inference=is_inference,
        ),
        st.from_regex(r"\A[\w-]{1,8}\Z"),
        st.sampled_from(ServiceProtocol),
        st.lists(ports, min_size=1, max_size=3, unique=True),
        st.booleans(),
    )
)
@quick
def test_a_service_survives_its_json(service: ServicePort) -> None:
    assert ServicePort.from_json(service.to_json()) == service


def test_preopen_ports_keep_clear_of_the_image() -> None:
    assert check_preopen_ports([9000, 2002], [JUPYTER]) == (9000, 2002)


@pytest.mark.parametrize(
    ("port", "why"), [(8080, "taken"), (2200, "reserved"), (80, "outside"), (70000, "outside")]
)
def test_a_preopen_port_that_cannot_be_opened_is_refused(port: int, why: str) -> None:
    with pytest.raises(InvalidServicePorts, match=why):
        check_preopen_ports([port], [JUPYTER])
