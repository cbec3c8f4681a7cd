"""What can go wrong with project policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence


class ProjectResourcePolicyNotFound(NotFound):
    """No project policy of that name exists, or none that the actor may see."""

    error_code = "backendai_read_not-found"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no project policy {name!r} among those you may see.",
            hint="List them with 'bai-manager policy project list'.",
            details={"policy": name},
        )


class ProjectResourcePolicyAlreadyExists(Conflict):
    """The name is taken."""

    error_code = "backendai_create_already-exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a project policy {name!r} already.",
            hint=f"Change it with 'bai-manager policy project update {name}', or give"
            " --if-not-exists to leave it as it is.",
            details={"policy": name},
        )


class ProjectResourcePolicyInUse(Conflict):
    """Projects are bound by it; ``first`` names some of them."""

    error_code = "backendai_purge_conflict"

    def __init__(self, name: str, count: int, first: Sequence[str]) -> None:
        shown = ", ".join(first)
        more = f" and {count - len(first)} more" if count > len(first) else ""
        super().__init__(
            f"The project policy {name!r} is in use by {count}"
            f" {'project' if count == 1 else 'projects'}: {shown}{more}.",
            hint="Give them another policy with 'bai-manager group update', then delete it.",
            details={"policy": name, "projects": count, "first": [*first]},
        )
