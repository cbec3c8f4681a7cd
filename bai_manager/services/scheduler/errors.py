"""What can go wrong when the scheduler is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict

if TYPE_CHECKING:
    from bai_manager.types.status import SessionStatus


class SessionDoesNotWait(Conflict):
    """The session was started, or has ended: there is nothing to explain."""

    error_code = "session_read_mismatch"

    def __init__(self, name: str, status: SessionStatus, status_info: str | None) -> None:
        why = f" ({status_info})" if status_info else ""
        super().__init__(
            f"Session {name!r} does not wait: it is {status.value}{why}.",
            hint=f"See 'bai-manager session show {name}'.",
            details={"session": name, "status": status.value, "status_info": status_info},
        )
