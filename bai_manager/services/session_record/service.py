"""What is recorded about sessions, wherever it is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.session.kernels import chosen_kernel, ssh_ports
from bai_manager.services.session_record.actions import (
    DependencyEdge,
    GetAbusingReportActionResult,
    GetDependencyGraphActionResult,
    GetDirectAccessInfoActionResult,
    GetStatusHistoryActionResult,
    GetTimelineActionResult,
    MatchSessionsActionResult,
)
from bai_manager.types.status import PRIVATE_SESSION_TYPES

if TYPE_CHECKING:
    from bai_manager.actions.base import ActionResult
    from bai_manager.clients.live.abuse import AbuseReports
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.repositories.session_records import SessionRecordRepository
    from bai_manager.services.session.actions import SessionAction
    from bai_manager.services.session.types import SessionData
    from bai_manager.services.session_record.actions import (
        GetAbusingReportAction,
        GetDependencyGraphAction,
        GetDirectAccessInfoAction,
        GetStatusHistoryAction,
        GetTimelineAction,
        MatchSessionsAction,
    )


class SessionRecordService:
    """Reads; nothing here changes a session."""

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        records: SessionRecordRepository,
        abuse: AbuseReports,
    ) -> None:
        self._sessions = sessions
        self._records = records
        self._abuse = abuse

    async def match_sessions(self, action: MatchSessionsAction) -> MatchSessionsActionResult:
        """Sessions by the beginning of a name or id."""
        return MatchSessionsActionResult(
            matches=await self._records.match(action.prefix, action.owner)
        )

    async def get_status_history(
        self, action: GetStatusHistoryAction
    ) -> GetStatusHistoryActionResult:
        """When it entered each status."""
        session = await self._get(action)
        return GetStatusHistoryActionResult(
            session_id=session.id, status_history={**session.status_history}
        )

    async def get_timeline(self, action: GetTimelineAction) -> GetTimelineActionResult:
        """All that happened to it."""
        session = await self._get(action)
        return GetTimelineActionResult(
            session_id=session.id, entries=await self._records.timeline(session.id)
        )

    async def get_dependency_graph(
        self, action: GetDependencyGraphAction
    ) -> GetDependencyGraphActionResult:
        """All that it depends on."""
        session = await self._get(action)
        nodes = await self._records.dependency_graph(session.id)
        return GetDependencyGraphActionResult(
            session_id=session.id,
            nodes=nodes,
            edges=[
                DependencyEdge(session_id=node.session_id, depends_on=other)
                for node in nodes
                for other in node.depends_on
            ],
        )

    async def get_direct_access_info(
        self, action: GetDirectAccessInfoAction
    ) -> GetDirectAccessInfoActionResult:
        """Where SSH of a system session listens."""
        session = await self._get(action)
        if session.session_type not in PRIVATE_SESSION_TYPES:
            return GetDirectAccessInfoActionResult(session_id=session.id)
        kernel = chosen_kernel(session, None)
        return GetDirectAccessInfoActionResult(
            session_id=session.id,
            kernel_role=session.session_type.name,
            session_type=session.session_type.name,
            public_host=await self._records.public_host(kernel.agent),
            sshd_ports=ssh_ports(kernel),
        )

    async def get_abusing_report(
        self, action: GetAbusingReportAction
    ) -> GetAbusingReportActionResult:
        """What the watcher of its agent says of its main kernel."""
        session = await self._get(action)
        kernel = chosen_kernel(session, None)
        return GetAbusingReportActionResult(
            session_id=session.id,
            kernel=kernel.id,
            abuse_report=await self._abuse.read(kernel.id),
        )

    async def _get(self, action: SessionAction[ActionResult]) -> SessionData:
        return await self._sessions.get_session(action.session, action.owner)
