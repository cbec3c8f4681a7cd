"""What a template looks like from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.types.choice import Choice

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.json import JsonObject


class TemplateType(Choice):
    """Stored by name: a task is one kernel, a cluster several that are tasks."""

    TASK = "task"
    CLUSTER = "cluster"


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateSpec:
    """A checked template. ``body`` is as stored: keys in snake case, defaults filled in."""

    name: str
    type: TemplateType
    body: JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateData:
    """One ``session_templates`` row; a password of its git section is ``*****``."""

    id: UUID
    name: str | None
    type: TemplateType
    domain_name: str
    group_id: UUID | None
    group_name: str | None
    user_id: UUID
    user_email: str | None
    is_active: bool
    created_at: datetime | None
    template: JsonObject
    version: str
