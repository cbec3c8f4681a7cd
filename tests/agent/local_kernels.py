"""What tests of the local agent look at from outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local import state
from bai_manager.clients.agent.local.process import marked_processes

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID


def keepers(root: Path, kernel_id: UUID) -> dict[str, int]:
    pids = json.loads((root / kernel_id.hex / state.PIDS).read_text())
    return {role: pids[role][0] for role in ("guardian", "supervisor")}


def nothing_is_left(kernel_id: UUID) -> bool:
    return marked_processes(str(kernel_id)) == []
