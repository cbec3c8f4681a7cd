"""What can go wrong with resource groups (codes: ``reference/services.md`` §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.services.scaling_group.types import ScalingGroupUse


class ScalingGroupNotFound(NotFound):
    """No resource group of that name exists, or none that the actor may see."""

    error_code = "scaling-group_read_not-found"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no resource group {name!r} among those you may see.",
            hint="List them with 'bai-manager scaling-group list'.",
            details={"scaling_group": name},
        )


class ScalingGroupAlreadyExists(Conflict):
    """The name is taken."""

    error_code = "scaling-group_create_already-exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a resource group {name!r} already.",
            hint=f"Change it with 'bai-manager scaling-group update {name}', or give"
            " --if-not-exists to leave it as it is.",
            details={"scaling_group": name},
        )


class ScalingGroupInUse(Conflict):
    """Agents, sessions, kernels or endpoints refer to it."""

    error_code = "scaling-group_purge_conflict"

    def __init__(self, name: str, use: ScalingGroupUse) -> None:
        counts = {
            "agent": use.agents,
            "live session": use.live_sessions,
            "ended session": use.ended_sessions,
            "kernel": use.kernels,
            "model service": use.endpoints,
        }
        said = ", ".join(
            f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts.items() if count
        )
        super().__init__(
            f"The resource group {name!r} is in use: {said}.",
            hint="The record of a session names its resource group for good. To use it no longer:"
            f" bai-manager scaling-group update {name} --inactive",
            details={
                "scaling_group": name,
                "agents": use.agents,
                "live_sessions": use.live_sessions,
                "ended_sessions": use.ended_sessions,
                "kernels": use.kernels,
                "endpoints": use.endpoints,
            },
        )


class ScalingGroupNotAssociated(NotFound):
    """None of what was to be dissociated was associated."""

    error_code = "scaling-group_update_not-found"

    def __init__(self, groups: Sequence[str]) -> None:
        super().__init__(
            f"The resource group {', '.join(groups)} is open to none of these.",
            hint="See whom it is open to with 'bai-manager scaling-group show'.",
            details={"scaling_groups": [*groups]},
        )


class NothingToAssociate(InvalidInput):
    """Neither a domain nor a project nor a key pair was named."""

    error_code = "scaling-group_update_invalid-parameters"

    def __init__(self) -> None:
        super().__init__(
            "Name at least one domain, project or key pair.",
            hint="For example: --domain default",
        )


class UnknownDomains(NotFound):
    """Some of the domains named do not exist."""

    error_code = "domain_read_not-found"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"There is no domain {', '.join(names)}.",
            hint="List them with 'bai-manager domain list'.",
            details={"domains": [*names]},
        )


class UnknownProjects(NotFound):
    """Some of the projects named do not exist, or several have the name."""

    error_code = "group_read_not-found"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"There is no one project {', '.join(names)}.",
            hint="Name it by its id or as DOMAIN/NAME.",
            details={"projects": [*names]},
        )


class UnknownKeypairs(NotFound):
    """Some of the access keys named do not exist."""

    error_code = "keypair_read_not-found"

    def __init__(self, access_keys: Sequence[str]) -> None:
        super().__init__(
            f"There is no key pair {', '.join(access_keys)}.",
            hint="List them with 'bai-manager user keypair list'.",
            details={"access_keys": [*access_keys]},
        )
