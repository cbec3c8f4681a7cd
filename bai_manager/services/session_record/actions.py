"""What can be asked of what is recorded about sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import KeypairTarget, Target
from bai_manager.services.session.actions import SessionAction

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.services.session_record.types import (
        GraphNode,
        SessionMatch,
        TimelineEntry,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchSessionsActionResult(ActionResult):
    """``matches`` newest first, ended ones included."""

    matches: list[SessionMatch]


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchSessionsAction(Action[MatchSessionsActionResult]):
    """Find one owner's sessions by name or id, or by the beginning of one."""

    entity_type: ClassVar[EntityType] = EntityType.SESSION
    operation: ClassVar[Operation] = Operation.MATCH

    prefix: str
    owner: str | None = None

    def target(self) -> Target:
        return KeypairTarget(self.owner)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetStatusHistoryActionResult(ActionResult):
    """``status_history`` maps each status to the last time it was entered (RFC 3339)."""

    session_id: UUID
    status_history: dict[str, str]

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetStatusHistoryAction(SessionAction[GetStatusHistoryActionResult]):
    """When a session entered each status."""

    operation: ClassVar[Operation] = Operation.GET_STATUS_HISTORY


@dataclass(frozen=True, kw_only=True, slots=True)
class GetTimelineActionResult(ActionResult):
    """``entries`` in the order of time."""

    session_id: UUID
    entries: list[TimelineEntry]


@dataclass(frozen=True, kw_only=True, slots=True)
class GetTimelineAction(SessionAction[GetTimelineActionResult]):
    """All that happened to a session: its statuses, those of its kernels, and who did what."""

    operation: ClassVar[Operation] = Operation.GET_TIMELINE


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyEdge:
    """``session_id`` waits for ``depends_on``."""

    session_id: UUID
    depends_on: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class GetDependencyGraphActionResult(ActionResult):
    """The session asked for and all it depends on, however far; the first node is that session."""

    session_id: UUID
    nodes: list[GraphNode]
    edges: list[DependencyEdge]

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetDependencyGraphAction(SessionAction[GetDependencyGraphActionResult]):
    """What a session depends on, and what that depends on."""

    operation: ClassVar[Operation] = Operation.GET_DEPENDENCY_GRAPH


@dataclass(frozen=True, kw_only=True, slots=True)
class GetDirectAccessInfoActionResult(ActionResult):
    """Where SSH of a system session listens; all None, and no port, for other sessions."""

    session_id: UUID
    kernel_role: str | None = None
    session_type: str | None = None
    public_host: str | None = None
    sshd_ports: list[int] = field(default_factory=list)

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetDirectAccessInfoAction(SessionAction[GetDirectAccessInfoActionResult]):
    """How to reach a system session (SFTP) without the app proxy."""

    operation: ClassVar[Operation] = Operation.GET_DIRECT_ACCESS_INFO


@dataclass(frozen=True, kw_only=True, slots=True)
class GetAbusingReportActionResult(ActionResult):
    """``abuse_report`` of the main kernel: detected, cleaning, or None."""

    session_id: UUID
    kernel: UUID
    abuse_report: str | None

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetAbusingReportAction(SessionAction[GetAbusingReportActionResult]):
    """Whether the agent's watcher reports abuse by a session's main kernel."""

    operation: ClassVar[Operation] = Operation.GET_ABUSING_REPORT
