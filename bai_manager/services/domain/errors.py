"""What can go wrong with domains (codes: ``reference/services.md`` §9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.types.json import JsonValue


class DomainNotFound(NotFound):
    """No domain of that name exists, or none that the actor may see."""

    error_code = "domain_read_not-found"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no domain {name!r} among those you may see.",
            hint="List them with 'bai-manager domain list'.",
            details={"domain": name},
        )


class DomainAlreadyExists(Conflict):
    """The name is taken."""

    error_code = "domain_create_already-exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a domain {name!r} already.",
            hint=f"Change it with 'bai-manager domain update {name}', or give --if-not-exists to"
            " leave it as it is.",
            details={"domain": name},
        )


class ProjectPolicyMissing(Conflict):
    """The project that comes with a domain needs the policy ``default``."""

    error_code = "domain_create_conflict"

    def __init__(self, policy: str) -> None:
        super().__init__(
            f"The model store of the domain needs a project policy {policy!r}, and there is none.",
            hint=f"Create it with 'bai-manager policy project create {policy}', or give"
            " --no-model-store.",
            details={"policy": policy},
        )


class DomainCannotBeRenamed(Conflict):
    """Users, sessions or services refer to it by its name."""

    error_code = "domain_update_conflict"

    def __init__(self, name: str, counts: dict[str, int]) -> None:
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        super().__init__(
            f"The domain {name!r} cannot be renamed: its name is recorded in {said}.",
            hint="Create another domain and move the users there.",
            details={"domain": name, **counts},
        )


class DomainNotEmpty(Conflict):
    """Something in a domain keeps it from being purged; ``first`` names some of it."""

    error_code = "domain_purge_conflict"

    def __init__(
        self, name: str, count: int, what: str, first: Sequence[str], *, hint: str
    ) -> None:
        named: list[JsonValue] = [*first]
        shown = ", ".join(first)
        more = f" and {count - len(first)} more" if count > len(first) else ""
        super().__init__(
            f"The domain {name!r} has {count} {what if count > 1 else what[:-1]}: {shown}{more}.",
            hint=hint,
            details={"domain": name, "count": count, "first": named},
        )


class DomainHasActiveKernels(DomainNotEmpty):
    """Kernels in it have not ended."""

    def __init__(self, name: str, count: int, first: Sequence[str]) -> None:
        super().__init__(
            name,
            count,
            "live sessions",
            first,
            hint="End them first: bai-manager session list --all --filter"
            f" domain_name={name} -o name | bai-manager session destroy -",
        )


class DomainHasUsers(DomainNotEmpty):
    """Users belong to it, active or not."""

    def __init__(self, name: str, count: int, first: Sequence[str]) -> None:
        super().__init__(
            name,
            count,
            "users",
            first,
            hint="Purge them first, or move them with 'bai-manager user update': bai-manager user"
            f" list --filter domain_name={name}",
        )


class DomainHasGroups(DomainNotEmpty):
    """Projects belong to it, besides an empty model store."""

    def __init__(self, name: str, count: int, first: Sequence[str]) -> None:
        super().__init__(
            name,
            count,
            "projects",
            first,
            hint=f"Purge them first: bai-manager group list --filter domain_name={name}",
        )


class DomainHasActiveEndpoints(DomainNotEmpty):
    """Model services in it are not destroyed."""

    def __init__(self, name: str, count: int, first: Sequence[str]) -> None:
        super().__init__(
            name, count, "model services", first, hint="Delete the model services first."
        )


class DomainHasVFolders(DomainNotEmpty):
    """Folders in it are not deleted for good."""

    def __init__(self, name: str, count: int, first: Sequence[str]) -> None:
        super().__init__(
            name, count, "folders", first, hint="Purge the folders first, or move what is in them."
        )
