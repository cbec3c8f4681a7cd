"""What a supervisor is told about its kernel: the content of ``spec.json``."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.types.json import JsonObject, JsonValue

HOME = "/home/work"
"""The home folder of a session as image authors and mount options write it."""

SERVICE_PORTS_LABEL = "ai.backend.service-ports"
ENDPOINT_PORTS_LABEL = "ai.backend.endpoint-ports"
SERVICE_COMMAND_LABEL = "ai.backend.local.service."
SERVICE_PATH_LABEL = "ai.backend.local.service-path."

_SERVICE_PORT = re.compile(
    r"(?P<name>[\w-]+):(?P<protocol>\w+):(?:\[(?P<many>[\d,]+)\]|(?P<one>\d+))"
)
_PROTOCOLS = frozenset({"http", "tcp", "preopen"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """One virtual folder; ``target`` is relative to the work folder."""

    target: str
    host_path: str
    read_only: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Hook:
    """The program to run when a kernel or its batch command ends by itself."""

    argv: tuple[str, ...]
    environ: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelSpec:
    kernel_id: str
    session_id: str
    environ: dict[str, str]
    slots: dict[str, str]
    cpus: tuple[int, ...]
    memory: int | None
    mounts: tuple[Mount, ...] = ()
    notes: tuple[str, ...] = ()
    """Lines to begin the log with."""
    has_bootstrap: bool = False
    service_ports: list[JsonValue] = field(default_factory=list)
    service_commands: dict[str, str] = field(default_factory=dict)
    service_paths: dict[str, str] = field(default_factory=dict)
    log_limit: int = 10 * 2**20
    stop_grace: float = 2.0
    on_kernel_end: Hook | None = None

    @property
    def limits(self) -> Limits:
        return Limits(self.cpus, self.memory)

    def to_json(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JsonObject) -> KernelSpec:
        """Read what ``to_json`` wrote; anything else raises KeyError, TypeError or ValueError."""
        hook = value["on_kernel_end"]
        return cls(
            kernel_id=str(value["kernel_id"]),
            session_id=str(value["session_id"]),
            environ=texts(value["environ"]),
            slots=texts(value["slots"]),
            cpus=integers(value["cpus"]),
            memory=None if value["memory"] is None else integer(value["memory"]),
            mounts=tuple(_mount(item) for item in listed(value["mounts"])),
            notes=tuple(str(note) for note in listed(value["notes"])),
            has_bootstrap=value["has_bootstrap"] is True,
            service_ports=listed(value["service_ports"]),
            service_commands=texts(value["service_commands"]),
            service_paths=texts(value.get("service_paths", {})),
            log_limit=integer(value["log_limit"]),
            stop_grace=number(value["stop_grace"]),
            on_kernel_end=None if hook is None else _hook(hook),
        )


def _mount(value: JsonValue) -> Mount:
    given = mapping(value)
    return Mount(
        target=str(given["target"]),
        host_path=str(given["host_path"]),
        read_only=given["read_only"] is True,
    )


def _hook(value: JsonValue) -> Hook:
    given = mapping(value)
    argv = tuple(str(word) for word in listed(given["argv"]))
    return Hook(argv=argv, environ=texts(given["environ"]))


def parse_service_ports(labels: Mapping[str, str]) -> list[JsonValue]:
    """Read the image's service ports (``reference/value-types.md`` §11).

    Kernels have no network of their own. A pre-open port is opened by the user's program, on
    that very port; the others get a free port when the service is started, so their host port
    is not known yet.
    """
    endpoints = {name.strip() for name in labels.get(ENDPOINT_PORTS_LABEL, "").split(",")}
    found: list[JsonValue] = []
    for match in _SERVICE_PORT.finditer(labels.get(SERVICE_PORTS_LABEL, "")):
        if match["protocol"] not in _PROTOCOLS:
            continue
        ports: list[JsonValue] = [int(port) for port in (match["many"] or match["one"]).split(",")]
        preopen = match["protocol"] == "preopen"
        found.append(
            {
                "name": match["name"],
                "protocol": match["protocol"],
                "container_ports": ports,
                "host_ports": list(ports) if preopen else [None] * len(ports),
                "is_inference": match["name"] in endpoints,
            }
        )
    return found


def parse_service_commands(labels: Mapping[str, str]) -> dict[str, str]:
    """Read the labels ``ai.backend.local.service.<name>``: command lines with ``{port}``."""
    return _labelled(labels, SERVICE_COMMAND_LABEL)


def parse_service_paths(labels: Mapping[str, str]) -> dict[str, str]:
    """Read the labels ``ai.backend.local.service-path.<name>``: where a browser begins.

    Such a path has ``{token}`` in it when the service keeps out whoever does not know it.
    """
    return _labelled(labels, SERVICE_PATH_LABEL)


def _labelled(labels: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {
        label.removeprefix(prefix): text
        for label, text in labels.items()
        if label.startswith(prefix)
    }


def mapping(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError(f"an object is needed, not {value!r}")
    return value


def listed(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise TypeError(f"a list is needed, not {value!r}")
    return value


def texts(value: JsonValue) -> dict[str, str]:
    return {name: str(text) for name, text in mapping(value).items()}


def number(value: JsonValue) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"a number is needed, not {value!r}")
    return float(value)


def integer(value: JsonValue) -> int:
    return int(number(value))


def integers(value: JsonValue) -> tuple[int, ...]:
    return tuple(integer(item) for item in listed(value))
