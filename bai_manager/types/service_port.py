"""Ports on which a session serves applications (``reference/value-types.md`` §11)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.types.choice import Choice
from bai_manager.types.errors import InvalidServicePorts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Self

    from bai_manager.types.json import JsonObject, JsonValue

RESERVED_PREOPEN_PORTS: Final = frozenset({2000, 2001, 2200, 7681})
RESERVED_SERVICE_PORTS: Final = frozenset({2000, 2001, 2002, 2003, 2200, 7681})

_EXAMPLE: Final = "jupyter:http:8080,tensorboard:http:[6006,6007]"
_STORED_EXAMPLE: Final = '{"name": "jupyter", "protocol": "http", "container_ports": [8080]}'
_PREOPEN_EXAMPLE: Final = "8000,9000"
_ITEM: Final = re.compile(
    r"\s*(?P<name>[\w-]+):(?P<protocol>\w+):(?:(?P<port>\d{1,9})|\[(?P<ports>[\d,\s]+)\])\s*"
    r"(?P<end>,|\Z)",
    re.ASCII,
)
_PORTS: Final = range(1025, 65535)
_SKIPPED_PROTOCOL: Final = "pty"


class ServiceProtocol(Choice):
    HTTP = "http"
    TCP = "tcp"
    PREOPEN = "preopen"
    INTERNAL = "internal"


_IMAGE_PROTOCOLS: Final = frozenset(ServiceProtocol) - {ServiceProtocol.INTERNAL}


@dataclass(frozen=True, kw_only=True, slots=True)
class ServicePort:
    """One service; ``host_ports`` are as many as ``container_ports``, ``None`` until mapped."""

    name: str
    protocol: ServiceProtocol
    container_ports: tuple[int, ...]
    host_ports: tuple[int | None, ...]
    is_inference: bool = False

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Read one element of ``kernels.service_ports``, of old rows too (``host_port``).

        Raises ``InvalidServicePorts``.
        """
        if not isinstance(value, dict):
            raise InvalidServicePorts(value, "an object is needed", example=_STORED_EXAMPLE)
        container = _numbers(value.get("container_ports"))
        stored = value["host_ports"] if "host_ports" in value else [value.get("host_port")]
        host = _numbers(stored)
        if not container or None in container:
            raise InvalidServicePorts(value, "it has no ports", example=_STORED_EXAMPLE)
        missing: tuple[int | None, ...] = (None,) * (len(container) - len(host))
        return cls(
            name=str(value.get("name")),
            protocol=ServiceProtocol.parse(str(value.get("protocol"))),
            container_ports=tuple(port for port in container if port is not None),
            host_ports=(*host, *missing),
            is_inference=value.get("is_inference") is True,
        )

    @classmethod
    def json_schema(cls) -> JsonObject:
        ports: JsonObject = {"type": "array", "items": {"type": "integer"}}
        return {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "protocol": {"type": "string"},
                "container_ports": ports,
                "host_ports": {"type": "array", "items": {"type": ["integer", "null"]}},
                "is_inference": {"type": "boolean"},
            },
            "required": ["name", "protocol", "container_ports", "host_ports", "is_inference"],
        }

    def to_json(self) -> JsonObject:
        return {
            "name": self.name,
            "protocol": self.protocol.value,
            "container_ports": [*self.container_ports],
            "host_ports": [*self.host_ports],
            "is_inference": self.is_inference,
        }


def parse_service_ports(
    label: str, endpoint_ports: Collection[str] = ()
) -> tuple[ServicePort, ...]:
    """Read the label ``ai.backend.service-ports``; ``pty`` entries are skipped.

    ``endpoint_ports`` names the services that answer inference requests. Every port occurs once
    and is between 1025 and 65534, outside the reserved ones. Raises ``InvalidServicePorts``.
    """
    services: list[ServicePort] = []
    taken: set[int] = set()
    for name, protocol, ports in _items(label):
        if protocol == _SKIPPED_PROTOCOL:
            continue
        if protocol not in _IMAGE_PROTOCOLS:
            raise InvalidServicePorts(
                label, f"the protocol of {name} is none of http, tcp, preopen", example=_EXAMPLE
            )
        for port in ports:
            _check_port(label, port, RESERVED_SERVICE_PORTS, taken, _EXAMPLE)
            taken.add(port)
        services.append(
            ServicePort(
                name=name,
                protocol=ServiceProtocol(protocol),
                container_ports=tuple(ports),
                host_ports=(None,) * len(ports),
                is_inference=name in endpoint_ports,
            )
        )
    return tuple(services)


def check_preopen_ports(
    ports: Iterable[int], services: Iterable[ServicePort] = ()
) -> tuple[int, ...]:
    """Accept ports to open beside those of the image. Raises ``InvalidServicePorts``."""
    taken = {port for service in services for port in service.container_ports}
    checked: list[int] = []
    for port in ports:
        _check_port(port, port, RESERVED_PREOPEN_PORTS, taken, _PREOPEN_EXAMPLE)
        taken.add(port)
        checked.append(port)
    return tuple(checked)


def _items(label: str) -> Iterable[tuple[str, str, list[int]]]:
    position = 0
    while position < len(label):
        matched = _ITEM.match(label, position)
        if matched is None:
            raise InvalidServicePorts(
                label, f"{label[position:]!r} is not NAME:PROTOCOL:PORT", example=_EXAMPLE
            )
        numbers = (matched["port"] or matched["ports"]).split(",")
        if not all(number.strip().isdigit() for number in numbers):
            raise InvalidServicePorts(
                label, f"{matched['ports']!r} is no list of ports", example=_EXAMPLE
            )
        yield matched["name"], matched["protocol"].lower(), [int(number) for number in numbers]
        position = matched.end()


def _check_port(
    given: object, port: int, reserved: Collection[int], taken: Collection[int], example: str
) -> None:
    if port not in _PORTS:
        why = f"the port {port} is outside {_PORTS.start} to {_PORTS.stop - 1}"
    elif port in reserved:
        why = f"the port {port} is reserved"
    elif port in taken:
        why = f"the port {port} is taken already"
    else:
        return
    raise InvalidServicePorts(given, why, example=example)


def _numbers(value: JsonValue) -> tuple[int | None, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(number if isinstance(number, int) else None for number in value)
