"""What a user is, and what a person sets in one (``reference/services.md`` §7)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidValue
from bai_manager.types.limits import INT4, check_number
from bai_manager.types.names import check_email, check_name, check_username
from bai_manager.types.status import UserRole, UserStatus
from bai_manager.types.tristate import UNSET, Maybe, set_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from bai_manager.types.credentials import Secret
    from bai_manager.types.purge import Blocker, EndpointRef, FolderRef, MountedFolder, SessionRef
    from bai_manager.types.ssh_keys import SSHKeypair

DEFAULT_POLICY: Final = "default"
DEFAULT_RATE_LIMIT: Final = 10_000
"""API calls in 15 minutes."""
_DESCRIPTION_COLUMN: Final = 500


class InvalidClientAddress(InvalidValue):
    noun = "client network"


@dataclass(frozen=True, kw_only=True, slots=True)
class UserData:
    """One user; ``projects`` are names, ``keypair_count`` counts inactive key pairs too.

    ``allowed_client_ip`` None is any address. ``version`` changes with every update of the row.
    """

    id: UUID
    email: str
    username: str
    full_name: str | None
    description: str | None
    status: UserStatus
    status_info: str | None
    role: UserRole
    domain_name: str
    projects: list[str]
    resource_policy: str
    main_access_key: str | None
    keypair_count: int
    has_password: bool
    need_password_change: bool
    password_changed_at: datetime | None
    allowed_client_ip: list[str] | None
    totp_activated: bool
    sudo_session_enabled: bool
    container_uid: int | None
    container_main_gid: int | None
    container_gids: list[int] | None
    integration_id: str | None
    created_at: datetime | None
    modified_at: datetime | None
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UserHoldings:
    """What a user has now: what deleting or purging would touch."""

    active_keypairs: int
    live_sessions: int
    vfolders: int
    endpoints: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UserSpec:
    """A user to be created. ``projects`` are names or ids of projects of the domain."""

    email: str
    username: str
    domain_name: str
    full_name: str | None = None
    description: str | None = None
    status: UserStatus = UserStatus.ACTIVE
    role: UserRole = UserRole.USER
    projects: tuple[str, ...] = ()
    resource_policy: str = DEFAULT_POLICY
    keypair_resource_policy: str = DEFAULT_POLICY
    rate_limit: int = DEFAULT_RATE_LIMIT
    need_password_change: bool = False
    allowed_client_ip: tuple[str, ...] | None = None
    totp_activated: bool = False
    sudo_session_enabled: bool = False
    container_uid: int | None = None
    container_main_gid: int | None = None
    container_gids: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUserSecrets:
    """What is made for a new user; ``password_hash`` None is a user without a password."""

    password_hash: str | None
    access_key: str
    secret_key: Secret
    ssh_keypair: SSHKeypair


@dataclass(frozen=True, kw_only=True, slots=True)
class UserChanges:
    """What an update sets; null clears. ``projects`` replaces all memberships."""

    username: Maybe[str] = UNSET
    full_name: Maybe[str | None] = UNSET
    description: Maybe[str | None] = UNSET
    status: Maybe[UserStatus] = UNSET
    role: Maybe[UserRole] = UNSET
    domain_name: Maybe[str] = UNSET
    projects: Maybe[tuple[str, ...]] = UNSET
    resource_policy: Maybe[str] = UNSET
    main_access_key: Maybe[str | None] = UNSET
    need_password_change: Maybe[bool] = UNSET
    allowed_client_ip: Maybe[tuple[str, ...] | None] = UNSET
    totp_activated: Maybe[bool] = UNSET
    sudo_session_enabled: Maybe[bool] = UNSET
    container_uid: Maybe[int | None] = UNSET
    container_main_gid: Maybe[int | None] = UNSET
    container_gids: Maybe[tuple[int, ...] | None] = UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairEffect:
    """A key pair that changed with its user, as it is now."""

    access_key: str
    is_active: bool
    is_admin: bool


class SharedFolders(StrEnum):
    """What a purge does with folders that others may use too."""

    MIGRATE = "migrate"
    DELETE = "delete"


class Endpoints(StrEnum):
    """What a purge does with model services."""

    DELEGATE = "delegate"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True, slots=True)
class UserPurgeChoices:
    """What was decided about what a user leaves; None refuses while there is any.

    ``heir`` (e-mail, name or id) gets what is migrated or delegated; None is who asks.
    """

    destroy_sessions: bool = False
    shared_folders: SharedFolders | None = None
    endpoints: Endpoints | None = None
    heir: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UserPurgePlan:
    """Exactly what a purge does, or why it is refused (``blockers``).

    ``heir`` is an e-mail, None where nobody inherits. Counts are of rows that are deleted.
    """

    user_id: UUID
    email: str
    heir: str | None
    blockers: list[Blocker]
    destroyed_sessions: list[SessionRef]
    mounted_folders: list[MountedFolder]
    migrated_folders: list[FolderRef]
    deleted_folders: list[FolderRef]
    delegated_endpoints: list[EndpointRef]
    deleted_endpoints: list[EndpointRef]
    keypairs: list[str]
    memberships: int
    folder_permissions: int
    invitations: int
    session_templates: int
    error_logs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageBin:
    """A quarter of an hour from ``date`` on.

    ``num_sessions`` counts kernels. What was allocated is counted whole in every bin that a
    kernel touches; input, output and disk are the totals of those kernels, not what fell into
    the bin. Bytes, but for ``cpu_allocated`` (whole cores) and ``gpu_allocated`` (slot units).
    """

    date: datetime
    num_sessions: int
    cpu_allocated: int
    mem_allocated: int
    gpu_allocated: Decimal
    io_read_bytes: int
    io_write_bytes: int
    disk_used: int


_INTEGERS: Final[Mapping[str, tuple[int, int]]] = {
    "rate_limit": (0, INT4),
    "container_uid": (0, INT4),
    "container_main_gid": (0, INT4),
}


def check_user_spec(spec: UserSpec) -> None:
    """Raise an ``InvalidValue`` for a field that its column would not take."""
    check_email(spec.email)
    _check_values({field.name: getattr(spec, field.name) for field in fields(spec)})


def check_user_changes(changes: UserChanges) -> None:
    """Raise as ``check_user_spec`` for what is to be set."""
    _check_values(set_fields(changes))


def _check_values(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        match name, value:
            case "username", str():
                check_username(value)
            case "full_name", str():
                check_name(value, "full name", example="Alice Kim")
            case "description", str() if len(value) > _DESCRIPTION_COLUMN:
                raise InvalidValue(
                    value, f"it is longer than {_DESCRIPTION_COLUMN}", example="shorter text"
                )
            case "allowed_client_ip", tuple():
                for network in value:
                    _check_network(str(network))
            case "container_gids", tuple():
                for gid in value:
                    check_number(name, int(gid), 0, INT4)
            case _, int() if name in _INTEGERS:
                check_number(name, value, *_INTEGERS[name])


def _check_network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError as error:
        raise InvalidClientAddress(text, str(error), example="10.1.0.0/16") from None
