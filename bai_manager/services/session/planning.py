"""From a request to the rows to be: what has to be looked up on the way."""

from __future__ import annotations

import base64
import secrets
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bai_manager.repositories.image import ImageRepository
    from bai_manager.repositories.open_groups import OpenGroupRepository
    from bai_manager.repositories.owner import OwnerRepository
    from bai_manager.services.session.request import SessionRequest
    from bai_manager.services.session.types import SessionSpec
    from bai_manager.types.clock import Clock


async def plan_session(
    request: SessionRequest,
    *,
    images: ImageRepository,
    owners: OwnerRepository,
    scaling_groups: OpenGroupRepository,
    clock: Clock,
) -> SessionSpec:
    """The session that the request would enqueue; nothing is written.

    Raises what makes it impossible: no such image, project or resource group, slots that the
    image or the system cannot take.
    """
    action = request.action
    owner = await owners.get_owner(action.owner or "")
    image = await images.resolve(action.image, action.architecture)
    domain_name = action.domain or owner.domain_name
    group_id = await owners.resolve_project(owner, domain_name=domain_name, project=action.group)
    allowed = await scaling_groups.allowed_groups(
        domain_name=domain_name, group_id=group_id, access_key=owner.access_key
    )
    group = request.choose_group(allowed)
    return request.build(
        session_id=uuid.uuid4(),
        creation_id=base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode(),
        owner=owner,
        image=image,
        domain_name=domain_name,
        group_id=group_id,
        scaling_group=group,
        agents=await scaling_groups.agents_of(group.name),
        now=clock(),
    )
