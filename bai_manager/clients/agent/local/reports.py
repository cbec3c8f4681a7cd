"""From what is in a kernel's folder to what the protocol tells of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from bai_manager.clients.agent.local import state
from bai_manager.clients.agent.protocol import (
    ExecutionResult,
    ExecutionStatus,
    KernelCreationInfo,
    KernelReport,
    KernelStat,
    KernelState,
)

if TYPE_CHECKING:
    from bai_manager.clients.agent.local.folder import KernelFolder
    from bai_manager.types.json import JsonObject, JsonValue

_NOBODY = UUID(int=0)


def report_on(folder: KernelFolder) -> KernelReport:
    """Read the records. One without a keeper has ended, by whatever its record says.

    The session is the nil UUID when the folder does not tell it.
    """
    held = folder.is_held
    spec = folder.read(state.SPEC) or {}
    record = folder.read(state.STATE) or {}
    ended = folder.read(state.EXIT)
    info, batch = _mapping(record.get("info")), _mapping(record.get("batch"))
    if ended is None and held:
        current = KernelState.RUNNING if info else KernelState.CREATING
    else:
        current = KernelState.EXITED
        ended = ended or {"reason": state.UNKNOWN}
    told = ended or batch
    return KernelReport(
        kernel_id=folder.kernel_id,
        session_id=_uuid(spec.get("session_id")),
        state=current,
        creation_info=creation_info_of(folder.kernel_id, info) if info else None,
        exit_code=_integer(batch.get("exit_code", told.get("exit_code"))),
        batch_exit_code=_integer(batch.get("exit_code")),
        reason=_text(told.get("reason")),
        ended_at=_time(told.get("ended_at")),
        last_access=_time(folder.last_access),
    )


def creation_info_of(kernel_id: UUID, info: JsonObject) -> KernelCreationInfo:
    from bai_manager.types.resource_slot import ResourceSlot  # noqa: PLC0415 - start-up time

    ports = info.get("service_ports")
    return KernelCreationInfo(
        kernel_id=kernel_id,
        kernel_host=str(info.get("kernel_host")),
        container_id=str(info.get("container_id")),
        repl_in_port=0,
        repl_out_port=0,
        stdin_port=0,
        stdout_port=0,
        service_ports=ports if isinstance(ports, list) else [],
        attached_devices=_mapping(info.get("attached_devices")),
        occupied_slots=ResourceSlot.from_json(info.get("occupied_slots")),
    )


def execution_result_of(run_id: str, told: JsonObject) -> ExecutionResult:
    """Raise ValueError when that is no turn of an execution."""
    console = told.get("console")
    return ExecutionResult(
        run_id=run_id,
        status=ExecutionStatus(str(told.get("status"))),
        exit_code=_integer(told.get("exit_code")),
        console=[_part(part) for part in console] if isinstance(console, list) else [],
        options=_mapping(told.get("options")),
    )


def stat_of(kernel_id: UUID, metrics: JsonObject, now: datetime) -> KernelStat:
    return KernelStat(
        kernel_id=kernel_id,
        collected_at=now,
        metrics={
            name: {field: str(text) for field, text in _mapping(metric).items()}
            for name, metric in metrics.items()
        },
    )


def _part(value: JsonValue) -> tuple[str, str]:
    match value:
        case [str(kind), str(text)]:
            return kind, text
    raise ValueError(f"no part of a console: {value!r}")


def _mapping(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _integer(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: JsonValue) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None


def _uuid(value: JsonValue) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        return _NOBODY
