"""Ids, places and permissions of virtual folders (``reference/value-types.md`` §5, §6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

from bai_manager.types.choice import Choice
from bai_manager.types.errors import (
    InvalidHostPermissions,
    InvalidQuotaScope,
    InvalidStorageHost,
    InvalidVFolderID,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from bai_manager.types.json import JsonObject, JsonValue

_SCOPE_EXAMPLE: Final = "user:f38dea23-50fa-42a0-b5ae-338f5f4693f4"
_ID_EXAMPLE: Final = f"{_SCOPE_EXAMPLE}/afd551dedbb7491b822fbfe814b76c23"
_HOST_EXAMPLE: Final = "local:volume1"
_HOSTS_EXAMPLE: Final = '{"local:volume1": ["create-vfolder", "mount-in-session"]}'
_UUID: Final = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE
)
_NOOP_VOLUME: Final = "noop"


class QuotaScopeType(Choice):
    USER = "user"
    PROJECT = "project"


class VFolderPermission(Choice):
    """Of a folder and of a mount; each includes what stands before it."""

    READ_ONLY = "ro"
    READ_WRITE = "rw"
    RW_DELETE = "wd"


VFOLDER_PERMISSION_READABLE: Final = frozenset(VFolderPermission)
VFOLDER_PERMISSION_WRITABLE: Final = frozenset(
    {VFolderPermission.READ_WRITE, VFolderPermission.RW_DELETE}
)
VFOLDER_PERMISSION_DELETABLE: Final = frozenset({VFolderPermission.RW_DELETE})
VFOLDER_PERMISSION_OWNER: Final = VFolderPermission.RW_DELETE


class VFolderHostPermission(Choice):
    """What may be done on a storage host. ``modify`` is renaming and changing options."""

    CREATE = "create-vfolder"
    MODIFY = "modify-vfolder"
    DELETE = "delete-vfolder"
    MOUNT_IN_SESSION = "mount-in-session"
    UPLOAD_FILE = "upload-file"
    DOWNLOAD_FILE = "download-file"
    INVITE_OTHERS = "invite-others"
    SET_USER_SPECIFIC_PERMISSION = "set-user-specific-permission"


HostPermissions: TypeAlias = Mapping[str, frozenset[VFolderHostPermission]]
"""Storage host → what may be done there."""


@dataclass(frozen=True, slots=True)
class QuotaScopeID:
    """``user:<uuid>`` or ``project:<uuid>``: whose folders count together against a quota."""

    type: QuotaScopeType
    id: UUID

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the type in any case. Raises ``InvalidQuotaScope``."""
        kind, colon, identifier = text.strip().partition(":")
        if not colon or kind.lower() not in {member.value for member in QuotaScopeType}:
            raise InvalidQuotaScope(
                text, "it begins neither with user: nor project:", example=_SCOPE_EXAMPLE
            )
        if not _UUID.fullmatch(identifier):
            raise InvalidQuotaScope(text, "what follows is no UUID", example=_SCOPE_EXAMPLE)
        return cls(QuotaScopeType(kind.lower()), UUID(identifier))

    @property
    def path(self) -> str:
        """The folder of the scope on a volume: hex without dashes."""
        return self.id.hex

    @classmethod
    def json_schema(cls) -> JsonObject:
        return {"type": "string"}

    def to_json(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.type.value}:{self.id}"


@dataclass(frozen=True, slots=True)
class VFolderID:
    """``<quota scope>/<folder hex>``; old ids have no quota scope."""

    quota_scope: QuotaScopeID | None
    folder: UUID

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise ``InvalidVFolderID`` or ``InvalidQuotaScope`` for anything else."""
        scope, slash, folder = text.strip().rpartition("/")
        if not _UUID.fullmatch(folder):
            raise InvalidVFolderID(text, "it does not end with a UUID", example=_ID_EXAMPLE)
        return cls(QuotaScopeID.parse(scope) if slash else None, UUID(folder))

    @classmethod
    def json_schema(cls) -> JsonObject:
        return {"type": "string"}

    def to_json(self) -> str:
        return str(self)

    def __str__(self) -> str:
        folder = self.folder.hex
        return folder if self.quota_scope is None else f"{self.quota_scope}/{folder}"


@dataclass(frozen=True, slots=True)
class StorageHost:
    """``<proxy>:<volume>``."""

    proxy: str
    volume: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split at the first ``:``. Raises ``InvalidStorageHost``."""
        proxy, colon, volume = text.strip().partition(":")
        if not (proxy and colon and volume):
            raise InvalidStorageHost(text, "it is not PROXY:VOLUME", example=_HOST_EXAMPLE)
        return cls(proxy, volume)

    @property
    def is_noop(self) -> bool:
        """Whether it stands for folders kept elsewhere, for which permissions always pass."""
        return self.volume == _NOOP_VOLUME

    @classmethod
    def json_schema(cls) -> JsonObject:
        return {"type": "string"}

    def to_json(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.proxy}:{self.volume}"


def host_permissions_from_json(value: JsonValue) -> dict[str, frozenset[VFolderHostPermission]]:
    """Read a column ``allowed_vfolder_hosts``; NULL is no host.

    Raises ``InvalidHostPermissions`` and ``InvalidChoice``.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidHostPermissions(value, "an object is needed", example=_HOSTS_EXAMPLE)
    return {host: _permissions(host, listed) for host, listed in value.items()}


def host_permissions_to_json(hosts: HostPermissions) -> JsonObject:
    """Write the permissions of each host as a sorted list."""
    return {
        host: [*sorted(permission.value for permission in permissions)]
        for host, permissions in hosts.items()
    }


def merged_host_permissions(
    maps: Iterable[HostPermissions],
) -> dict[str, frozenset[VFolderHostPermission]]:
    """Unite what the domain, the projects and the keypair policy allow."""
    merged: dict[str, frozenset[VFolderHostPermission]] = {}
    for hosts in maps:
        for host, permissions in hosts.items():
            merged[host] = merged.get(host, frozenset()) | permissions
    return merged


def _permissions(host: str, listed: JsonValue) -> frozenset[VFolderHostPermission]:
    if not isinstance(listed, list):
        raise InvalidHostPermissions(
            {host: listed}, "a host has a list of permissions", example=_HOSTS_EXAMPLE
        )
    return frozenset(VFolderHostPermission.parse(str(permission)) for permission in listed)
