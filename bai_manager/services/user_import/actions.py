"""What can be done with users in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target

if TYPE_CHECKING:
    from bai_manager.services.user_import.types import (
        ImportChunk,
        ImportedRow,
        ImportRow,
        RowProblem,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckUserImportActionResult(ActionResult):
    """What is wrong, by line; ``new_users`` would be created."""

    problems: list[RowProblem]
    new_users: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckUserImportAction(Action[CheckUserImportActionResult]):
    """Hold the rows of a file against each other and against the system."""

    entity_type: ClassVar[EntityType] = EntityType.USER
    operation: ClassVar[Operation] = Operation.CHECK

    rows: tuple[ImportRow, ...]

    def target(self) -> Target:
        return SystemTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportUsersActionResult(ActionResult):
    rows: list[ImportedRow]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportUsersAction(Action[ImportUsersActionResult]):
    """Create or update the users of one chunk in one transaction, unless that was done before.

    New passwords and secret keys go into ``secret_file``, or are told to nobody.
    """

    entity_type: ClassVar[EntityType] = EntityType.USER
    operation: ClassVar[Operation] = Operation.IMPORT

    chunk: ImportChunk
    rows: tuple[ImportRow, ...]
    generate_passwords: bool = False
    secret_file: str | None = None

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return f"{self.chunk.digest[:12]} {self.chunk.number + 1}/{self.chunk.count}"
