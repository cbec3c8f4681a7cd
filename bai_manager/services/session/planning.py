"""From a request to the rows to be: what has to be looked up on the way."""

from __future__ import annotations

import base64
import secrets
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from bai_manager.services.session.dotfiles import refuse_conflicts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from bai_manager.repositories.image import ImageRepository
    from bai_manager.repositories.open_groups import OpenGroupRepository
    from bai_manager.repositories.owner import OwnerRepository
    from bai_manager.services.session.request import SessionRequest
    from bai_manager.services.session.types_request import OwnerData, SessionSpec
    from bai_manager.types.clock import Clock
    from bai_manager.types.mounts import MountRequest, VFolderMount


class Mounts(Protocol):
    """Settles which folders a new session gets."""

    async def settle(
        self, requests: Sequence[MountRequest], owner: OwnerData, group_id: UUID
    ) -> tuple[VFolderMount, ...]: ...


async def plan_session(
    request: SessionRequest,
    *,
    images: ImageRepository,
    owners: OwnerRepository,
    scaling_groups: OpenGroupRepository,
    clock: Clock,
    mounts: Mounts | None = None,
) -> SessionSpec:
    """The session that the request would enqueue; nothing is written.

    Without ``mounts`` it is planned without folders.

    Raises what makes it impossible: no such image, project or resource group, slots that the
    image or the system cannot take, a folder and a dotfile in one place.
    """
    action = request.action
    owner = await owners.get_owner(action.owner or "")
    image = await images.resolve(action.image, action.architecture)
    requester = action.requester or owner.user_id
    request.check_image(
        image, requester, None if image.is_local else await owners.allowed_registries(requester)
    )
    domain_name = action.domain or owner.domain_name
    group_id = await owners.resolve_project(owner, domain_name=domain_name, project=action.group)
    allowed = await scaling_groups.allowed_groups(
        domain_name=domain_name, group_id=group_id, access_key=owner.access_key
    )
    group = request.choose_group(allowed)
    dotfiles = await owners.dotfiles(owner.access_key, group_id, domain_name)
    spec = request.build(
        session_id=uuid.uuid4(),
        creation_id=base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode(),
        owner=owner,
        image=image,
        domain_name=domain_name,
        group_id=group_id,
        scaling_group=group,
        agents=await scaling_groups.agents_of(group.name),
        dotfiles=dotfiles,
        now=clock(),
    )
    if mounts is None:
        return spec
    settled = await mounts.settle(action.mounts, owner, group_id)
    refuse_conflicts(dotfiles, settled)
    return replace(spec, mounts=settled)
