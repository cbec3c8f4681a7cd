"""The repositories of virtual folders, by what they do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.repositories.vfolder import VFolderRepository
from bai_manager.repositories.vfolder_changes import VFolderChangesRepository
from bai_manager.repositories.vfolder_clone import VFolderCloneRepository
from bai_manager.repositories.vfolder_shares import VFolderSharesRepository
from bai_manager.repositories.vfolder_trash import VFolderTrashRepository

if TYPE_CHECKING:
    from bai_manager.repositories.database import Database
    from bai_manager.types.clock import Clock


class VFolderRepositories:
    def __init__(self, database: Database, clock: Clock) -> None:
        self.vfolders = VFolderRepository(database, clock)
        self.changes = VFolderChangesRepository(database)
        self.trash = VFolderTrashRepository(database, clock)
        self.clones = VFolderCloneRepository(database, clock)
        self.shares = VFolderSharesRepository(database)
