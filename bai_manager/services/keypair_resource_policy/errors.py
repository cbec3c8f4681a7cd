"""What can go wrong with key pair policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence


class KeypairResourcePolicyNotFound(NotFound):
    """No key pair policy of that name exists, or none that the actor may see."""

    error_code = "backendai_read_not-found"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no key pair policy {name!r} among those you may see.",
            hint="List them with 'bai-manager policy keypair list'.",
            details={"policy": name},
        )


class KeypairResourcePolicyAlreadyExists(Conflict):
    """The name is taken."""

    error_code = "backendai_create_already-exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a key pair policy {name!r} already.",
            hint=f"Change it with 'bai-manager policy keypair update {name}', or give"
            " --if-not-exists to leave it as it is.",
            details={"policy": name},
        )


class KeypairResourcePolicyInUse(Conflict):
    """Key pairs are bound by it; ``first`` names some of them."""

    error_code = "backendai_purge_conflict"

    def __init__(self, name: str, count: int, first: Sequence[str]) -> None:
        shown = ", ".join(first)
        more = f" and {count - len(first)} more" if count > len(first) else ""
        super().__init__(
            f"The key pair policy {name!r} is in use by {count}"
            f" {'key pair' if count == 1 else 'key pairs'}: {shown}{more}.",
            hint="Give them another policy with 'bai-manager user keypair update', then delete it.",
            details={"policy": name, "key_pairs": count, "first": [*first]},
        )
