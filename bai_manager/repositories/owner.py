"""Who a session is created for: the key pair's user and the project it counts against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, select

from bai_manager.models.domain import domains
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.people import resolve_user
from bai_manager.services.auth.types import IdentityData
from bai_manager.services.resource_preset.errors import NoKeypair
from bai_manager.services.session.errors import ProjectNotFound
from bai_manager.services.session.types_request import OwnerData
from bai_manager.types.dotfiles import DotfileGiver, merged_dotfiles
from bai_manager.types.status import UserRole

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.repositories.database import Database
    from bai_manager.types.dotfiles import GivenDotfile


class OwnerRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_owner(self, access_key: str) -> OwnerData:
        """The user behind an access key that the access validator has already seen."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    select(
                        keypairs.c.access_key,
                        keypairs.c.bootstrap_script,
                        users.c.uuid,
                        users.c.email,
                        users.c.username,
                        users.c.domain_name,
                        users.c.sudo_session_enabled,
                    )
                    .join(users, users.c.uuid == keypairs.c.user)
                    .where(keypairs.c.access_key == access_key)
                )
            ).one()
        return OwnerData(
            access_key=row.access_key,
            user_id=row.uuid,
            email=row.email,
            username=row.username or "",
            domain_name=row.domain_name,
            bootstrap_script=row.bootstrap_script,
            sudo_session_enabled=row.sudo_session_enabled,
        )

    async def allowed_registries(self, user_id: UUID) -> frozenset[str]:
        """The registries that the user's domain takes images from."""
        async with self._database.transaction() as connection:
            found = await connection.scalar(
                select(domains.c.allowed_docker_registries)
                .join(users, users.c.domain_name == domains.c.name)
                .where(users.c.uuid == user_id)
            )
        return frozenset(found or ())

    async def main_access_key(self, user: str) -> str:
        """The key pair that a user acts with: the main one, or the oldest active one.

        Raises ``NoKeypair``, and as ``resolve_user``.
        """
        async with self._database.transaction() as connection:
            user_id = await resolve_user(connection, user)
            found: str | None = await connection.scalar(
                select(keypairs.c.access_key)
                .join(users, users.c.uuid == keypairs.c.user)
                .where(users.c.uuid == user_id, keypairs.c.is_active)
                .order_by(
                    (keypairs.c.access_key == users.c.main_access_key).desc().nulls_last(),
                    keypairs.c.created_at,
                    keypairs.c.access_key,
                )
                .limit(1)
            )
        if found is None:
            raise NoKeypair(user)
        return found

    async def resolve_project(
        self, owner: OwnerData, *, domain_name: str, project: str | None
    ) -> UUID:
        """The active project of the owner's domain that the owner is a member of.

        Without a name, the only one, or the one called ``default``. Raises ``ProjectNotFound``
        (``reference/actions.md`` §7.2).
        """
        async with self._database.transaction() as connection:
            rows = (
                await connection.execute(
                    select(groups.c.id, groups.c.name)
                    .select_from(
                        groups.join(
                            association_groups_users,
                            and_(
                                association_groups_users.c.group_id == groups.c.id,
                                association_groups_users.c.user_id == owner.user_id,
                            ),
                        ).join(domains, domains.c.name == groups.c.domain_name)
                    )
                    .where(
                        groups.c.is_active, domains.c.is_active, groups.c.domain_name == domain_name
                    )
                    .order_by(groups.c.name != "default", groups.c.name)
                )
            ).all()
        chosen = [row for row in rows if project in {None, row.name, str(row.id)}]
        if not chosen:
            names = ", ".join(row.name for row in rows) or "none"
            wanted = f"project {project!r}" if project else "any project"
            raise ProjectNotFound(
                f"{owner.email} is no member of {wanted} in domain {domain_name!r}.",
                hint=f"Projects of this user there: {names}.",
                details={"projects": [row.name for row in rows]},
            )
        project_id: UUID = chosen[0].id
        return project_id

    async def dotfiles(
        self, access_key: str, group_id: UUID, domain_name: str
    ) -> tuple[GivenDotfile, ...]:
        """What sessions find in their home (``reference/value-types.md`` §12.1).

        Raises ``UnreadableDotfiles``.
        """
        packed = {
            DotfileGiver.KEYPAIR: select(keypairs.c.dotfiles).where(
                keypairs.c.access_key == access_key
            ),
            DotfileGiver.PROJECT: select(groups.c.dotfiles).where(groups.c.id == group_id),
            DotfileGiver.DOMAIN: select(domains.c.dotfiles).where(domains.c.name == domain_name),
        }
        statement = select(*(one.scalar_subquery() for one in packed.values()))
        async with self._database.transaction() as connection:
            row = (await connection.execute(statement)).one()
        return merged_dotfiles(dict(zip(packed, row, strict=True)))

    async def get_identity(self, access_key: str) -> IdentityData:
        """The user behind an access key, with policy and projects."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    select(
                        users.c.uuid,
                        users.c.email,
                        users.c.username,
                        users.c.role,
                        users.c.domain_name,
                        keypairs.c.access_key,
                        keypairs.c.resource_policy,
                    )
                    .join(users, users.c.uuid == keypairs.c.user)
                    .where(keypairs.c.access_key == access_key)
                )
            ).one()
            projects = await connection.scalars(
                select(groups.c.name)
                .join(association_groups_users, association_groups_users.c.group_id == groups.c.id)
                .where(association_groups_users.c.user_id == row.uuid, groups.c.is_active)
                .order_by(groups.c.name)
            )
            return IdentityData(
                user_id=row.uuid,
                email=row.email,
                username=row.username or "",
                role=UserRole.parse(row.role or UserRole.USER),
                domain_name=row.domain_name or "",
                access_key=row.access_key,
                resource_policy=row.resource_policy,
                projects=list(projects),
            )
