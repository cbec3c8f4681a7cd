"""How the sessions of a cluster are used: what its manager and app proxy keep in Valkey.

Read only (``events-valkey.md`` §4 and §8): reports and series are the manager's own to write.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from bai_manager.clients.agent.protocol import KernelStat
from bai_manager.clients.live.connection import valkey_database
from bai_manager.clients.live.valkey import metrics_in
from bai_manager.sokovan.idle import (
    SAMPLE_EVERY,
    Evidence,
    LiveEvidence,
    Sample,
)
from bai_manager.types.idle import CHECKERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from valkey.asyncio import Valkey

    from bai_manager.types.credentials import Secret
    from bai_manager.types.json import JsonObject

_STATISTICS, _LIVE, _LEADER = 0, 2, 5
_AT_ONCE: Final = 200
_LEADER_KEY: Final = "leader:sokovan:scheduler"
_LONGEST_VALUE: Final = 1 << 20
_STAT_LIFE: Final = 24 * 3600
_OLDEST_STAT: Final = 30
_REPORT_LIFE: Final = 150
_OLDEST_REPORT: Final = 45
_EXECUTING: Final = b"0"
_FACTS: Final = ("last_access", "util_series", "util_first_collected", "util_last_collected")
_EXTRA: Final = "utilization_extra"
_REPORTS: Final = tuple(f"{checker}.report" for checker in CHECKERS)
_KEYS: Final = (*_FACTS, _EXTRA, *_REPORTS)


class ValkeyIdleFacts:
    """Reads databases 0, 2 and 5; writes nothing, and loads no pickle.

    Every method raises ``ValkeyUnreachable``, ``ValkeyNotConfigured`` and ``ValkeyClientMissing``.
    """

    def __init__(self, url: str | None, *, password: Secret | None, timeout: float) -> None:
        self._url = url
        self._password = password
        self._timeout = timeout

    async def leader(self) -> str | None:
        """The manager that leads; one that died does so for up to 30 s more."""
        async with self._database(_LEADER) as client:
            found = await client.get(_LEADER_KEY)
        return None if found is None else found.decode(errors="replace")

    async def read(self, session_ids: Sequence[UUID]) -> LiveEvidence:
        """What is known of each session; what cannot be read counts as not known."""
        sessions: dict[UUID, Evidence] = {}
        async with self._database(_LIVE) as client:
            seconds, microseconds = await client.time()
            for first in range(0, len(session_ids), _AT_ONCE):
                wanted = session_ids[first : first + _AT_ONCE]
                pipe = client.pipeline(transaction=False)
                for session_id in wanted:
                    pipe.mget([f"session.{session_id}.{key}" for key in _KEYS])
                    pipe.zcard(f"session.{session_id}.active_app_connections")
                    for report in _REPORTS:
                        pipe.ttl(f"session.{session_id}.{report}")
                answers = iter(await pipe.execute(raise_on_error=False))
                for session_id in wanted:
                    values, connections, *lives = islice(answers, 2 + len(_REPORTS))
                    sessions[session_id] = _evidence(values, connections, lives)
        now = datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
        return LiveEvidence(now=now, sessions=sessions)

    async def fresh_stats(self, kernel_ids: Sequence[UUID]) -> Mapping[UUID, KernelStat]:
        """Samples that agents wrote in the last half minute.

        A sample is kept for a day, so what is left of that tells its age: of an agent that is
        gone, the last one is there for long.
        """
        stats: dict[UUID, KernelStat] = {}
        async with self._database(_STATISTICS) as client:
            seconds, _ = await client.time()
            for first in range(0, len(kernel_ids), _AT_ONCE):
                wanted = kernel_ids[first : first + _AT_ONCE]
                pipe = client.pipeline(transaction=False)
                for kernel_id in wanted:
                    pipe.get(str(kernel_id))
                    pipe.ttl(str(kernel_id))
                answers = await pipe.execute(raise_on_error=False)
                for kernel_id, value, left in zip(wanted, answers[::2], answers[1::2], strict=True):
                    metrics = metrics_in(value) if isinstance(value, bytes) else {}
                    if metrics and isinstance(left, int) and left >= _STAT_LIFE - _OLDEST_STAT:
                        stats[kernel_id] = KernelStat(
                            kernel_id=kernel_id,
                            collected_at=datetime.fromtimestamp(seconds, UTC),
                            metrics=metrics,
                        )
        return stats

    def _database(self, number: int) -> AbstractAsyncContextManager[Valkey]:
        return valkey_database(
            self._url,
            number,
            password=self._password,
            timeout=self._timeout,
            of="how sessions of a cluster are used",
        )


def _evidence(values: object, connections: object, lives: Sequence[object]) -> Evidence:
    """Of one session; ``values`` in the order of ``_KEYS``, an error in place of a wrong type.

    ``lives`` are the seconds that reports are kept on. A manager writes one every 15 s, for 150:
    one that is older than three times that is the word of a manager that stopped.
    """
    if not isinstance(values, list) or not isinstance(connections, int):
        return Evidence()
    found = dict(zip(_KEYS, values, strict=True))
    reports = {
        checker: _number(_unpacked(found[report]))
        for checker, report, left in zip(CHECKERS, _REPORTS, lives, strict=True)
        if isinstance(left, int) and left >= _REPORT_LIFE - _OLDEST_REPORT
    }
    extra = _unpacked(found[_EXTRA])
    return Evidence(
        last_access=_time(found["last_access"]),
        in_use=connections > 0 or found["last_access"] == _EXECUTING,
        series=_series(
            _unpacked(found["util_series"]),
            first=_time(found["util_first_collected"]),
            last=_time(found["util_last_collected"]),
        ),
        reported={name: seconds for name, seconds in reports.items() if seconds is not None},
        extra=_object(extra),
    )


def _series(values: object, *, first: datetime | None, last: datetime | None) -> tuple[Sample, ...]:
    """``{metric: [percent, …]}``, the last taken at ``last``, one every 15 s.

    The first collection comes before them as a sample of nothing: older ones are dropped from
    the lists once the window is full.
    """
    if last is None or not isinstance(values, dict):
        return ()
    lists = {
        str(metric): [_number(one) for one in found]
        for metric, found in values.items()
        if isinstance(found, list)
    }
    count = max(map(len, lists.values()), default=0)
    samples = [
        Sample(
            last - back * SAMPLE_EVERY,
            {
                metric: percent
                for metric, found in lists.items()
                if back < len(found) and (percent := found[-1 - back]) is not None
            },
        )
        for back in reversed(range(count))
    ]
    if first is not None and samples and first < samples[0].at:
        samples.insert(0, Sample(first, {}))
    return tuple(samples)


def _unpacked(packed: object) -> object:
    """What msgpack holds, None when it cannot be read; extension types stay bytes."""
    import msgpack  # noqa: PLC0415 - clusters only

    if not isinstance(packed, bytes) or len(packed) > _LONGEST_VALUE:
        return None
    try:
        found: object = msgpack.unpackb(packed, strict_map_key=False)
    except (ValueError, msgpack.UnpackException):
        return None
    return found


def _number(value: object) -> float | None:
    """Finite numbers only."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _time(text: object) -> datetime | None:
    """Unix seconds as text; what lies before 2001 is no time of a session."""
    if not isinstance(text, bytes):
        return None
    try:
        seconds = float(text)
        return datetime.fromtimestamp(seconds, UTC) if seconds > 1e9 else None  # noqa: PLR2004
    except (ValueError, OverflowError, OSError):
        return None


def _object(value: object) -> JsonObject | None:
    """What is JSON: a map of texts, numbers, lists and maps."""
    import json  # noqa: PLC0415 - clusters only

    if not isinstance(value, dict):
        return None
    try:
        found: JsonObject = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return None
    return found
