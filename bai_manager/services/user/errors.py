"""What can go wrong with users (codes: ``reference/actions.md`` §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.types.purge import Blocker


class UserNotFound(NotFound):
    """Nobody has that e-mail, name or id."""

    error_code = "user_read_not-found"

    def __init__(self, user: str) -> None:
        super().__init__(
            f"There is no user {user!r}.",
            hint="List users with 'bai-manager user list'.",
            details={"user": user},
        )


class TooManyUsersMatched(InvalidInput):
    """An id prefix fits several users."""

    error_code = "user_read_conflict"

    def __init__(self, user: str, matches: Sequence[str]) -> None:
        super().__init__(
            f"{user!r} begins the ids of several users: {', '.join(matches)}.",
            hint="Name one of them by e-mail.",
            details={"matches": [*matches]},
        )


class UserConflict(Conflict):
    """The e-mail or the user name is taken."""

    error_code = "user_create_conflict"

    def __init__(self, field: str, value: str) -> None:
        super().__init__(
            f"The {field} {value!r} is taken by another user.",
            hint=f"Look with 'bai-manager user show {value}'; --if-not-exists leaves a user of"
            " that e-mail as it is.",
            details={"field": field, "value": value},
        )


class UserCreationBadRequest(InvalidInput):
    """A user is to refer to a domain or policy that does not exist."""

    error_code = "user_create_bad-request"

    def __init__(self, noun: str, name: str, remedy: str) -> None:
        super().__init__(
            f"There is no {noun} {name!r}.", hint=remedy, details={"noun": noun, "name": name}
        )


class UserModificationBadRequest(UserCreationBadRequest):
    """The same of a user that is changed."""

    error_code = "user_update_bad-request"


class LastSuperadmin(Conflict):
    """Nobody would be left who may do everything."""

    error_code = "user_update_conflict"

    def __init__(self, email: str) -> None:
        super().__init__(
            f"{email} is the last superadmin who is active with an active main key pair.",
            hint="Make another one first: 'bai-manager user update USER --role superadmin'.",
            details={"user": email},
        )


class UserPurgeFailure(Conflict):
    """Something lives on that a purge would tear down, or nobody has decided what becomes of it."""

    error_code = "user_purge_conflict"

    def __init__(self, email: str, blockers: Sequence[Blocker]) -> None:
        super().__init__(
            f"{email} cannot be purged: {'; '.join(blocker.message for blocker in blockers)}.",
            hint="\n".join(blocker.remedy for blocker in blockers),
            details={blocker.what: blocker.count for blocker in blockers},
        )


class UserPurgeChanged(Conflict):
    """What a purge would do is not what was shown."""

    error_code = "user_purge_mismatch"

    def __init__(self, email: str) -> None:
        super().__init__(
            f"What belongs to {email} changed since it was shown; the user was not purged.",
            hint="Look again with 'bai-manager user purge --preview'.",
        )


class NoHeir(InvalidInput):
    """Whoever is to inherit cannot."""

    error_code = "user_purge_invalid-parameters"
