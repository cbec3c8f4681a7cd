"""What can go wrong with presets (codes: ``reference/services.md`` §10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, InvalidInput, NotFound
from bai_manager.types.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Sequence


class InvalidPreset(InvalidValue):
    """No session could be created from it."""

    noun = "preset"
    error_code = "resource-preset_parsing_invalid-parameters"


class ResourcePresetNotFound(NotFound):
    """No preset of that name or id exists, or none that the actor may see."""

    error_code = "resource-preset_read_not-found"

    def __init__(self, preset: str) -> None:
        super().__init__(
            f"There is no preset {preset!r} among those you may see.",
            hint="List them with 'bai-manager preset list'.",
            details={"preset": preset},
        )


class AmbiguousPreset(InvalidInput):
    """Several presets have the name: one for all resource groups, others for one each."""

    error_code = "resource-preset_read_invalid-parameters"

    def __init__(self, preset: str, matches: Sequence[tuple[str, str | None]]) -> None:
        listed = ", ".join(f"{found} ({group or 'all'})" for found, group in matches)
        super().__init__(
            f"Several presets are called {preset!r}, each for other resource groups: {listed}.",
            hint="Name one of them by its id.",
            details={
                "preset": preset,
                "matches": [{"id": found, "scaling_group": group} for found, group in matches],
            },
        )


class ResourcePresetConflict(Conflict):
    """The name is taken, for the same resource group or for all."""

    error_code = "resource-preset_generic_conflict"

    def __init__(self, name: str, scaling_group: str | None) -> None:
        where = "all resource groups" if scaling_group is None else f"{scaling_group!r}"
        super().__init__(
            f"There is a preset {name!r} for {where} already.",
            hint=f"Change it with 'bai-manager preset update {name}', or give --if-not-exists to"
            " leave it as it is.",
            details={"preset": name, "scaling_group": scaling_group},
        )


class NoKeypair(Conflict):
    """The user has no active key pair, so nothing could be created."""

    error_code = "keypair_read_conflict"

    def __init__(self, user: str) -> None:
        super().__init__(
            f"The user {user!r} has no active key pair.",
            hint="Create one with 'bai-manager user keypair create'.",
            details={"user": user},
        )
