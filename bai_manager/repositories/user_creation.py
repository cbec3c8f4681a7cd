"""Inserting users: the rows that each of them has, for one or for many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, update

from bai_manager.models.group import association_groups_users
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.keypair import NewKeypair, insert_keypairs
from bai_manager.repositories.rbac import create_user_roles
from bai_manager.services.keypair.types import KeypairSpec
from bai_manager.types.status import UserRole, UserStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.services.user.types import NewUserSecrets, UserSpec

_ADMINS = frozenset({UserRole.SUPERADMIN, UserRole.ADMIN})


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUser:
    """A user to be inserted, and the projects that it joins, by their ids."""

    id: UUID
    spec: UserSpec
    secrets: NewUserSecrets
    projects: frozenset[UUID]


async def insert_users(connection: AsyncConnection, people: Sequence[NewUser]) -> None:
    """Users, each with a main key pair, memberships and a role of its own.

    The key pair is active if the user is, and an administrator's if the role is.
    """
    await connection.execute(insert(users), [_row_of(person) for person in people])
    await insert_keypairs(connection, [_main_keypair(person) for person in people])
    await connection.execute(
        update(users)
        .where(users.c.uuid.in_([person.id for person in people]), keypairs.c.user == users.c.uuid)
        .values(main_access_key=keypairs.c.access_key)
    )
    joined = [
        {"user_id": person.id, "group_id": group_id}
        for person in people
        for group_id in sorted(person.projects)
    ]
    if joined:
        await connection.execute(insert(association_groups_users), joined)
    await create_user_roles(connection, {person.id: person.spec.domain_name for person in people})


def _row_of(person: NewUser) -> dict[str, object]:
    spec = person.spec
    return {
        "uuid": person.id,
        "username": spec.username,
        "email": spec.email,
        "password": person.secrets.password_hash,
        "need_password_change": spec.need_password_change,
        "full_name": spec.full_name,
        "description": spec.description,
        "status": spec.status.value,
        "domain_name": spec.domain_name,
        "role": spec.role.value,
        "allowed_client_ip": _listed(spec.allowed_client_ip),
        "totp_activated": spec.totp_activated,
        "resource_policy": spec.resource_policy,
        "sudo_session_enabled": spec.sudo_session_enabled,
        "container_uid": spec.container_uid,
        "container_main_gid": spec.container_main_gid,
        "container_gids": _listed(spec.container_gids),
    }


def _main_keypair(person: NewUser) -> NewKeypair:
    spec = person.spec
    return NewKeypair(
        user_id=person.id,
        email=spec.email,
        access_key=person.secrets.access_key,
        secret_key=person.secrets.secret_key,
        ssh_keypair=person.secrets.ssh_keypair,
        spec=KeypairSpec(
            resource_policy=spec.keypair_resource_policy,
            rate_limit=spec.rate_limit,
            is_active=spec.status is UserStatus.ACTIVE,
            is_admin=spec.role in _ADMINS,
        ),
    )


def _listed(values: Sequence[object] | None) -> list[object] | None:
    return None if values is None else [*values]
