"""What can go wrong with key pairs (codes: ``reference/actions.md`` §5.3)."""

from __future__ import annotations

from bai_manager.errors import Conflict, Denied, InvalidInput, NotFound


class KeyPairNotFound(NotFound):
    """There is no such access key."""

    error_code = "keypair_read_not-found"

    def __init__(self, access_key: str) -> None:
        super().__init__(
            f"There is no key pair {access_key!r}.",
            hint="List key pairs with 'bai-manager user keypair list'.",
            details={"access_key": access_key},
        )


class KeyPairForbidden(Denied):
    """The key pair is somebody else's."""

    error_code = "keypair_read_forbidden"

    def __init__(self, access_key: str, email: str) -> None:
        super().__init__(
            f"Key pair {access_key} does not belong to {email}.",
            hint="List key pairs with 'bai-manager user keypair list'.",
            details={"access_key": access_key, "user": email},
        )


class KeyPairInUse(Conflict):
    """A user's main key pair is not deleted."""

    error_code = "keypair_purge_conflict"

    def __init__(self, access_key: str, email: str) -> None:
        super().__init__(
            f"{access_key} is the main key pair of {email}.",
            hint="Give the user another one with"
            f" 'bai-manager user update {email} --main-access-key KEY', then delete it.",
            details={"access_key": access_key, "user": email},
        )


class UnknownKeypairPolicy(InvalidInput):
    """The resource policy named does not exist."""

    error_code = "keypair_update_bad-request"

    def __init__(self, policy: str) -> None:
        super().__init__(
            f"There is no key pair policy {policy!r}.",
            hint="List them with 'bai-manager policy keypair list'.",
            details={"policy": policy},
        )


class BootstrapScriptTooLong(InvalidInput):
    """Longer than its column."""

    error_code = "keypair_update_invalid-parameters"
