"""What changes of a session, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.services.session.types_request import check_priority
from bai_manager.types.names import check_session_name
from bai_manager.types.tristate import UNSET, Maybe

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.types.status import SessionStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionChanges:
    """What an update sets; ``priority`` is 0 to 100, higher first."""

    name: Maybe[str] = UNSET
    priority: Maybe[int] = UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class Transit:
    """A session whose status was derived from its kernels; ``was`` is what it had before."""

    session_id: UUID
    name: str
    was: SessionStatus
    status: SessionStatus
    access_key: str


def check_changes(changes: SessionChanges) -> None:
    """Raises ``InvalidName`` and ``InvalidSessionParameters``."""
    if changes.name is not UNSET:
        check_session_name(changes.name)
    if changes.priority is not UNSET:
        check_priority(changes.priority)
