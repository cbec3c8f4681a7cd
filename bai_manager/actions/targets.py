"""What an action is aimed at, as far as access is concerned.

An action names its target as the caller wrote it; ``TargetScope`` is what the database says
about it, and the access rules compare that with the actor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.actor import Actor
    from bai_manager.types.folder_access import FolderAccess
    from bai_manager.types.status import UserRole


@dataclass(frozen=True, slots=True)
class SystemTarget:
    """The whole installation: every domain, every user."""


@dataclass(frozen=True, slots=True)
class DomainTarget:
    """Everything in one domain."""

    domain_name: str


@dataclass(frozen=True, slots=True)
class ProjectTarget:
    """One project (group) that the actor may see: by name, ``DOMAIN/NAME``, id or id prefix."""

    project: str


@dataclass(frozen=True, slots=True)
class UserTarget:
    """One user, by e-mail, user name, id or id prefix."""

    user: str


@dataclass(frozen=True, slots=True)
class KeypairTarget:
    """Everything that belongs to one key pair; ``None`` is the actor's own."""

    access_key: str | None = None


@dataclass(frozen=True, slots=True)
class SessionTarget:
    """One session by name, id or unique id prefix; without an owner, the ones the actor may see."""

    session: str
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class KernelTarget:
    """One kernel by id or unique id prefix."""

    kernel: str


@dataclass(frozen=True, slots=True)
class ImageTarget:
    """One image by canonical name, alias or id; it belongs to whom it was customized for."""

    image: str
    architecture: str | None = None


@dataclass(frozen=True, slots=True)
class FolderTarget:
    """One virtual folder that the actor may reach, by name, id or unique id prefix.

    Of several of a name the actor's own is meant, then a shared one, then a project's; folders
    in the trash come last, or first with ``in_trash``.
    """

    folder: str
    in_trash: bool = False


@dataclass(frozen=True, slots=True)
class InvitationTarget:
    """One invitation to a virtual folder that the actor may see, by id or unique id prefix.

    It belongs to whoever was invited, and with ``as_inviter`` to whoever invited.
    """

    invitation: str
    as_inviter: bool = False


@dataclass(frozen=True, slots=True)
class TemplateTarget:
    """One template that the actor may see, by id, the beginning of it, or name."""

    template: str


@dataclass(frozen=True, slots=True)
class VisibleTarget:
    """Whatever the actor may see; the processor fills in the action's ``visible`` field.

    As a scope it is the actor's own domain and the actor's own things.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Visibility:
    """How far an actor sees: one domain, one user's own, or without a bound where None."""

    domain_name: str | None = None
    user_id: UUID | None = None


Target: TypeAlias = (
    SystemTarget
    | VisibleTarget
    | DomainTarget
    | ProjectTarget
    | UserTarget
    | KeypairTarget
    | SessionTarget
    | KernelTarget
    | ImageTarget
    | FolderTarget
    | InvitationTarget
    | TemplateTarget
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetScope:
    """Where a target lies: its domain, its owner and how privileged that owner is.

    ``owner_access_key`` is set for what belongs to a key pair; the processor hands it to actions
    that left their owner open. ``group_id`` is set for a project, and handed to every action that
    has a field for it; ``is_model_store`` is its type. ``folder`` is set for a virtual folder, and
    handed to every action that has a field ``access``. ``session_id`` is the session that was
    meant, and is what the action goes on with: names pass from one session to another. All are
    None for the whole system.
    """

    domain_name: str | None = None
    owner_user_id: UUID | None = None
    owner_role: UserRole | None = None
    owner_access_key: str | None = None
    group_id: UUID | None = None
    actor_is_member: bool = False
    is_model_store: bool = False
    invitation_id: UUID | None = None
    template_id: UUID | None = None
    folder: FolderAccess | None = None
    session_id: UUID | None = None


class TargetDirectory(Protocol):
    """Looks targets up; raises the noun's not-found error when the actor could not see it."""

    async def locate(self, target: Target, actor: Actor) -> TargetScope: ...
