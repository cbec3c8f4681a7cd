"""What can go wrong when people change their own password."""

from __future__ import annotations

from bai_manager.errors import Conflict, Denied, InvalidInput


class NewPasswordMismatch(InvalidInput):
    """The new password was not typed the same way twice."""

    error_code = "user_update_mismatch"

    def __init__(self) -> None:
        super().__init__("The new passwords differ.", hint="Type the same password twice.")


class OldPasswordMismatch(Denied):
    """The old password is wrong, or there is none."""

    error_code = "user_auth_unauthorized"

    def __init__(self) -> None:
        super().__init__(
            "The old password is wrong; nothing was changed.",
            hint="An administrator can give another: 'bai-manager user password reset'.",
        )


class PasswordChanged(Conflict):
    """Somebody else changed the password in the same moment."""

    error_code = "user_update_conflict"

    def __init__(self) -> None:
        super().__init__("The password was changed meanwhile.", hint="Begin again.")
