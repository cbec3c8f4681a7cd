"""The seeded world with quick passwords and keys: for tests of users, key pairs and projects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, update

from bai_manager.clients.cluster.memory import NoMemory
from bai_manager.models.endpoint import endpoint_tokens, endpoints, routings
from bai_manager.models.session import sessions
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions, vfolders
from bai_manager.repositories.keypair import KeypairRepository
from bai_manager.repositories.usage import UsageRepository
from bai_manager.repositories.user import UserRepository
from bai_manager.repositories.user_purge import UserPurgeRepository
from bai_manager.services.keypair.service import KeypairService
from bai_manager.services.session.actions import DestroySessionActionResult
from bai_manager.services.user.service import UserService
from bai_manager.types.credentials import Secret
from bai_manager.types.password import hash_password
from bai_manager.types.ssh_keys import SSHKeypair
from tests.tenants import Site, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Insert

    from bai_manager.app import App
    from bai_manager.services.session.actions import DestroySessionAction
    from tests.conftest import Shape
    from tests.seeds import Person
    from tests.tenants import Seeded

SSH_KEYPAIR = SSHKeypair(public_key="ssh-rsa AAAA\n", private_key=Secret("made up\n"))


def quick_hash(password: Secret) -> str:
    return hash_password(password, rounds=2)


class Destroyer:
    """Ends sessions by their rows alone, and remembers which."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.ended: list[DestroySessionAction] = []

    async def destroy_session(self, action: DestroySessionAction) -> DestroySessionActionResult:
        self.ended.append(action)
        session_id = UUID(action.session)
        await end_session(self._site, session_id)
        return DestroySessionActionResult(
            session_id=session_id, name="", status="terminated", terminated_at=None
        )


async def end_session(site: Site, session_id: UUID, status: str = "TERMINATED") -> None:
    from bai_manager.models.session import kernels  # noqa: PLC0415

    await site.execute(
        update(sessions).where(sessions.c.id == session_id).values(status=status),
        update(kernels).where(kernels.c.session_id == session_id).values(status=status),
    )


class PeopleSite(Site):
    """``site`` whose services hash quickly, make no real keys, and destroy by rows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.destroyer = Destroyer(self)

    def app(self, who: Person | None = None) -> App:
        app = super().app(who)
        new_key = lambda: SSH_KEYPAIR  # noqa: E731
        token = _counting()
        app.user_service = UserService(
            users=UserRepository(app.database),
            purges=UserPurgeRepository(app.database),
            usage=UsageRepository(app.database),
            sessions=self.destroyer,
            hash_password=quick_hash,
            new_ssh_keypair=new_key,
            token=token,
            clock=app._clock,
            memory=NoMemory(),
        )
        app.keypair_service = KeypairService(
            keypairs=KeypairRepository(app.database),
            new_ssh_keypair=new_key,
            token=token,
            memory=NoMemory(),
        )
        app.auth_service._hash_password = quick_hash
        app.group_service._sessions = self.destroyer
        return app


def _counting() -> Any:
    """Random enough: what it gives is never the same twice in one test."""
    return lambda count: (uuid4().bytes * 4)[:count]


@pytest.fixture
async def people(seeded: Seeded, tmp_path: Path) -> AsyncIterator[Site]:
    """The seeded world; whatever is done to it is rolled back."""
    url, world = await asyncio.to_thread(seeded, "oneshot")
    async for one in opened(PeopleSite(url, world, tmp_path, rolled_back=True)):
        yield one


@pytest.fixture
async def shaped_people(seeded: Seeded, shape: Shape, tmp_path: Path) -> AsyncIterator[Site]:
    """As ``people``, in each of the two shapes."""
    url, world = await asyncio.to_thread(seeded, shape)
    async for one in opened(PeopleSite(url, world, tmp_path, rolled_back=True)):
        yield one


async def one_row(site: Site, table: Any, *conditions: Any) -> Any:
    """The only row of a table that meets the conditions."""
    (row,) = await site.rows(select(table).where(*conditions))
    return row


def folder(name: str, owner: Person, **changed: Any) -> Insert:
    """A folder of a user, or of a project where ``group`` is given."""
    group = changed.get("group")
    values: dict[str, Any] = {
        "id": uuid4(),
        "host": "local:volume1",
        "domain_name": owner.domain_name,
        "quota_scope_id": f"project:{group}" if group else f"user:{owner.user_id}",
        "name": name,
        "usage_mode": "general",
        "permission": "rw",
        "creator": owner.email,
        "ownership_type": "group" if group else "user",
        "user": None if group else owner.user_id,
        "group": group,
        "cloneable": False,
        "status": "ready",
        "status_history": {},
    }
    return insert(vfolders).values({**values, **changed})


def shared(folder_id: UUID, with_whom: Person) -> Insert:
    return insert(vfolder_permissions).values(
        vfolder=folder_id, user=with_whom.user_id, permission="ro"
    )


def invited(folder_id: UUID, inviter: Person, invitee: Person) -> Insert:
    return insert(vfolder_invitations).values(
        vfolder=folder_id,
        inviter=inviter.email,
        invitee=invitee.email,
        state="pending",
        permission="ro",
    )


def endpoint(owner: Person, image_id: UUID, **changed: Any) -> Insert:
    """A model service that is ready."""
    values = {
        "id": uuid4(),
        "name": "chat",
        "created_user": owner.user_id,
        "session_owner": owner.user_id,
        "replicas": 1,
        "image": image_id,
        "domain": owner.domain_name,
        "project": owner.project_id,
        "resource_group": "default",
        "lifecycle_stage": "ready",
        "runtime_variant": "custom",
        "resource_slots": {},
    }
    return insert(endpoints).values({**values, **changed})


def route(endpoint_id: UUID, owner: Person, session_id: UUID | None) -> Insert:
    return insert(routings).values(
        endpoint=endpoint_id,
        session=session_id,
        session_owner=owner.user_id,
        domain=owner.domain_name,
        project=owner.project_id,
        status="healthy",
        traffic_ratio=1.0,
    )


def token(endpoint_id: UUID, owner: Person) -> Insert:
    return insert(endpoint_tokens).values(
        id=uuid4(),
        token="t",
        endpoint=endpoint_id,
        session_owner=owner.user_id,
        domain=owner.domain_name,
        project=owner.project_id,
    )


async def mount(site: Site, session_id: UUID, folder_id: UUID, owner: Person) -> None:
    """As a manager writes it: the folder is named by quota scope and hex."""
    vfid = f"user:{owner.user_id}/{folder_id.hex}"
    await site.execute(
        update(sessions)
        .where(sessions.c.id == session_id)
        .values(vfolder_mounts=[{"name": "data", "vfid": vfid, "host_path": "/mnt/data"}])
    )
