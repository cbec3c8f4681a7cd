"""What purging a user and purging a project have in common."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final, Protocol

from bai_manager.services.session.actions import DestroySessionAction
from bai_manager.types.jsonable import to_jsonable
from bai_manager.types.purge import Blocker
from bai_manager.types.status import SESSION_TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bai_manager.services.session.actions import DestroySessionActionResult
    from bai_manager.types.purge import FolderRef, MountedFolder, SessionRef

PATIENCE: Final = 60.0
"""Seconds that one session may take to end."""
_DIGITS: Final = 16
_NAMED: Final = 10
"""How many are named before there is a ``…``."""


class SessionDestroyer(Protocol):
    """Whatever ends sessions: the session service."""

    async def destroy_session(self, action: DestroySessionAction) -> DestroySessionActionResult: ...


async def destroy_sessions(destroyer: SessionDestroyer, sessions: Iterable[SessionRef]) -> None:
    """End sessions one after the other; those in ERROR are left: the purge itself ends them.

    Raises what ``destroy_session`` raises; sessions that ended until then stay ended.
    """
    for session in sessions:
        if session.status not in SESSION_TERMINAL:
            await destroyer.destroy_session(
                DestroySessionAction(
                    session=str(session.id), forced=True, wait=True, timeout=PATIENCE
                )
            )


def fingerprint(plan: object) -> str:
    """A short text that is the same for equal plans: what ``expected`` of a purge holds."""
    text = json.dumps(to_jsonable(plan), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def mounted_block(mounted: Sequence[MountedFolder]) -> list[Blocker]:
    """Folders in sessions, whoever's."""
    if not mounted:
        return []
    ids = sorted({str(mount.session_id) for mount in mounted})
    count = len({mount.folder_id for mount in mounted})
    return [
        Blocker(
            what="mounted_folders",
            count=count,
            message=f"{counted(count, 'folder')} mounted in sessions that have not ended",
            remedy=f"End those with 'bai-manager session destroy {shortened(ids)}'.",
        )
    ]


def busy_block(busy: Sequence[FolderRef]) -> list[Blocker]:
    """Folders that somebody works on."""
    if not busy:
        return []
    states = [f"{folder.name} ({folder.status.value})" for folder in busy]
    return [
        Blocker(
            what="busy_folders",
            count=len(busy),
            message=f"{counted(len(busy), 'folder')} being worked on",
            remedy=f"Wait until that is done: {shortened(states)}."
            " What nobody works on any more takes 'bai-manager vfolder recover'.",
        )
    ]


def counted(count: int, noun: str) -> str:
    """``1 folder``, ``2 folders``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def shortened(words: Sequence[str]) -> str:
    """The first ones, and a mark where there are more."""
    return " ".join([*words[:_NAMED], *(["…"] if len(words) > _NAMED else [])])
