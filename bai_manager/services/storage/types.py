"""Where virtual folders are kept, and how much may be kept there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bai_manager.types.vfolder import QuotaScopeID, StorageHost, VFolderHostPermission


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageHostData:
    """One storage host as the actor may use it.

    ``used_bytes`` and ``capacity_bytes`` are told to those who see everything, others have
    ``used_percent``. ``error`` says why the storage told nothing.
    """

    host: StorageHost
    is_default: bool
    permissions: list[VFolderHostPermission]
    backend: str | None = None
    capabilities: list[str]
    used_percent: float | None = None
    used_bytes: int | None = None
    capacity_bytes: int | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaData:
    """A quota scope on one storage host; sizes are bytes.

    ``policy_limit`` is what the resource policy gives to new scopes; null limits are none.
    ``enforced`` is whether the storage holds people to it.
    """

    scope: QuotaScopeID
    host: StorageHost
    enforced: bool
    used_bytes: int | None
    limit_bytes: int | None
    policy_limit: int | None
