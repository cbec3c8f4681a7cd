"""What can go wrong with container registries (codes: ``reference/actions.md`` §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence


class ContainerRegistryNotFound(NotFound):
    """No container registry has that name or id."""

    error_code = "container-registry_read_not-found"

    def __init__(self, registry: str) -> None:
        super().__init__(
            f"No container registry {registry!r} is known.",
            hint="List them with 'bai-manager container-registry list'.",
            details={"registry": registry},
        )


class AmbiguousContainerRegistry(InvalidInput):
    """Several projects of one registry, or several ids, fit."""

    error_code = "container-registry_read_conflict"

    def __init__(self, registry: str, matches: Sequence[str]) -> None:
        super().__init__(
            f"{registry!r} fits several container registries: {', '.join(matches)}.",
            hint="Name one by its id, or as REGISTRY/PROJECT.",
            details={"registry": registry, "matches": [*matches]},
        )
