"""What can be wrong with a document, or keep it from being applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import BackendAIError, Conflict, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.services.manifest.types import Change, Problem


class InvalidManifest(InvalidInput):
    """Everything that is wrong with a document, each with its line."""

    error_code = "api_parsing_invalid-data-format"

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        count = f"{len(problems)} error{'' if len(problems) == 1 else 's'}"
        ordered = sorted(problems, key=lambda problem: problem.line)
        lines = "\n".join(f"  line {one.line}: {one.message}" for one in ordered)
        super().__init__(
            f"{source} has {count}; nothing was changed.\n{lines}",
            hint="'bai-manager export' shows what such a document looks like.",
            details={
                "problems": [{"line": one.line, "message": one.message} for one in ordered],
            },
        )


class ManifestPlanChanged(Conflict):
    """Somebody changed the system since the plan was shown."""

    error_code = "backendai_update_mismatch"

    def __init__(self) -> None:
        super().__init__(
            "The system changed since the plan was shown; nothing was changed.",
            hint="Run the command again, and look at the new plan.",
        )


class ManifestNotReached(BackendAIError):
    """What was declared did not come about, so all of it was taken back."""

    error_code = "backendai_update_internal-error"

    def __init__(self, left: Sequence[Change]) -> None:
        named = [f"{change.verb} {change.section} {change.name}" for change in left]
        super().__init__(
            f"The system cannot be brought to what is declared; nothing was changed. Left over:"
            f" {', '.join(named)}.",
            hint="Leave out the fields that cannot be set: 'bai-manager diff' names them.",
            details={"left": [*named]},
        )
