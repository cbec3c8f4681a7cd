"""What can go wrong with user policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence


class UserResourcePolicyNotFound(NotFound):
    """No user policy of that name exists, or none that the actor may see."""

    error_code = "backendai_read_not-found"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no user policy {name!r} among those you may see.",
            hint="List them with 'bai-manager policy user list'.",
            details={"policy": name},
        )


class UserResourcePolicyAlreadyExists(Conflict):
    """The name is taken."""

    error_code = "backendai_create_already-exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a user policy {name!r} already.",
            hint=f"Change it with 'bai-manager policy user update {name}', or give"
            " --if-not-exists to leave it as it is.",
            details={"policy": name},
        )


class UserResourcePolicyInUse(Conflict):
    """Users are bound by it; ``first`` names some of them."""

    error_code = "backendai_purge_conflict"

    def __init__(self, name: str, count: int, first: Sequence[str]) -> None:
        shown = ", ".join(first)
        more = f" and {count - len(first)} more" if count > len(first) else ""
        super().__init__(
            f"The user policy {name!r} is in use by {count}"
            f" {'user' if count == 1 else 'users'}: {shown}{more}.",
            hint="Give them another policy with 'bai-manager user update', then delete it.",
            details={"policy": name, "users": count, "first": [*first]},
        )
