"""Templates: requests for sessions that are kept by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.template.actions import (
    CreateTemplateActionResult,
    ListTemplatesActionResult,
    TemplateResult,
    UpdateTemplateActionResult,
)
from bai_manager.services.template.body import parse
from bai_manager.services.template.errors import TaskTemplateNotFound

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.repositories.owner import OwnerRepository
    from bai_manager.repositories.template import TemplateRepository
    from bai_manager.services.template.actions import (
        CreateTemplateAction,
        DeleteTemplateAction,
        GetTemplateAction,
        ListTemplatesAction,
        UpdateTemplateAction,
    )


class TemplateService:
    """Keeps templates."""

    def __init__(self, *, templates: TemplateRepository, owners: OwnerRepository) -> None:
        self._templates = templates
        self._owners = owners

    async def list_templates(self, action: ListTemplatesAction) -> ListTemplatesActionResult:
        """By name."""
        return ListTemplatesActionResult(
            templates=await self._templates.list_templates(
                action.query, visible=action.visible, include_deleted=action.include_deleted
            )
        )

    async def get_template(self, action: GetTemplateAction) -> TemplateResult:
        """One of them."""
        found = _settled(action.template_id, action.template)
        return TemplateResult(template=await self._templates.get_template(found))

    async def create_template(self, action: CreateTemplateAction) -> CreateTemplateActionResult:
        """Check it, and keep it."""
        spec = parse(action.body, name=action.name)
        owner = await self._owners.get_owner(action.owner or "")
        group_id = None
        if action.group is not None:
            group_id = await self._owners.resolve_project(
                owner, domain_name=owner.domain_name, project=action.group
            )
        template, created = await self._templates.create_template(
            spec,
            user_id=owner.user_id,
            domain_name=owner.domain_name,
            group_id=group_id,
            if_not_exists=action.if_not_exists,
        )
        return CreateTemplateActionResult(template=template, created=created)

    async def update_template(self, action: UpdateTemplateAction) -> UpdateTemplateActionResult:
        """Check what it becomes, and keep that."""
        found = _settled(action.template_id, action.template)
        template, changed = await self._templates.update_template(
            found,
            body=action.body,
            name=action.name,
            if_unchanged=action.if_unchanged,
        )
        return UpdateTemplateActionResult(template=template, changed=changed)

    async def delete_template(self, action: DeleteTemplateAction) -> TemplateResult:
        """Mark it as not active."""
        found = _settled(action.template_id, action.template)
        return TemplateResult(template=await self._templates.delete_template(found))


def _settled(template_id: UUID | None, template: str) -> UUID:
    if template_id is None:
        raise TaskTemplateNotFound(template)
    return template_id
