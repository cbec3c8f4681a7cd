"""What stands in the way of a purge, and what goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.types.status import EndpointLifecycle, SessionStatus, VFolderStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRef:
    """A session that has not ended."""

    id: UUID
    name: str
    status: SessionStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderRef:
    """A virtual folder; ``new_name`` is what it is called afterwards where it stays.

    ``shared_with`` counts those who may use it besides the owner, ``invitations`` those asked to.
    """

    id: UUID
    name: str
    host: str
    status: VFolderStatus
    shared_with: int
    invitations: int
    new_name: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MountedFolder:
    """A virtual folder in a session that has not ended."""

    folder_id: UUID
    folder_name: str
    session_id: UUID
    session_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointRef:
    """A model service."""

    id: UUID
    name: str
    lifecycle: EndpointLifecycle


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocker:
    """Why a purge is refused: how many of what, and what to run or to choose first."""

    what: str
    count: int
    message: str
    remedy: str
