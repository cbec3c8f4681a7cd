"""Domains: the outermost tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.domain.actions import (
    CreateDomainActionResult,
    DeleteDomainActionResult,
    GetDomainActionResult,
    ListDomainsActionResult,
    PurgeDomainActionResult,
    UpdateDomainActionResult,
)
from bai_manager.services.domain.errors import DomainNotFound
from bai_manager.services.domain.types import DomainChanges, check_changes, check_spec

if TYPE_CHECKING:
    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.domain import DomainRepository
    from bai_manager.services.domain.actions import (
        CreateDomainAction,
        DeleteDomainAction,
        GetDomainAction,
        ListDomainsAction,
        PurgeDomainAction,
        UpdateDomainAction,
    )


class DomainService:
    """Reads and changes domains."""

    def __init__(self, *, domains: DomainRepository, memory: ManagerMemory) -> None:
        self._domains = domains
        self._memory = memory

    async def list_domains(self, action: ListDomainsAction) -> ListDomainsActionResult:
        """Domains that the actor may see, by name."""
        domains = await self._domains.list_domains(action.query, visible=action.visible)
        return ListDomainsActionResult(domains=domains)

    async def get_domain(self, action: GetDomainAction) -> GetDomainActionResult:
        """One domain and what is in it; raises ``DomainNotFound``."""
        domain = await self._domains.get_domain(action.domain, visible=action.visible)
        return GetDomainActionResult(domain=domain)

    async def create_domain(self, action: CreateDomainAction) -> CreateDomainActionResult:
        """Insert a domain; raises ``DomainAlreadyExists``, ``InvalidValue`` and what is missing."""
        check_spec(action.spec)
        domain, created = await self._domains.create_domain(
            action.spec,
            scaling_groups=action.scaling_groups,
            model_store=action.model_store,
            if_not_exists=action.if_not_exists,
        )
        return CreateDomainActionResult(domain=domain, created=created)

    async def update_domain(self, action: UpdateDomainAction) -> UpdateDomainActionResult:
        """Change what is given; raises ``RowChanged`` and ``DomainNotFound``."""
        check_changes(action.changes)
        domain, changed = await self._domains.update_domain(
            action.domain, action.changes, if_unchanged=action.if_unchanged
        )
        if changed:
            await self._memory.forget_room()
        return UpdateDomainActionResult(domain=domain, changed=changed)

    async def delete_domain(self, action: DeleteDomainAction) -> DeleteDomainActionResult:
        """Set a domain inactive; raises ``DomainNotFound``."""
        try:
            domain, changed = await self._domains.update_domain(
                action.domain, DomainChanges(is_active=False), if_unchanged=None
            )
        except DomainNotFound:
            if not action.ignore_not_found:
                raise
            return DeleteDomainActionResult(domain=None, changed=False)
        if changed:
            await self._memory.forget_room()
        return DeleteDomainActionResult(domain=domain, changed=bool(changed))

    async def purge_domain(self, action: PurgeDomainAction) -> PurgeDomainActionResult:
        """Remove a domain in which nothing lives.

        Raises, in this order, ``DomainNotFound``, ``DomainHasActiveKernels``, ``DomainHasUsers``,
        ``DomainHasGroups``, ``DomainHasActiveEndpoints`` and ``DomainHasVFolders``.
        """
        purged = await self._domains.purge_domain(
            action.domain, ignore_not_found=action.ignore_not_found
        )
        return PurgeDomainActionResult(domain=action.domain, purged=purged)
