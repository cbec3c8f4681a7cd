"""The states of things, the sets they form and how one follows another.

Source: ``reference/state-machines.md`` §1-§6 and ``reference/value-types.md`` §6, §12. Each
set is a constant beside its enumeration, so that SQL and rules name the same set.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bai_manager.types.choice import Choice
from bai_manager.types.errors import NoKernels, UnusedKernelStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SessionStatus(Choice):
    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    PREPARING = "PREPARING"
    PULLING = "PULLING"
    PREPARED = "PREPARED"
    CREATING = "CREATING"
    RUNNING = "RUNNING"
    RESTARTING = "RESTARTING"
    RUNNING_DEGRADED = "RUNNING_DEGRADED"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"

    def may_become(self, target: SessionStatus) -> bool:
        """Whether the checked path (``check_and_transit_status``) allows the step."""
        return target in SESSION_TRANSITIONS[self]


class KernelStatus(Choice):
    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    PREPARING = "PREPARING"
    BUILDING = "BUILDING"
    PULLING = "PULLING"
    PREPARED = "PREPARED"
    CREATING = "CREATING"
    RUNNING = "RUNNING"
    RESTARTING = "RESTARTING"
    RESIZING = "RESIZING"
    SUSPENDED = "SUSPENDED"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"

    def may_become(self, target: KernelStatus) -> bool:
        return target in KERNEL_TRANSITIONS[self]


_S = SessionStatus
_K = KernelStatus
_ALL_SESSIONS: Final = frozenset(SessionStatus)
_ALL_KERNELS: Final = frozenset(KernelStatus)

SESSION_DEAD: Final = frozenset({_S.CANCELLED, _S.TERMINATED})
"""ERROR is not dead: it still occupies its resources."""
SESSION_TERMINAL: Final = SESSION_DEAD | {_S.ERROR}
SESSION_OCCUPYING: Final = _ALL_SESSIONS - {_S.PENDING, _S.TERMINATED, _S.CANCELLED}
"""Includes ERROR and TERMINATING."""
SESSION_TERMINATABLE: Final = _ALL_SESSIONS - SESSION_TERMINAL - {_S.PENDING, _S.TERMINATING}
"""May be marked TERMINATING."""
SESSION_CANCELLABLE: Final = frozenset({_S.PENDING})
SESSION_RETRIABLE: Final = _ALL_SESSIONS - SESSION_DEAD - {_S.RUNNING, _S.TERMINATING}
"""May fall back to PENDING; ERROR is among them."""
SESSION_AWAITING_KERNELS: Final = frozenset({_S.PREPARING, _S.PULLING, _S.CREATING, _S.TERMINATING})
"""The status follows from the kernels'."""
SESSION_FOLLOWING: Final = frozenset({_S.PREPARED, _S.RUNNING, _S.TERMINATED})
"""Reached only when every kernel has; the others as soon as one has."""
SESSION_VISIBLE_BY_NAME: Final = _ALL_SESSIONS - SESSION_DEAD
SESSION_NAME_UNIQUE: Final = _ALL_SESSIONS - SESSION_TERMINAL
"""Two sessions in these states cannot have one name, whoever owns them."""

KERNEL_RESOURCE_OCCUPIED: Final = frozenset({_K.RUNNING, _K.TERMINATING})
"""Counted with ``occupied_slots``."""
KERNEL_RESOURCE_REQUESTED: Final = frozenset(
    {_K.SCHEDULED, _K.PREPARING, _K.PULLING, _K.PREPARED, _K.CREATING}
)
"""Counted with ``requested_slots``."""
KERNEL_OCCUPYING: Final = _ALL_KERNELS - {_K.PENDING, _K.TERMINATED, _K.CANCELLED}
KERNEL_USAGE: Final = frozenset({_K.TERMINATED, _K.RUNNING})
KERNEL_LIVE: Final = frozenset({_K.RUNNING})
KERNEL_DEAD: Final = frozenset({_K.CANCELLED, _K.TERMINATED})
KERNEL_TERMINAL: Final = KERNEL_DEAD | {_K.ERROR}
KERNEL_HAVING_CONTAINERS: Final = frozenset({_K.PULLING, _K.CREATING, _K.RUNNING})
KERNEL_TERMINATABLE: Final = _ALL_KERNELS - KERNEL_TERMINAL - {_K.PENDING, _K.TERMINATING}
KERNEL_RETRIABLE: Final = _ALL_KERNELS - KERNEL_DEAD - {_K.RUNNING, _K.TERMINATING}

_STOPPED_EARLY: Final = frozenset({_S.ERROR, _S.CANCELLED})
_ENDING: Final = frozenset({_S.TERMINATING, _S.TERMINATED, _S.ERROR})

SESSION_TRANSITIONS: Final[Mapping[SessionStatus, frozenset[SessionStatus]]] = MappingProxyType(
    {
        _S.PENDING: frozenset({_S.SCHEDULED}) | _STOPPED_EARLY,
        _S.SCHEDULED: frozenset({_S.PREPARING, _S.PULLING, _S.PREPARED}) | _STOPPED_EARLY,
        _S.PREPARING: frozenset({_S.PULLING, _S.PREPARED}) | _STOPPED_EARLY,
        _S.PULLING: frozenset({_S.PREPARED}) | _STOPPED_EARLY,
        _S.PREPARED: frozenset({_S.PREPARING}) | _STOPPED_EARLY,
        _S.CREATING: frozenset({_S.RUNNING}) | _STOPPED_EARLY,
        _S.RUNNING: frozenset({_S.RESTARTING, _S.RUNNING_DEGRADED}) | _ENDING,
        _S.RESTARTING: frozenset({_S.RUNNING, _S.RUNNING_DEGRADED}) | _ENDING,
        _S.RUNNING_DEGRADED: frozenset({_S.RUNNING}) | _ENDING,
        _S.TERMINATING: frozenset({_S.TERMINATED, _S.ERROR}),
        _S.ERROR: frozenset({_S.TERMINATING, _S.TERMINATED}),
        _S.TERMINATED: frozenset(),
        _S.CANCELLED: frozenset(),
    }
)
"""What ``check_and_transit_status`` may do; the scheduler has its own conditional updates."""

_KERNEL_STOPPED_EARLY: Final = frozenset({_K.CANCELLED, _K.ERROR})
_KERNEL_ENDING: Final = frozenset({_K.TERMINATING, _K.TERMINATED, _K.ERROR})
_UNUSED: Final = frozenset({_K.BUILDING, _K.RESTARTING, _K.RESIZING, _K.SUSPENDED})

KERNEL_TRANSITIONS: Final[Mapping[KernelStatus, frozenset[KernelStatus]]] = MappingProxyType(
    {
        _K.PENDING: frozenset({_K.SCHEDULED}) | _KERNEL_STOPPED_EARLY,
        _K.SCHEDULED: frozenset({_K.PREPARING, _K.PULLING, _K.PREPARED}) | _KERNEL_STOPPED_EARLY,
        _K.PREPARING: frozenset({_K.PULLING, _K.PREPARED}) | _KERNEL_STOPPED_EARLY,
        _K.PULLING: frozenset({_K.PREPARED}) | _KERNEL_STOPPED_EARLY,
        _K.PREPARED: frozenset({_K.CREATING}) | _KERNEL_STOPPED_EARLY,
        _K.CREATING: frozenset({_K.RUNNING, _K.CANCELLED}) | _KERNEL_ENDING,
        _K.RUNNING: frozenset({_K.RESTARTING, _K.RESIZING}) | _KERNEL_ENDING,
        **{
            status: _ALL_KERNELS - {status, _K.PENDING, _K.SCHEDULED, _K.TERMINATED}
            for status in _UNUSED
        },
        _K.TERMINATING: frozenset({_K.TERMINATED, _K.ERROR}),
        _K.ERROR: frozenset({_K.TERMINATING, _K.TERMINATED}),
        _K.TERMINATED: frozenset(),
        _K.CANCELLED: frozenset(),
    }
)

_SINGLE_KERNEL: Final[Mapping[KernelStatus, SessionStatus]] = {
    **{status: SessionStatus(status.value) for status in KernelStatus if status not in _UNUSED},
    _K.BUILDING: _S.PREPARING,
    _K.RESTARTING: _S.RESTARTING,
    _K.RESIZING: _S.RUNNING,
    _K.SUSPENDED: _S.ERROR,
}

# Candidate status -> kernel status -> next candidate; what is not listed is ERROR.
_NEXT_CANDIDATE: Final[Mapping[SessionStatus, Mapping[KernelStatus, SessionStatus]]] = {
    _S.PENDING: {_K.PENDING: _S.PENDING, _K.CANCELLED: _S.CANCELLED},
    _S.SCHEDULED: {
        _K.SCHEDULED: _S.SCHEDULED,
        _K.PREPARED: _S.SCHEDULED,
        _K.PULLING: _S.PULLING,
        _K.CANCELLED: _S.CANCELLED,
    },
    _S.PREPARING: {
        _K.PREPARING: _S.PREPARING,
        _K.PREPARED: _S.PREPARING,
        _K.PULLING: _S.PULLING,
        _K.CANCELLED: _S.CANCELLED,
    },
    _S.PULLING: {
        _K.PULLING: _S.PULLING,
        _K.PREPARING: _S.PULLING,
        _K.PREPARED: _S.PULLING,
        _K.CANCELLED: _S.CANCELLED,
    },
    _S.PREPARED: {
        _K.PREPARED: _S.PREPARED,
        _K.PREPARING: _S.PREPARING,
        _K.PULLING: _S.PULLING,
        _K.CANCELLED: _S.CANCELLED,
    },
    _S.CREATING: {
        _K.CREATING: _S.CREATING,
        _K.RUNNING: _S.CREATING,
        _K.CANCELLED: _S.CANCELLED,
    },
    _S.CANCELLED: dict.fromkeys(
        (_K.CANCELLED, _K.PENDING, _K.SCHEDULED, _K.PREPARING, _K.PULLING, _K.PREPARED),
        _S.CANCELLED,
    ),
    _S.RUNNING: {_K.RUNNING: _S.RUNNING, _K.CREATING: _S.CREATING},
    _S.TERMINATING: {_K.TERMINATING: _S.TERMINATING, _K.TERMINATED: _S.TERMINATING},
    _S.TERMINATED: {_K.TERMINATED: _S.TERMINATED, _K.TERMINATING: _S.TERMINATING},
}


def derive_session_status(kernels: Sequence[KernelStatus]) -> SessionStatus:
    """Say the session status that its kernels, in their order, imply (§1.3).

    The caller applies it only where ``SessionStatus.may_become`` allows the step. Raises
    ``NoKernels`` for an empty sequence and ``UnusedKernelStatus`` where one of several kernels
    is in a state the manager does not use.
    """
    if not kernels:
        raise NoKernels("a session without kernels has no status to derive")
    candidate = _SINGLE_KERNEL[kernels[0]]
    if len(kernels) == 1:
        return candidate
    for kernel in kernels:
        if kernel in _UNUSED:
            raise UnusedKernelStatus(f"a kernel is {kernel}, a status that is not used")
        candidate = _NEXT_CANDIDATE.get(candidate, {}).get(kernel, SessionStatus.ERROR)
        if candidate is SessionStatus.ERROR:
            break
    return candidate


class SessionResult(Choice):
    """Stored by name."""

    UNDEFINED = "undefined"
    SUCCESS = "success"
    FAILURE = "failure"


class SessionType(Choice):
    """Stored by name."""

    INTERACTIVE = "interactive"
    BATCH = "batch"
    INFERENCE = "inference"
    SYSTEM = "system"


PRIVATE_SESSION_TYPES: Final = frozenset({SessionType.SYSTEM})
"""SFTP sessions: counted apart and left out of resource sums."""


class ClusterMode(Choice):
    """Rows hold the value or, where the server default was used, the name: read with ``parse``."""

    SINGLE_NODE = "single-node"
    MULTI_NODE = "multi-node"


class NetworkType(Choice):
    VOLATILE = "volatile"
    PERSISTENT = "persistent"
    HOST = "host"


class AgentStatus(Choice):
    """Stored by name, which is the value here."""

    ALIVE = "ALIVE"
    LOST = "LOST"
    RESTARTING = "RESTARTING"
    TERMINATED = "TERMINATED"


AGENT_UNAVAILABLE: Final = frozenset({AgentStatus.LOST, AgentStatus.TERMINATED})


class VFolderStatus(Choice):
    """Stored by value; ``status_history`` has the names as keys."""

    READY = "ready"
    PERFORMING = "performing"
    CLONING = "cloning"
    MOUNTED = "mounted"
    ERROR = "error"
    DELETE_PENDING = "delete-pending"
    DELETE_ONGOING = "delete-ongoing"
    DELETE_COMPLETE = "delete-complete"
    DELETE_ERROR = "delete-error"


_V = VFolderStatus

VFOLDER_UPDATABLE: Final = frozenset({_V.READY, _V.MOUNTED})
VFOLDER_MOUNTABLE: Final = VFOLDER_UPDATABLE | {_V.PERFORMING, _V.CLONING}
VFOLDER_READABLE: Final = VFOLDER_MOUNTABLE | {_V.ERROR, _V.DELETE_PENDING}
VFOLDER_DELETABLE: Final = frozenset({_V.READY})
VFOLDER_PURGABLE: Final = frozenset({_V.DELETE_PENDING, _V.DELETE_COMPLETE})
VFOLDER_RECOVERABLE: Final = frozenset({_V.DELETE_PENDING})
VFOLDER_INACCESSIBLE: Final = frozenset({_V.DELETE_COMPLETE})
VFOLDER_SOFT_DELETED: Final = frozenset({_V.DELETE_PENDING, _V.DELETE_ONGOING})
VFOLDER_HARD_DELETED: Final = frozenset({_V.DELETE_COMPLETE, _V.DELETE_ERROR})
VFOLDER_DEAD: Final = VFOLDER_SOFT_DELETED | VFOLDER_HARD_DELETED
VFOLDER_DELETABLE_FOREVER: Final = frozenset({_V.DELETE_PENDING})
VFOLDER_DELETABLE_BY_FORCE: Final = VFOLDER_SOFT_DELETED | {_V.READY, _V.DELETE_ERROR}


class VFolderUsageMode(Choice):
    GENERAL = "general"
    MODEL = "model"
    DATA = "data"


class VFolderOwnershipType(Choice):
    USER = "user"
    GROUP = "group"


class VFolderInvitationState(Choice):
    PENDING = "pending"
    CANCELED = "canceled"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class UserStatus(Choice):
    """Only ``active`` counts as active."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DELETED = "deleted"
    BEFORE_VERIFICATION = "before-verification"


class UserRole(Choice):
    SUPERADMIN = "superadmin"
    ADMIN = "admin"
    USER = "user"
    MONITOR = "monitor"


class ProjectType(Choice):
    GENERAL = "general"
    MODEL_STORE = "model-store"


class ImageStatus(Choice):
    ALIVE = "ALIVE"
    DELETED = "DELETED"


class ImageType(Choice):
    """Stored by name."""

    COMPUTE = "compute"
    SYSTEM = "system"
    SERVICE = "service"


class ContainerRegistryType(Choice):
    DOCKER = "docker"
    HARBOR = "harbor"
    HARBOR2 = "harbor2"
    GITHUB = "github"
    GITLAB = "gitlab"
    ECR = "ecr"
    ECR_PUBLIC = "ecr-public"
    LOCAL = "local"


class EndpointLifecycle(Choice):
    PENDING = "pending"
    CREATED = "created"
    SCALING = "scaling"
    READY = "ready"
    DESTROYING = "destroying"
    DESTROYED = "destroyed"


ENDPOINT_INACTIVE: Final = frozenset({EndpointLifecycle.DESTROYING, EndpointLifecycle.DESTROYED})
ENDPOINT_ACTIVE: Final = frozenset(EndpointLifecycle) - ENDPOINT_INACTIVE
ENDPOINT_NEEDING_SCALING: Final = frozenset({EndpointLifecycle.CREATED, EndpointLifecycle.READY})


class RouteStatus(Choice):
    PROVISIONING = "provisioning"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DEGRADED = "degraded"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    FAILED_TO_START = "failed_to_start"


ROUTE_INACTIVE: Final = frozenset(
    {RouteStatus.TERMINATING, RouteStatus.TERMINATED, RouteStatus.FAILED_TO_START}
)
ROUTE_ACTIVE: Final = frozenset(RouteStatus) - ROUTE_INACTIVE
