"""What functions are given and what they return (``reference/agent-rpc.md`` §5 to §7).

Readers take what an agent returned. They raise ``Unreadable`` when it has another shape, and
``RemoteFailure`` when it says inside of a result that something failed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID

from bai_manager.clients.agent.callosum.errors import RemoteFailure, Unreadable
from bai_manager.clients.agent.callosum.packing import to_json
from bai_manager.clients.agent.callosum.pickles import WireImage
from bai_manager.clients.agent.protocol import (
    AgentHealth,
    CommitStarted,
    Completions,
    ExecutionResult,
    ExecutionStatus,
    FileEntry,
    KernelCreationInfo,
)
from bai_manager.types.image_ref import ImageRef
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bai_manager.clients.agent.callosum.packing import Packable, WireScalar, WireValue
    from bai_manager.clients.agent.protocol import (
        ClusterInfo,
        ImageSpec,
        KernelCreationConfig,
        MountSpec,
    )
    from bai_manager.types.json import JsonObject

    Map = dict[WireScalar, WireValue]

_IDLE_TIMEOUT: Final = 600


def image_of(spec: ImageSpec) -> WireImage:
    """``ImageRef``: the canonical name taken apart."""
    ref = ImageRef.parse(
        spec.canonical,
        registries=[str(spec.registry.get("name"))],
        project=spec.project or None,
        architecture=spec.architecture,
    )
    project = ref.project or None
    return WireImage(ref.name, project, ref.tag, ref.registry, ref.architecture, spec.is_local)


def registry_of(spec: ImageSpec) -> Packable:
    missing: Mapping[str, Packable] = {"username": None, "password": None}
    return {**missing, **cast("Mapping[str, Packable]", spec.registry)}


def image_config(spec: ImageSpec) -> Packable:
    return {
        "canonical": spec.canonical,
        "project": spec.project,
        "architecture": spec.architecture,
        "digest": spec.digest,
        "repo_digest": None,
        "registry": registry_of(spec),
        "labels": {**spec.labels},
        "is_local": spec.is_local,
        "auto_pull": spec.auto_pull,
    }


def kernel_config(config: KernelCreationConfig, addr: str) -> Packable:
    return {
        "image": image_config(config.image),
        "auto_pull": config.image.auto_pull,
        "kernel_id": str(config.kernel_id),
        "session_id": str(config.session_id),
        "owner_user_id": str(config.owner_user_id),
        "owner_project_id": None,
        "network_id": str(config.session_id),
        "session_type": config.session_type,
        "cluster_mode": config.cluster_mode,
        "cluster_role": config.cluster_role,
        "cluster_idx": config.cluster_idx,
        "cluster_hostname": config.cluster_hostname,
        "local_rank": config.local_rank,
        "uid": config.uid,
        "main_gid": config.main_gid,
        "supplementary_gids": [*config.supplementary_gids],
        "resource_slots": cast("Packable", config.resource_slots.to_json()),
        "resource_opts": cast("Packable", config.resource_opts),
        "environ": {**config.environ},
        "mounts": [_mount(mount) for mount in config.mounts],
        "package_directory": [],
        "idle_timeout": _IDLE_TIMEOUT,
        "bootstrap_script": config.bootstrap_script,
        "startup_command": config.startup_command,
        "internal_data": cast("Packable", config.internal_data),
        "preopen_ports": [*config.preopen_ports],
        "allocated_host_ports": [],
        "agent_addr": config.agent_addr or addr,
        "scaling_group": config.scaling_group,
        "endpoint_id": None,
    }


def cluster_info(cluster: ClusterInfo) -> Packable:
    return {
        "mode": cluster.mode,
        "size": cluster.size,
        "replicas": {**cluster.replicas},
        "network_config": cast("Packable", cluster.network_config),
        "ssh_keypair": cast("Packable", cluster.ssh_keypair),
        "cluster_ssh_port_mapping": None,
    }


def _mount(mount: MountSpec) -> Packable:
    return {
        "name": mount.name,
        "vfid": mount.vfid,
        "vfsubpath": mount.vfsubpath,
        "host_path": mount.host_path,
        "kernel_path": mount.kernel_path,
        "mount_perm": mount.mount_perm,
        "usage_mode": mount.usage_mode,
    }


def nothing(value: WireValue) -> None:
    """Take whatever comes from a function whose result says nothing."""


def truth(value: WireValue) -> bool:
    if not isinstance(value, bool):
        raise Unreadable(f"{type(value).__name__} where yes or no belongs")
    return value


def content(value: WireValue) -> bytes:
    if not isinstance(value, bytes):
        raise Unreadable(f"{type(value).__name__} where bytes belong")
    return value


def json_object(value: WireValue) -> JsonObject:
    found = to_json(_map(value))
    return found if isinstance(found, dict) else {}


def health(value: WireValue) -> AgentHealth:
    found = _map(value)
    return AgentHealth(status=_text(found, "status"), version=_text(found, "version"))


def log_text(value: WireValue) -> str:
    return _text(_map(value), "logs")


def commit_status(value: WireValue) -> str:
    return _text(_map(value), "status")


def commit_started(value: WireValue) -> CommitStarted:
    found = _map(value)
    return CommitStarted(task_id=_text(found, "bgtask_id"), path=_maybe_text(found, "path"))


def task_id(value: WireValue) -> str:
    return _text(_map(value), "bgtask_id")


def purged_images(value: WireValue) -> dict[str, str | None]:
    """Image → why it was not purged."""
    return {
        _text(found, "image"): _maybe_text(found, "error")
        for found in map(_map, _items(_map(value), "responses"))
    }


def completions(value: WireValue) -> Completions:
    result = _map(_map(value).get("result"))
    return Completions(
        status=_text(result, "status"),
        suggestions=[str(name) for name in _items(result, "suggestions")],
        error=_maybe_text(result, "error"),
    )


def turn(value: WireValue, run_id: str) -> ExecutionResult:
    found = _map(value)
    status = _text(found, "status")
    try:
        reached = ExecutionStatus(status)
    except ValueError:
        raise RemoteFailure("ExecutionRefused", f"the execution is {status!r}") from None
    options, files = to_json(found.get("options")), to_json(found.get("files"))
    return ExecutionResult(
        run_id=_maybe_text(found, "runId") or run_id,
        status=reached,
        exit_code=_maybe_integer(found, "exitCode"),
        console=[_console_part(part) for part in _items(found, "console")],
        options=options if isinstance(options, dict) else {},
        files=files if isinstance(files, list) else [],
    )


def service(value: WireValue) -> JsonObject:
    found = {} if value is None else json_object(value)
    if found.get("status") != "started":
        why = found.get("error") or "the agent does not say that it started"
        raise RemoteFailure("ServiceNotStarted", str(why))
    return found


def file_entries(value: WireValue) -> list[FileEntry]:
    """``files`` is JSON text; when listing failed it is empty and ``errors`` says why."""
    found = _map(value)
    text, errors = _text(found, "files"), _maybe_text(found, "errors")
    if not text.strip():
        if errors:
            raise RemoteFailure("FilesNotListed", errors.strip().rpartition("\n")[2])
        return []
    try:
        entries = json.loads(text)
        return [
            FileEntry(
                filename=str(entry["filename"]),
                size=int(entry["size"]),
                mode=str(entry["mode"]),
                mtime=datetime.fromtimestamp(entry["mtime"], UTC),
            )
            for entry in entries
        ]
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError) as error:
        raise Unreadable(f"no list of files: {type(error).__name__}") from None


def created(value: WireValue, wanted: Sequence[UUID]) -> list[KernelCreationInfo]:
    """In the order that was asked for."""
    if not isinstance(value, tuple):
        raise Unreadable("no list of kernels")
    found = {info.kernel_id: info for info in map(_creation_info, value)}
    if missing := [kernel_id for kernel_id in wanted if kernel_id not in found]:
        raise Unreadable(f"nothing about kernel {missing[0]}")
    return [found[kernel_id] for kernel_id in wanted]


def restarted(value: WireValue, before: KernelCreationInfo) -> KernelCreationInfo:
    """A restart changes container and ports; the agent tells no more."""
    found = _map(value)
    return replace(
        before,
        container_id=_text(found, "container_id"),
        repl_in_port=_integer(found, "repl_in_port"),
        repl_out_port=_integer(found, "repl_out_port"),
        stdin_port=_integer(found, "stdin_port"),
        stdout_port=_integer(found, "stdout_port"),
        service_ports=[to_json(port) for port in _items(found, "service_ports")],
    )


def _creation_info(value: WireValue) -> KernelCreationInfo:
    found = _map(value)
    return KernelCreationInfo(
        kernel_id=_uuid(found, "id"),
        kernel_host=_text(found, "kernel_host"),
        container_id=_text(found, "container_id"),
        repl_in_port=_integer(found, "repl_in_port"),
        repl_out_port=_integer(found, "repl_out_port"),
        stdin_port=_integer(found, "stdin_port"),
        stdout_port=_integer(found, "stdout_port"),
        service_ports=[to_json(port) for port in _items(found, "service_ports")],
        attached_devices=json_object(found.get("attached_devices")),
        occupied_slots=_occupied(_map(found.get("resource_spec"))),
    )


def _occupied(spec: Map) -> ResourceSlot:
    """Sum up what was allocated: device → slot → device id → amount."""
    return ResourceSlot.total(
        {str(slot): _amount(amount)}
        for device in _map(spec.get("allocations")).values()
        for slot, shares in _map(device).items()
        for amount in _map(shares).values()
    )


def _amount(value: WireValue) -> Decimal:
    if isinstance(value, Decimal | int):
        return Decimal(value)
    raise Unreadable(f"{type(value).__name__} where an amount belongs")


def _console_part(value: WireValue) -> tuple[str, str]:
    """Return kind and text; what is no text, as media are, becomes JSON text."""
    match value:
        case [str(kind), str(text)]:
            return kind, text
        case [str(kind), part]:
            return kind, json.dumps(to_json(part))
    raise Unreadable("no part of a console")


def _map(value: WireValue) -> Map:
    if not isinstance(value, dict):
        raise Unreadable(f"{type(value).__name__} where a map belongs")
    return value


def _items(found: Map, name: str) -> tuple[WireValue, ...]:
    match found.get(name):
        case None:
            return ()
        case tuple() as items:
            return items
    raise Unreadable(f"{name} is no list")


def _text(found: Map, name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise Unreadable(f"{name} is no text")
    return value


def _maybe_text(found: Map, name: str) -> str | None:
    return None if found.get(name) is None else _text(found, name)


def _integer(found: Map, name: str) -> int:
    value = found.get(name)
    if not isinstance(value, int):
        raise Unreadable(f"{name} is no number")
    return value


def _maybe_integer(found: Map, name: str) -> int | None:
    return None if found.get(name) is None else _integer(found, name)


def _uuid(found: Map, name: str) -> UUID:
    value = found.get(name)
    try:
        return value if isinstance(value, UUID) else UUID(_text(found, name))
    except ValueError:
        raise Unreadable(f"{name} is no id") from None
