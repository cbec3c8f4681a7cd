"""What a request for a session is checked against, and what it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.services.session.errors import InvalidSessionParameters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.json import JsonObject
    from bai_manager.types.mounts import VFolderMount
    from bai_manager.types.resource_slot import ResourceSlot
    from bai_manager.types.status import ClusterMode, SessionType

_PRIORITIES: Final = range(101)


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelSpec:
    """One kernel of a session to be created."""

    cluster_role: str
    cluster_idx: int
    local_rank: int
    cluster_hostname: str
    requested_slots: ResourceSlot


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionSpec:
    """A checked session request, ready to be enqueued; slots are for each kernel."""

    id: UUID
    creation_id: str
    name: str
    session_type: SessionType
    priority: int
    cluster_mode: ClusterMode
    kernels: tuple[KernelSpec, ...]
    image: str
    registry: str
    architecture: str
    access_key: str
    user_id: UUID
    group_id: UUID
    domain_name: str
    scaling_group: str
    tag: str | None
    environ: Mapping[str, str]
    resource_opts: JsonObject
    internal_data: JsonObject
    startup_command: str | None
    bootstrap_script: str | None
    starts_at: datetime | None
    batch_timeout: int | None
    queue: bool
    created_at: datetime
    depends_on: tuple[str, ...] = ()
    mounts: tuple[VFolderMount, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageData:
    """One image row as sessions need it; ``labels`` as stored, ``resources`` custom limits."""

    id: UUID
    name: str
    registry: str
    project: str | None
    tag: str | None
    architecture: str
    digest: str
    is_local: bool
    labels: Mapping[str, str]
    resources: JsonObject
    aliases: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnerData:
    """Whose session it will be: the key pair, its user, and what new sessions inherit."""

    access_key: str
    user_id: UUID
    email: str
    username: str
    domain_name: str
    bootstrap_script: str
    sudo_session_enabled: bool


def check_priority(priority: int) -> None:
    """0 to 100, higher first; raises ``InvalidSessionParameters``."""
    if priority not in _PRIORITIES:
        raise InvalidSessionParameters(
            f"Priority {priority} is outside 0 to 100.", hint="The default is 10."
        )
