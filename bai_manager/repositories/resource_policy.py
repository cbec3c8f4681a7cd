"""``keypair_``, ``user_`` and ``project_resource_policies``: three tables that live alike."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sqlalchemy import Text, cast, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.resource_policy import (
    keypair_resource_policies,
    project_resource_policies,
    user_resource_policies,
)
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.query import Field, apply_query, names_in
from bai_manager.repositories.versions import check_version, version_of
from bai_manager.services.keypair_resource_policy import errors as keypair_errors
from bai_manager.services.keypair_resource_policy import types as keypair_types
from bai_manager.services.keypair_resource_policy.types import (
    KeypairResourcePolicyChanges,
    KeypairResourcePolicyData,
    KeypairResourcePolicySpec,
)
from bai_manager.services.project_resource_policy import errors as project_errors
from bai_manager.services.project_resource_policy import types as project_types
from bai_manager.services.project_resource_policy.types import (
    ProjectResourcePolicyChanges,
    ProjectResourcePolicyData,
    ProjectResourcePolicySpec,
)
from bai_manager.services.user_resource_policy import errors as user_errors
from bai_manager.services.user_resource_policy import types as user_types
from bai_manager.services.user_resource_policy.types import (
    UserResourcePolicyChanges,
    UserResourcePolicyData,
    UserResourcePolicySpec,
)
from bai_manager.types.jsonable import to_jsonable
from bai_manager.types.query import INTEGER, NAMES, SIZE_LIMIT, SLOTS, TEXT, TIME, FieldKind
from bai_manager.types.resource_slot import DefaultForUnspecified, ResourceSlot
from bai_manager.types.vfolder import host_permissions_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.errors import Conflict, NotFound
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.types.json import JsonValue
    from bai_manager.types.query import Query

NAMED = 5
"""How many of those whom a policy binds are named when it cannot be deleted."""

SpecT = TypeVar(
    "SpecT", KeypairResourcePolicySpec, UserResourcePolicySpec, ProjectResourcePolicySpec
)
DataT = TypeVar(
    "DataT", KeypairResourcePolicyData, UserResourcePolicyData, ProjectResourcePolicyData
)
ChangesT = TypeVar(
    "ChangesT",
    KeypairResourcePolicyChanges,
    UserResourcePolicyChanges,
    ProjectResourcePolicyChanges,
)


class _PolicyRepository(Generic[SpecT, DataT, ChangesT]):
    """What the three have in common; whom a policy binds is what tells them apart."""

    table: ClassVar[Table]
    noun: ClassVar[str]
    count: ClassVar[str]
    """The field that counts whom a policy binds."""
    kinds: ClassVar[Mapping[str, FieldKind]]

    def __init__(self, database: Database) -> None:
        self._database = database

    @abstractmethod
    def _bound(self, visible: Visibility | None) -> AnySelect:
        """One row ``label`` for each that the row of ``table`` binds and one may see."""

    @abstractmethod
    def _read(self, row: AnyRow) -> DataT: ...

    @abstractmethod
    def _spec_of(self, policy: DataT) -> SpecT: ...

    @abstractmethod
    def _changed(self, spec: SpecT, changes: ChangesT) -> SpecT: ...

    @abstractmethod
    def _not_found(self, name: str) -> NotFound: ...

    @abstractmethod
    def _already_exists(self, name: str) -> Conflict: ...

    @abstractmethod
    def _in_use(self, name: str, count: int, first: Sequence[str]) -> Conflict: ...

    async def list_policies(
        self, query: Query, *, visible: Visibility | None = None
    ) -> list[DataT]:
        """Policies by name; those of a visibility bind somebody or something within it."""
        statement = apply_query(
            self._select(visible), query, self._fields(visible), default_order=(self._name,)
        )
        async with self._database.transaction() as connection:
            return [self._read(row) for row in await connection.execute(statement)]

    async def get_policy(self, name: str, *, visible: Visibility | None = None) -> DataT:
        """One policy; raises the kind's not-found error."""
        async with self._database.transaction() as connection:
            return await self.one(connection, name, visible=visible)

    async def create_policy(self, spec: SpecT, *, if_not_exists: bool) -> tuple[DataT, bool]:
        """Insert a policy and say whether it is new; raises the kind's already-exists error."""
        async with self._database.transaction() as connection:
            created = await connection.scalar(
                insert(self.table)
                .values(_row_of(spec))
                .on_conflict_do_nothing(index_elements=[self._name])
                .returning(self._name)
            )
            if created is None and not if_not_exists:
                raise self._already_exists(spec.name)
            return await self.one(connection, spec.name), created is not None

    async def update_policy(
        self, name: str, changes: ChangesT, *, if_unchanged: str | None
    ) -> tuple[DataT, tuple[str, ...]]:
        """Change a policy under its lock; also says which fields have another value now.

        Raises ``RowChanged`` and the kind's not-found error.
        """
        async with self._database.transaction() as connection:
            return await self.change(connection, name, changes, if_unchanged=if_unchanged)

    async def change(
        self,
        connection: AsyncConnection,
        name: str,
        changes: ChangesT,
        *,
        if_unchanged: str | None = None,
    ) -> tuple[DataT, tuple[str, ...]]:
        """As ``update_policy``, in a transaction of the caller's."""
        await connection.execute(
            select(self._name).where(self._name == name).with_for_update(key_share=True)
        )
        policy = await self.one(connection, name)
        check_version(
            f"The {self.noun} policy {name!r}", expected=if_unchanged, found=policy.version
        )
        before = _row_of(self._spec_of(policy))
        after = _row_of(self._changed(self._spec_of(policy), changes))
        values = {field: value for field, value in after.items() if value != before[field]}
        if not values:
            return policy, ()
        await connection.execute(update(self.table).where(self._name == name).values(values))
        return await self.one(connection, name), tuple(values)

    async def delete_policy(self, name: str, *, ignore_not_found: bool) -> DataT | None:
        """Delete a policy that binds nobody; raises the kind's in-use and not-found errors.

        The lock keeps others from referring to the policy until it is gone.
        """
        async with self._database.transaction() as connection:
            locked = await connection.scalar(
                select(self._name).where(self._name == name).with_for_update()
            )
            if locked is None and ignore_not_found:
                return None
            policy = await self.one(connection, name)
            if used := getattr(policy, self.count):
                bound = self._bound(None).where(self._name == name).order_by("label")
                first = await connection.scalars(bound.limit(NAMED))
                raise self._in_use(name, used, first.all())
            await connection.execute(delete(self.table).where(self._name == name))
            return policy

    @property
    def _name(self) -> ColumnElement[Any]:
        return self.table.c.name

    def _select(self, visible: Visibility | None) -> AnySelect:
        statement: AnySelect = select(
            *self.table.c, self._count(visible).label(self.count), version_of(self.table)
        )
        if visible is not None and (visible.domain_name or visible.user_id):
            statement = statement.where(exists(self._bound(visible).correlate(self.table)))
        return statement

    def _count(self, visible: Visibility | None) -> ColumnElement[Any]:
        bound = self._bound(visible).with_only_columns(func.count())
        return bound.correlate(self.table).scalar_subquery()

    def _fields(self, visible: Visibility | None) -> Mapping[str, Field]:
        fields = {
            "name": Field(TEXT, self._name),
            self.count: Field(INTEGER, self._count(visible)),
            "created_at": Field(TIME, self.table.c.created_at),
        }
        return fields | {name: Field(kind, self.table.c[name]) for name, kind in self.kinds.items()}

    async def one(
        self, connection: AsyncConnection, name: str, *, visible: Visibility | None = None
    ) -> DataT:
        """As ``get_policy``, in a transaction of the caller's."""
        row = (
            await connection.execute(self._select(visible).where(self._name == name))
        ).one_or_none()
        if row is None:
            raise self._not_found(name)
        return self._read(row)


class KeypairResourcePolicyRepository(
    _PolicyRepository[
        KeypairResourcePolicySpec, KeypairResourcePolicyData, KeypairResourcePolicyChanges
    ]
):
    """Policies of key pairs; one sees those of the key pairs that one may see."""

    table = keypair_resource_policies
    noun = "key pair"
    count = "keypair_count"
    kinds: ClassVar[Mapping[str, FieldKind]] = {
        "max_session_lifetime": INTEGER,
        "max_concurrent_sessions": INTEGER,
        "max_concurrent_sftp_sessions": INTEGER,
        "max_containers_per_session": INTEGER,
        "max_pending_session_count": INTEGER,
        "idle_timeout": INTEGER,
        "total_resource_slots": SLOTS,
        "max_pending_session_resource_slots": SLOTS,
    }

    def _bound(self, visible: Visibility | None) -> AnySelect:
        statement: AnySelect = (
            select((keypairs.c.access_key + " (" + users.c.email + ")").label("label"))
            .select_from(keypairs.join(users, users.c.uuid == keypairs.c.user))
            .where(keypairs.c.resource_policy == self._name)
        )
        return _within(statement, visible, users.c.domain_name, users.c.uuid)

    def _fields(self, visible: Visibility | None) -> Mapping[str, Field]:
        column: ColumnElement[Any] = cast(self.table.c.default_for_unspecified, Text)
        kind = FieldKind.choice(DefaultForUnspecified)
        return {
            **super()._fields(visible),
            "default_for_unspecified": Field(kind, column),
            "allowed_vfolder_hosts": Field(NAMES, names_in(self.table.c.allowed_vfolder_hosts)),
        }

    def _read(self, row: AnyRow) -> KeypairResourcePolicyData:
        pending = row.max_pending_session_resource_slots
        return KeypairResourcePolicyData(
            name=row.name,
            default_for_unspecified=DefaultForUnspecified.parse(row.default_for_unspecified),
            total_resource_slots=ResourceSlot.from_json(row.total_resource_slots),
            max_session_lifetime=row.max_session_lifetime,
            max_concurrent_sessions=row.max_concurrent_sessions,
            max_concurrent_sftp_sessions=row.max_concurrent_sftp_sessions,
            max_containers_per_session=row.max_containers_per_session,
            max_pending_session_count=row.max_pending_session_count,
            max_pending_session_resource_slots=(
                None if pending is None else ResourceSlot.from_json(pending)
            ),
            idle_timeout=row.idle_timeout,
            allowed_vfolder_hosts=host_permissions_from_json(row.allowed_vfolder_hosts),
            keypair_count=row.keypair_count,
            created_at=row.created_at,
            version=row.version,
        )

    def _spec_of(self, policy: KeypairResourcePolicyData) -> KeypairResourcePolicySpec:
        return keypair_types.spec_of(policy)

    def _changed(
        self, spec: KeypairResourcePolicySpec, changes: KeypairResourcePolicyChanges
    ) -> KeypairResourcePolicySpec:
        return keypair_types.changed_spec(spec, changes)

    def _not_found(self, name: str) -> NotFound:
        return keypair_errors.KeypairResourcePolicyNotFound(name)

    def _already_exists(self, name: str) -> Conflict:
        return keypair_errors.KeypairResourcePolicyAlreadyExists(name)

    def _in_use(self, name: str, count: int, first: Sequence[str]) -> Conflict:
        return keypair_errors.KeypairResourcePolicyInUse(name, count, first)


class UserResourcePolicyRepository(
    _PolicyRepository[UserResourcePolicySpec, UserResourcePolicyData, UserResourcePolicyChanges]
):
    """Policies of users; one sees those of the users that one may see."""

    table = user_resource_policies
    noun = "user"
    count = "user_count"
    kinds: ClassVar[Mapping[str, FieldKind]] = {
        "max_vfolder_count": INTEGER,
        "max_quota_scope_size": SIZE_LIMIT,
        "max_session_count_per_model_session": INTEGER,
        "max_customized_image_count": INTEGER,
    }

    def _bound(self, visible: Visibility | None) -> AnySelect:
        statement: AnySelect = select(users.c.email.label("label")).where(
            users.c.resource_policy == self._name
        )
        return _within(statement, visible, users.c.domain_name, users.c.uuid)

    def _read(self, row: AnyRow) -> UserResourcePolicyData:
        return UserResourcePolicyData(**row._mapping)  # noqa: SLF001 - a public name

    def _spec_of(self, policy: UserResourcePolicyData) -> UserResourcePolicySpec:
        return user_types.spec_of(policy)

    def _changed(
        self, spec: UserResourcePolicySpec, changes: UserResourcePolicyChanges
    ) -> UserResourcePolicySpec:
        return user_types.changed_spec(spec, changes)

    def _not_found(self, name: str) -> NotFound:
        return user_errors.UserResourcePolicyNotFound(name)

    def _already_exists(self, name: str) -> Conflict:
        return user_errors.UserResourcePolicyAlreadyExists(name)

    def _in_use(self, name: str, count: int, first: Sequence[str]) -> Conflict:
        return user_errors.UserResourcePolicyInUse(name, count, first)


class ProjectResourcePolicyRepository(
    _PolicyRepository[
        ProjectResourcePolicySpec, ProjectResourcePolicyData, ProjectResourcePolicyChanges
    ]
):
    """Policies of projects; one sees those of the domain's, or of one's own projects."""

    table = project_resource_policies
    noun = "project"
    count = "project_count"
    kinds: ClassVar[Mapping[str, FieldKind]] = {
        "max_vfolder_count": INTEGER,
        "max_quota_scope_size": SIZE_LIMIT,
        "max_network_count": INTEGER,
    }

    def _bound(self, visible: Visibility | None) -> AnySelect:
        statement: AnySelect = select(
            (groups.c.domain_name + "/" + groups.c.name).label("label")
        ).where(groups.c.resource_policy == self._name)
        if visible is None or visible.user_id is None:
            return _within(statement, visible, groups.c.domain_name, None)
        members = association_groups_users
        own = select(members.c.group_id).where(members.c.user_id == visible.user_id)
        return statement.where(groups.c.id.in_(own))

    def _read(self, row: AnyRow) -> ProjectResourcePolicyData:
        return ProjectResourcePolicyData(**row._mapping)  # noqa: SLF001 - a public name

    def _spec_of(self, policy: ProjectResourcePolicyData) -> ProjectResourcePolicySpec:
        return project_types.spec_of(policy)

    def _changed(
        self, spec: ProjectResourcePolicySpec, changes: ProjectResourcePolicyChanges
    ) -> ProjectResourcePolicySpec:
        return project_types.changed_spec(spec, changes)

    def _not_found(self, name: str) -> NotFound:
        return project_errors.ProjectResourcePolicyNotFound(name)

    def _already_exists(self, name: str) -> Conflict:
        return project_errors.ProjectResourcePolicyAlreadyExists(name)

    def _in_use(self, name: str, count: int, first: Sequence[str]) -> Conflict:
        return project_errors.ProjectResourcePolicyInUse(name, count, first)


def _within(
    statement: AnySelect,
    visible: Visibility | None,
    domain_name: ColumnElement[str],
    user_id: ColumnElement[UUID] | None,
) -> AnySelect:
    """Leave what lies within a visibility; a user's own is narrower than the domain's."""
    if visible is None:
        return statement
    if visible.user_id is not None and user_id is not None:
        return statement.where(user_id == visible.user_id)
    if visible.domain_name is not None:
        return statement.where(domain_name == visible.domain_name)
    return statement


def _row_of(
    spec: KeypairResourcePolicySpec | UserResourcePolicySpec | ProjectResourcePolicySpec,
) -> dict[str, JsonValue]:
    """The columns of a spec, whose fields are called as they are."""
    return {field.name: to_jsonable(getattr(spec, field.name)) for field in fields(spec)}
