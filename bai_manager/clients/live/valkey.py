"""Live statistics of a cluster: what its agents put into Valkey (``events-valkey.md`` §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bai_manager.clients.agent.protocol import KernelStat
from bai_manager.clients.live.connection import valkey_database
from bai_manager.clients.live.protocol import LiveReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from bai_manager.clients.live.protocol import KernelPlace
    from bai_manager.types.clock import Clock
    from bai_manager.types.credentials import Secret

_AT_ONCE: Final = 500
_LONGEST_VALUE: Final = 1 << 20
_DATABASE: Final = 0


class ValkeyLiveStats:
    """Reads the key of each kernel in database 0; nothing is written, no pickle is ever loaded.

    ``cpu_util`` is held there as milliseconds a second with capacity 1000; ``pct`` of it is the
    percentage of one core that ``KernelStat`` speaks of.
    """

    def __init__(
        self, url: str | None, *, password: Secret | None, timeout: float, clock: Clock
    ) -> None:
        self._url = url
        self._password = password
        self._timeout = timeout
        self._clock = clock

    async def read(self, kernels: Sequence[KernelPlace]) -> LiveReading:
        """Samples up to 5 s old.

        Raises ``ValkeyUnreachable``, ``ValkeyNotConfigured`` and ``ValkeyClientMissing``.
        """
        stats: dict[UUID, KernelStat] = {}
        async with valkey_database(
            self._url,
            _DATABASE,
            password=self._password,
            timeout=self._timeout,
            of="live values of a cluster",
        ) as client:
            for first in range(0, len(kernels), _AT_ONCE):
                wanted = [kernel.kernel_id for kernel in kernels[first : first + _AT_ONCE]]
                values = await client.mget([str(kernel_id) for kernel_id in wanted])
                for kernel_id, value in zip(wanted, values, strict=True):
                    metrics = metrics_in(value) if value is not None else {}
                    if metrics:
                        stats[kernel_id] = KernelStat(
                            kernel_id=kernel_id, collected_at=self._clock(), metrics=metrics
                        )
        return LiveReading(stats=stats, silent={})


def metrics_in(packed: bytes) -> Mapping[str, Mapping[str, str]]:
    """The map of a kernel; what is no such map is as good as no sample."""
    import msgpack  # noqa: PLC0415 - clusters only

    if len(packed) > _LONGEST_VALUE:
        return {}
    try:
        found = msgpack.unpackb(packed, strict_map_key=False)
    except (ValueError, msgpack.UnpackException):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        str(name): _of_one_core(str(name), _texts(values))
        for name, values in found.items()
        if isinstance(values, dict) and "current" in values
    }


def _texts(values: Mapping[object, object]) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items() if isinstance(value, str | int)}


def _of_one_core(metric: str, values: dict[str, str]) -> dict[str, str]:
    if metric == "cpu_util" and values.get("capacity") == "1000" and "pct" in values:
        return {**values, "current": values["pct"], "capacity": "100"}
    return values
