"""The audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.audit.actions import ListAuditLogsActionResult

if TYPE_CHECKING:
    from bai_manager.repositories.audit import AuditRepository
    from bai_manager.services.audit.actions import ListAuditLogsAction


class AuditService:
    """Reads what the processor recorded."""

    def __init__(self, *, audit: AuditRepository) -> None:
        self._audit = audit

    async def list_audit_logs(self, action: ListAuditLogsAction) -> ListAuditLogsActionResult:
        """Audit rows, newest first."""
        return ListAuditLogsActionResult(
            logs=await self._audit.list_logs(action.query, owner=action.owner)
        )
