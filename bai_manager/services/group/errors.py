"""What can go wrong with projects (codes: ``reference/actions.md`` §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.types.purge import Blocker


class GroupNotFound(NotFound):
    """No project of that name or id is there, or none that the actor may see."""

    error_code = "group_read_not-found"

    def __init__(self, group: str, domain: str | None = None) -> None:
        where = "" if domain is None else f" in domain {domain!r}"
        super().__init__(
            f"There is no project {group!r}{where}.",
            hint="List projects with 'bai-manager group list'.",
            details={"group": group, "domain": domain},
        )


class TooManyGroupsMatched(InvalidInput):
    """A name is used in several domains, or an id prefix fits several projects."""

    error_code = "group_read_conflict"

    def __init__(self, group: str, matches: Sequence[str]) -> None:
        super().__init__(
            f"{group!r} fits several projects: {', '.join(matches)}.",
            hint="Name one of them by its id, or as DOMAIN/NAME.",
            details={"matches": [*matches]},
        )


class GroupAlreadyExists(Conflict):
    """The name is taken in its domain."""

    error_code = "group_create_already-exists"

    def __init__(self, name: str, domain: str) -> None:
        super().__init__(
            f"There is a project {name!r} in domain {domain!r} already.",
            hint="Choose another name; --if-not-exists leaves the project as it is.",
            details={"group": name, "domain": domain},
        )


class GroupCreationBadRequest(InvalidInput):
    """A project refers to a domain or policy that does not exist."""

    error_code = "group_create_bad-request"

    def __init__(self, noun: str, name: str, remedy: str) -> None:
        super().__init__(
            f"There is no {noun} {name!r}.", hint=remedy, details={"noun": noun, "name": name}
        )


class GroupHasStrangers(Conflict):
    """Members or sessions tie a project to its domain."""

    error_code = "group_update_conflict"

    def __init__(self, name: str, *, members: int, sessions: int) -> None:
        super().__init__(
            f"Project {name!r} cannot move to another domain: it has {members} members and"
            f" {sessions} sessions that have not ended, all of its present domain.",
            hint=f"Remove them first: 'bai-manager group members list {name}',"
            " 'bai-manager session list --all'.",
            details={"members": members, "sessions": sessions},
        )


class GroupMembershipNotFound(NotFound):
    """The user is no member."""

    error_code = "group_read_not-found"

    def __init__(self, email: str, group: str) -> None:
        super().__init__(
            f"{email} is no member of project {group!r}.",
            hint=f"List members with 'bai-manager group members list {group}'.",
            details={"user": email, "group": group},
        )


class GroupMemberOfOtherDomain(InvalidInput):
    """Users can only be members of projects of their own domain."""

    error_code = "group_update_invalid-parameters"

    def __init__(self, user: str, domain: str) -> None:
        super().__init__(
            f"There is no user {user!r} in domain {domain!r}, which the project is in.",
            hint="List users with 'bai-manager user list'.",
            details={"user": user, "domain": domain},
        )


class PurgeGroupActionRefused(Conflict):
    """Kernels live, folders are mounted, or model services run."""

    error_code = "group_purge_conflict"

    def __init__(self, name: str, blockers: Sequence[Blocker]) -> None:
        super().__init__(
            f"Project {name!r} cannot be purged:"
            f" {'; '.join(blocker.message for blocker in blockers)}.",
            hint="\n".join(blocker.remedy for blocker in blockers),
            details={blocker.what: blocker.count for blocker in blockers},
        )


class GroupPurgeChanged(Conflict):
    """What a purge would do is not what was shown."""

    error_code = "group_purge_mismatch"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"What belongs to project {name!r} changed since it was shown; it was not purged.",
            hint="Look again with 'bai-manager group purge --preview'.",
        )
