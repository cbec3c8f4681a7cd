"""What can be wrong with a file of users, or keep it from being imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bai_manager.errors import BackendAIError, Conflict, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.services.user_import.types import RowProblem


class InvalidUserFile(InvalidInput):
    """Every bad line of a file, with its number."""

    error_code = "user_parsing_invalid-data-format"

    def __init__(self, source: str, problems: Sequence[RowProblem]) -> None:
        ordered = sorted(problems, key=lambda problem: problem.line)
        count = len({problem.line for problem in ordered})
        lines = "\n".join(f"  line {one.line}: {one.message}" for one in ordered)
        super().__init__(
            f"{source} has {count} bad line{'' if count == 1 else 's'}; nothing was changed.\n"
            f"{lines}",
            hint="See 'bai-manager user import --help' for the columns.",
            details={
                "problems": [{"line": one.line, "message": one.message} for one in ordered],
            },
        )


class UserImportRaced(Conflict):
    """Somebody created or removed a user of the file, or took a name of one, meanwhile."""

    error_code = "user_update_conflict"

    def __init__(self, email: str | None) -> None:
        super().__init__(
            "What the rows are about was changed by somebody else meanwhile"
            f"{'' if email is None else f' ({email})'}; the rows before are done.",
            hint="Run the command again: it goes on where it stopped.",
            details={} if email is None else {"email": email},
        )


class UserImportRunning(Conflict):
    """Another process imports the same file."""

    error_code = "user_create_conflict"

    def __init__(self) -> None:
        super().__init__(
            "Another process imports this file just now.",
            hint="Wait for it; run the command again if it was interrupted.",
        )


class SecretsLost(BackendAIError):
    """The file with the secrets of an interrupted import is not what it was."""

    error_code = "user_create_internal-error"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"{path} {why}; nothing was changed.",
            hint=_PLACE,
            details={"path": path},
        )


_PLACE: Final = (
    "A new import needs a file that does not exist; one that goes on needs its own, as it was."
)
