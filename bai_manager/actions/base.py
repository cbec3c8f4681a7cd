"""Actions and their results: data in, data out."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from bai_manager.actions.targets import Target


class EntityType(StrEnum):
    """What an action is about; the value is ``audit_logs.entity_type``."""

    SYSTEM = "system"
    SESSION = "session"
    KERNEL = "kernel"
    VFOLDER = "vfolder"
    VFOLDER_INVITATION = "vfolder_invitation"
    USER = "user"
    KEYPAIR = "keypair"
    GROUP = "group"
    DOMAIN = "domain"
    SCALING_GROUP = "scaling_group"
    KEYPAIR_RESOURCE_POLICY = "keypair_resource_policy"
    USER_RESOURCE_POLICY = "user_resource_policy"
    PROJECT_RESOURCE_POLICY = "project_resource_policy"
    RESOURCE_PRESET = "resource_preset"
    AGENT = "agent"
    IMAGE = "image"
    CONTAINER_REGISTRY = "container_registry"
    TEMPLATE = "template"
    METRIC = "metric"
    AUDIT = "audit"
    AUTH = "auth"


class Kind(StrEnum):
    """Whether an action changes anything: writes are audited before they run."""

    READ = "read"
    WRITE = "write"


class ActionResult:
    """What an action gives back; the fields are what ``-o json`` prints."""

    __slots__ = ()

    def entity_id(self) -> str | None:
        """The id for the audit row when the action itself could not know it (a create)."""
        return None


ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Action(Generic[ResultT_co]):
    """A request to one service method, decided and audited by the processor before it runs.

    Subclasses are frozen, keyword-only dataclasses of plain values and declare their noun,
    their operation and whether they write as class variables.
    """

    entity_type: ClassVar[EntityType]
    operation: ClassVar[str]
    kind: ClassVar[Kind]

    @abstractmethod
    def target(self) -> Target:
        """What access is decided against."""

    def entity_id(self) -> str | None:
        """The id or name that the audit row records, when known beforehand."""
        return None
