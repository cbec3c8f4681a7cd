"""``--trace``: each run as two JSON lines on a stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bai_manager.types.jsonable import to_jsonable

if TYPE_CHECKING:
    from typing import TextIO

    from bai_manager.actions.monitors.base import Outcome, Run
    from bai_manager.types.json import JsonValue


class TraceMonitor:
    """Writes what runs, for whom and how it ended; secrets print as ``***``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    async def started(self, run: Run) -> None:
        self._write(
            {
                "event": "started",
                "action_id": str(run.action_id),
                "type": f"{run.action.entity_type.value}:{run.action.operation.value}",
                "action": to_jsonable(run.action),
                "actor": run.actor.access_key if run.actor else None,
            }
        )

    async def finished(self, run: Run, outcome: Outcome) -> None:
        self._write(
            {
                "event": "finished",
                "action_id": str(run.action_id),
                "outcome": to_jsonable(outcome),
            }
        )

    def _write(self, record: dict[str, JsonValue]) -> None:
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()
