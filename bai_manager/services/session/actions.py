"""What can be done with sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import KeypairTarget, SessionTarget, SystemTarget, Target
from bai_manager.types.query import Query
from bai_manager.types.status import ClusterMode, SessionStatus, SessionType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from bai_manager.services.session.types import SessionData
    from bai_manager.types.mounts import MountRequest

ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionAction(Action[ResultT_co]):
    """One session, by name, id or unique id prefix.

    ``owner`` is the access key whose session it is; None means whichever visible session fits,
    the actor's own first, and is settled before the service sees the action.
    """

    entity_type: ClassVar[EntityType] = EntityType.SESSION

    session: str
    owner: str | None = None

    def target(self) -> Target:
        return SessionTarget(self.session, self.owner)

    def entity_id(self) -> str | None:
        return self.session


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionResult(ActionResult):
    """The session as it is now."""

    session: SessionData

    def entity_id(self) -> str | None:
        return str(self.session.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateSessionActionResult(SessionResult):
    """``created`` is False when an existing session was reused."""

    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateSessionAction(Action[CreateSessionActionResult]):
    """Create a session and, unless told otherwise, wait until it runs.

    ``resources`` are for each kernel, as typed (``{"cpu": "2", "mem": "4g"}``); what is missing
    comes from the image's minimum. ``depends_on`` are sessions that have to succeed first.
    ``timeout`` is in seconds; None waits without end. ``requester`` is settled before.
    """

    entity_type: ClassVar[EntityType] = EntityType.SESSION
    operation: ClassVar[Operation] = Operation.CREATE

    name: str
    image: str
    architecture: str | None = None
    owner: str | None = None
    session_type: SessionType = SessionType.INTERACTIVE
    resources: Mapping[str, str] = field(default_factory=dict)
    shmem: str | None = None
    cluster_size: int = 1
    cluster_mode: ClusterMode = ClusterMode.SINGLE_NODE
    domain: str | None = None
    group: str | None = None
    scaling_group: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None
    priority: int = 10
    startup_command: str | None = None
    bootstrap_script: str | None = None
    starts_at: datetime | None = None
    batch_timeout: int | None = None
    depends_on: tuple[str, ...] = ()
    requester: UUID | None = None
    mounts: tuple[MountRequest, ...] = ()
    reuse_if_exists: bool = False
    queue: bool = False
    wait: bool = True
    timeout: float | None = None

    def target(self) -> Target:
        return KeypairTarget(self.owner)

    def entity_id(self) -> str | None:
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListSessionsActionResult(ActionResult):
    """``sessions`` without kernels, in the order asked for."""

    sessions: list[SessionData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListSessionsAction(Action[ListSessionsActionResult]):
    """List sessions of one key pair (the actor's own when None), or of everybody.

    Without a status filter, ended sessions are left out unless ``include_ended``.
    """

    entity_type: ClassVar[EntityType] = EntityType.SESSION
    operation: ClassVar[Operation] = Operation.LIST

    owner: str | None = None
    everybody: bool = False
    include_ended: bool = False
    query: Query = field(default_factory=Query)

    def target(self) -> Target:
        return SystemTarget() if self.everybody else KeypairTarget(self.owner)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetSessionAction(SessionAction[SessionResult]):
    """Show one session with its kernels, ended ones included."""

    operation: ClassVar[Operation] = Operation.GET


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitSessionAction(SessionAction[SessionResult]):
    """Wait until the session has the status (or has passed it), or ``timeout`` seconds are over."""

    operation: ClassVar[Operation] = Operation.WAIT

    until: SessionStatus = SessionStatus.RUNNING
    timeout: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DestroySessionActionResult(ActionResult):
    """``status`` is ``cancelled`` for a session that had not started, ``terminated`` otherwise,
    and None when it had already ended (``reference/state-machines.md`` §7.4).
    ``dependents`` are those that were ended with it.
    """

    session_id: UUID
    name: str
    status: str | None
    terminated_at: datetime | None
    dependents: list[UUID] = field(default_factory=list)

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class DestroySessionAction(SessionAction[DestroySessionActionResult]):
    """Terminate a session and free its resources.

    With ``recursive`` the same owner's sessions that depend on it, however far, are ended first.
    """

    operation: ClassVar[Operation] = Operation.DESTROY

    forced: bool = False
    recursive: bool = False
    wait: bool = True
    timeout: float | None = None
