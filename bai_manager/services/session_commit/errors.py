"""What can go wrong when a session is kept (codes: ``reference/actions.md`` §5.3)."""

from __future__ import annotations

from bai_manager.errors import Conflict, InsufficientQuota, InvalidInput, NotFound


class InvalidImageName(InvalidInput):
    """The name is none that an image can have."""

    error_code = "image_create_invalid-parameters"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} is no name for an image.", hint="Letters, digits, '.', '-' and '_'."
        )


class CustomizedImageQuotaExceeded(InsufficientQuota):
    """The user's policy allows no more customized images."""

    error_code = "image_check-limit_forbidden"

    def __init__(self, limit: int, current: int) -> None:
        super().__init__(
            f"The user policy allows {limit} customized images, and there are {current}.",
            hint="Forget one with 'bai-manager image forget', or take the name of one.",
            details={"limit": limit, "current": current},
        )


class NoProjectRegistry(Conflict):
    """The session's project has no container registry."""

    error_code = "group_read_not-ready"

    def __init__(self, project: str) -> None:
        super().__init__(
            f"Project {project} names no container registry to keep images in.",
            hint="Keep the work folder in a file with 'bai-manager session commit'.",
            details={"project": project},
        )


class ProjectRegistryNotFound(NotFound):
    """The project names a container registry that there is not."""

    error_code = "container-registry_read_not-found"

    def __init__(self, project: str) -> None:
        super().__init__(
            f"The container registry that project {project} names is not there.",
            hint="List them with 'bai-manager container-registry list'.",
            details={"project": project},
        )
