"""What one kernel was given and what it used (derivations: ``reference/services.md`` §8)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.json import JsonObject, JsonValue
    from bai_manager.types.resource_slot import ResourceSlot
    from bai_manager.types.status import ClusterMode, KernelStatus

_INTRINSIC: Final = frozenset({"cpu", "mem"})
_CUDA: Final = "cuda"
_LEGACY_PATH: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelUsage:
    """One kernel row with the names behind its ids.

    ``last_stat`` maps a metric to ``{current, capacity, stats.max, …}``, numbers as text; it is
    empty for kernels of which no statistics were kept, whose used figures are then 0.
    """

    id: UUID
    session_id: UUID
    session_name: str
    container_id: str | None
    domain_name: str
    group_id: UUID
    group_name: str
    access_key: str | None
    user_id: UUID
    user_email: str | None
    full_name: str | None
    agent: str | None
    image: str | None
    status: KernelStatus
    status_info: str | None
    status_changed: datetime | None
    status_history: Mapping[str, str]
    cluster_mode: ClusterMode
    created_at: datetime
    terminated_at: datetime | None
    occupied_slots: ResourceSlot
    attached_devices: JsonObject
    resource_opts: JsonObject
    vfolder_mounts: list[JsonValue]
    mounts: list[JsonValue]
    last_stat: JsonObject

    @property
    def cpu_allocated(self) -> Decimal:
        return self.occupied_slots.get("cpu", Decimal(0))

    @property
    def mem_allocated(self) -> int:
        return int(self.occupied_slots.get("mem", 0))

    @property
    def gpu_allocated(self) -> Decimal:
        """Everything but processors and memory, whatever the unit."""
        found = (amount for name, amount in self.occupied_slots.items() if name not in _INTRINSIC)
        return sum(found, Decimal(0))

    @property
    def shared_memory(self) -> int:
        return int(_number(self.resource_opts.get("shmem")))

    @property
    def cpu_used(self) -> Decimal:
        """Milliseconds."""
        return self._stat("cpu_used", "current")

    @property
    def mem_used(self) -> int:
        return int(self._stat("mem", "capacity"))

    @property
    def disk_used(self) -> int:
        return int(self._stat("io_scratch_size", "stats.max"))

    @property
    def io_read(self) -> int:
        return int(self._stat("io_read", "current"))

    @property
    def io_write(self) -> int:
        return int(self._stat("io_write", "current"))

    @property
    def device_models(self) -> list[str]:
        """Model names of attached CUDA devices, each once."""
        names = (str(device.get("model_name") or "") for device in self._cuda_devices())
        return sorted({name for name in names if name})

    @property
    def smp(self) -> int:
        """Multiprocessors of attached CUDA devices."""
        return sum(int(_number(_data(device).get("smp"))) for device in self._cuda_devices())

    @property
    def gpu_mem_allocated(self) -> int:
        """Bytes of memory of attached CUDA devices."""
        return sum(int(_number(_data(device).get("mem"))) for device in self._cuda_devices())

    @property
    def nfs(self) -> list[str]:
        """Host paths of mounted folders, each once; in rows of old, the third word of a mount."""
        paths = {
            str(mount["host_path"])
            for mount in self.vfolder_mounts
            if isinstance(mount, dict) and mount.get("host_path")
        } or {
            str(mount[_LEGACY_PATH])
            for mount in self.mounts
            if isinstance(mount, list) and len(mount) > _LEGACY_PATH
        }
        return sorted(paths)

    def _stat(self, metric: str, field: str) -> Decimal:
        values = self.last_stat.get(metric)
        return _number(values.get(field)) if isinstance(values, dict) else Decimal(0)

    def _cuda_devices(self) -> Iterator[JsonObject]:
        devices = self.attached_devices.get(_CUDA)
        for device in devices if isinstance(devices, list) else ():
            if isinstance(device, dict):
                yield device


def _data(device: JsonObject) -> JsonObject:
    data = device.get("data")
    return data if isinstance(data, dict) else {}


def _number(value: JsonValue) -> Decimal:
    """Numbers are stored as text or as numbers; what is neither is 0."""
    if value is None or isinstance(value, bool | dict | list):
        return Decimal(0)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)
