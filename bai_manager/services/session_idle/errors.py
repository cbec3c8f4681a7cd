"""What can go wrong with idle checks (codes: ``reference/actions.md`` §5.3)."""

from __future__ import annotations

from bai_manager.errors import Conflict


class ManagerLeads(Conflict):
    """A manager runs, and ends idle sessions itself."""

    error_code = "session_generic_conflict"

    def __init__(self, leader: str) -> None:
        super().__init__(
            f"The manager {leader} runs: it ends idle sessions itself, every 15 s.",
            hint="See what it says of them with 'bai-manager session idle --all'; one that"
            " was stopped leads for up to 30 s more.",
            details={"leader": leader},
        )
