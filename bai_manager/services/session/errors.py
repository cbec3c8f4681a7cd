"""What can go wrong with sessions (codes: ``reference/actions.md`` §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import (
    BackendAIError,
    Conflict,
    InsufficientQuota,
    InvalidInput,
    NotFound,
    TimedOut,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.types.dotfiles import GivenDotfile
    from bai_manager.types.json import JsonObject
    from bai_manager.types.mounts import VFolderMount
    from bai_manager.types.status import SessionStatus


class SessionNotFound(NotFound):
    """No visible session has that name or id."""

    error_code = "session_read_not-found"

    def __init__(self, session: str) -> None:
        super().__init__(
            f"No session {session!r} is found among those you may see.",
            hint="List them with 'bai-manager session list', ended ones with '--all-status'.",
            details={"session": session},
        )


class KernelNotFound(NotFound):
    """No visible kernel has that id."""

    error_code = "kernel_read_not-found"

    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"No kernel {kernel!r} is found among those you may see.",
            hint="List them with 'bai-manager kernel list'.",
            details={"kernel": kernel},
        )


class TooManySessionsMatched(InvalidInput):
    """A name or id prefix fits several sessions."""

    error_code = "session_read_conflict"

    def __init__(self, session: str, matches: Sequence[JsonObject]) -> None:
        listed = ", ".join(f"{match['session_id']} ({match['status']})" for match in matches)
        super().__init__(
            f"{session!r} fits several sessions: {listed}.",
            hint="Name one of them by its id.",
            details={"matches": [*matches]},
        )


class TooManyKernelsFound(InvalidInput):
    """An id prefix fits several kernels."""

    error_code = "kernel_read_conflict"

    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"{kernel!r} fits several kernels.", hint="Give more characters of the id."
        )


class SessionAlreadyExists(Conflict):
    """The name is taken by a session that has not ended."""

    error_code = "session_create_already-exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A session named {name!r} exists already and has not ended.",
            hint="Choose another name, use '--reuse', or destroy it with"
            f" 'bai-manager session destroy {name}'.",
            details={"name": name},
        )


class InvalidSessionState(Conflict):
    """The session's status does not allow this."""

    error_code = "session_generic_mismatch"

    def __init__(self, name: str, status: SessionStatus, wanted: str) -> None:
        super().__init__(
            f"Session {name!r} is {status.value}, so it cannot {wanted}.",
            hint=f"See why with 'bai-manager session show {name}'.",
            details={"session": name, "status": status.value},
        )


class KernelNotReady(Conflict):
    """The session has no running main kernel."""

    error_code = "kernel_read_not-ready"


class InvalidSessionParameters(InvalidInput):
    """The request can never become a session."""

    error_code = "session_create_invalid-parameters"


class MountsOverlap(InvalidInput):
    """One of two mounts contains the other, in the session or in the folder."""

    error_code = "session_create_invalid-parameters"

    def __init__(self, one: str, other: str, *, same_source: bool = False) -> None:
        super().__init__(
            f"Mounts overlap: {one} and {other}.",
            hint="One is in the other already: leave it out."
            if same_source
            else "Give one of them another place: -v NAME:PATH.",
            details={"mounts": [one, other]},
        )


class DotfileMountConflict(Conflict):
    """A folder would be mounted where a dotfile is."""

    error_code = "dotfile_create_conflict"

    def __init__(self, given: GivenDotfile, mount: VFolderMount) -> None:
        path = given.dotfile.path
        super().__init__(
            f"Dotfile {path!r} of the {given.giver.value} is in the way of folder {mount.name!r},"
            f" which is to be mounted at {mount.kernel_path}.",
            hint=f"Mount the folder elsewhere with -v {mount.name}:PATH, or remove the dotfile"
            f"{_DOTFILE_REMOVALS[given.giver.value].format(path)}.",
            details={
                "dotfile": path,
                "giver": given.giver.value,
                "mount": mount.name,
                "path": mount.kernel_path,
            },
        )


_DOTFILE_REMOVALS = {
    "key pair": " with 'bai-manager user keypair dotfile delete {}'",
    "project": ": its administrators can, with 'bai-manager group dotfile delete'",
    "domain": ": its administrators can",
}


class ImageNotFound(NotFound):
    """No image has that name or alias, or the domain may not use its registry."""

    error_code = "image_read_not-found"

    def __init__(self, image: str, suggestions: Sequence[str] = ()) -> None:
        near = f" Did you mean {', '.join(suggestions)}?" if suggestions else ""
        super().__init__(
            f"No image {image!r} is known.{near}",
            hint="List what can run with 'bai-manager image list'.",
            details={"image": image, "suggestions": [*suggestions]},
        )


class NoSuchArchitecture(ImageNotFound):
    """The image is there, but not for that architecture."""

    def __init__(self, image: str, architecture: str, others: Sequence[str]) -> None:
        NotFound.__init__(
            self,
            f"Image {image!r} is not there for architecture {architecture!r},"
            f" but for {', '.join(others)}.",
            hint="Choose one of these with --architecture, or leave that out.",
            details={"image": image, "architecture": architecture, "architectures": [*others]},
        )


class ImageNotAllowed(ImageNotFound):
    """The image is there, and this user may not start sessions of it."""

    def __init__(self, image: str, why: str, hint: str) -> None:
        NotFound.__init__(
            self,
            f"Image {image!r} is not for this user: {why}.",
            hint=hint,
            details={"image": image},
        )


class ProjectNotFound(NotFound):
    """The owner belongs to no such active project."""

    error_code = "group_read_not-found"


class NoAvailableScalingGroup(Conflict):
    """No resource group is open to the owner for this kind of session."""

    error_code = "scaling-group_access_not-found"


class QuotaExceeded(InsufficientQuota):
    """Keypair, user, project or domain limit; the message names level, limit, used and asked."""

    error_code = "session_create_unavailable"


class NoAgentLargeEnough(InsufficientQuota):
    """No agent of the resource group could hold the request, even when empty."""

    error_code = "agent_schedule_unavailable"


class KernelCreationFailed(BackendAIError):
    """An agent could not start the session's kernels."""

    error_code = "kernel_create_internal-error"


class SessionEnded(Conflict):
    """The session ended, or was cancelled, while its running was awaited."""

    error_code = "session_start_canceled"


class SessionWaitTimedOut(TimedOut):
    """The session did not reach the awaited status in time; it goes on as it was."""

    error_code = "session_read_timeout"
