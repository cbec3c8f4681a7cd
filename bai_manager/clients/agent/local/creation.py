"""From what the manager asks for to what the supervisor is told."""

from __future__ import annotations

import math
import posixpath
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bai_manager.clients.agent.local.limits import choose_cpus
from bai_manager.clients.agent.local.process import KERNEL_ID_VARIABLE
from bai_manager.clients.agent.local.spec import (
    HOME,
    KernelSpec,
    Mount,
    parse_service_commands,
    parse_service_paths,
    parse_service_ports,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bai_manager.clients.agent.local.spec import Hook
    from bai_manager.clients.agent.protocol import KernelCreationConfig, MountSpec
    from bai_manager.types.json import JsonValue
    from bai_manager.types.resource_slot import ResourceSlot

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

SUPERVISOR_VARIABLES = frozenset(
    {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"}
    | {"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"}
)
"""What the supervisor, and with it the hook, keeps of the caller's environment."""


class Dotfile(NamedTuple):
    target: str
    mode: int
    text: str


class CannotCreate(Exception):
    """The kernel cannot be created as asked for; ``name`` tells the kind."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


def make_spec(
    config: KernelCreationConfig,
    *,
    work: str,
    taken_cpus: Iterable[Sequence[int]],
    log_limit: int,
    stop_grace: float,
    hook: Hook | None,
) -> KernelSpec:
    """Raise ``CannotCreate`` when a mount or variable is impossible."""
    mounts, notes = make_mounts(config.mounts)
    slots = config.resource_slots
    return KernelSpec(
        kernel_id=str(config.kernel_id),
        session_id=str(config.session_id),
        environ=make_environ(config, work),
        slots={name: str(amount) for name, amount in slots.to_json().items()},
        cpus=choose_cpus(float(slots["cpu"]), taken_cpus) if "cpu" in slots else (),
        memory=_memory(slots),
        mounts=mounts,
        notes=notes,
        has_bootstrap=bool(config.bootstrap_script),
        service_ports=parse_service_ports(config.image.labels),
        service_commands=parse_service_commands(config.image.labels),
        service_paths=parse_service_paths(config.image.labels),
        log_limit=log_limit,
        stop_grace=stop_grace,
        on_kernel_end=hook,
    )


def make_environ(config: KernelCreationConfig, work: str) -> dict[str, str]:
    """Begin from a clean environment: nothing of the caller's, only what the session asks for."""
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{_SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "SHELL": "/bin/bash",
        "USER": "work",
        "LOGNAME": "work",
        **config.environ,
        "HOME": work,
        KERNEL_ID_VARIABLE: str(config.kernel_id),
    }
    for name, value in environ.items():
        if not name or "=" in name or "\0" in name + value:
            raise CannotCreate("InvalidEnvironment", f"{name!r} is no environment variable")
    return environ


def supervisor_environ(own: Mapping[str, str], kernel_id: str) -> dict[str, str]:
    """Environment of the supervising processes; the package itself is found by PYTHONPATH."""
    environ = {name: own[name] for name in SUPERVISOR_VARIABLES if name in own}
    package_root = str(Path(__file__).parents[4])
    environ["PYTHONPATH"] = ":".join(filter(None, (package_root, own.get("PYTHONPATH"))))
    environ[KERNEL_ID_VARIABLE] = kernel_id
    return environ


def make_mounts(given: Sequence[MountSpec]) -> tuple[tuple[Mount, ...], tuple[str, ...]]:
    """Targets below the work folder; a note for each folder that can have none."""
    mounts: list[Mount] = []
    notes: list[str] = []
    for spec in given:
        target = target_in_home(spec.kernel_path)
        if target is None:
            notes.append(f"Folder {spec.name} is not mounted: {spec.kernel_path} is not in {HOME}.")
        elif not Path(spec.host_path).is_dir():
            raise CannotCreate(
                "MountFailed", f"folder {spec.name} is not there: {spec.host_path} is no folder"
            )
        else:
            read_only = spec.mount_perm == "ro"
            mounts.append(Mount(target=target, host_path=spec.host_path, read_only=read_only))
    refuse_overlaps([mount.target for mount in mounts])
    return tuple(mounts), tuple(notes)


def refuse_overlaps(targets: Sequence[str]) -> None:
    for target in targets:
        for other in targets:
            if f"{other}/".startswith(f"{target}/") and other is not target:
                raise CannotCreate("MountFailed", f"mounts overlap: {target} and {other}")


def make_dotfiles(config: KernelCreationConfig) -> list[Dotfile]:
    """Read ``internal_data["dotfiles"]`` (``reference/value-types.md`` §12.1)."""
    given = config.internal_data.get("dotfiles")
    return [_dotfile(item) for item in given] if isinstance(given, list) else []


def _dotfile(value: JsonValue) -> Dotfile:
    match value:
        case {"path": str(path), "perm": str(mode), "data": str(text)}:
            target = target_in_home(path)
            if target is not None:
                return Dotfile(target, int(mode, 8) & 0o777, text)
    raise CannotCreate("InvalidDotfile", f"{value!r} is no dotfile in {HOME}")


def target_in_home(path: str) -> str | None:
    """Path relative to the session's home; None when it is not below it."""
    if "\0" in path:
        return None
    path = posixpath.normpath(posixpath.join(HOME, path))
    return path.removeprefix(f"{HOME}/") if path.startswith(f"{HOME}/") else None


def _memory(slots: ResourceSlot) -> int | None:
    amount = slots.get("mem")
    return int(amount) if amount and not math.isinf(amount) else None
