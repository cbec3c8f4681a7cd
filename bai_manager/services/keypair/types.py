"""What a key pair is, and what a person sets in one (``reference/services.md`` §17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.services.keypair.errors import BootstrapScriptTooLong
from bai_manager.types.limits import INT4, check_number
from bai_manager.types.tristate import UNSET, Maybe

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

DEFAULT_POLICY: Final = "default"
DEFAULT_RATE_LIMIT: Final = 10_000
LONGEST_SCRIPT: Final = 65_536


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairData:
    """One key pair without its secrets.

    ``is_main`` is whether the user logs in with it; ``rate_limit`` is calls in 15 minutes.
    ``version`` changes with every update of the row.
    """

    access_key: str
    user_id: UUID
    user_email: str
    is_active: bool
    is_admin: bool
    is_main: bool
    resource_policy: str
    rate_limit: int | None
    num_queries: int
    has_ssh_keypair: bool
    has_bootstrap_script: bool
    last_used: datetime | None
    created_at: datetime | None
    modified_at: datetime | None
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairSpec:
    """A key pair to be created."""

    resource_policy: str = DEFAULT_POLICY
    rate_limit: int = DEFAULT_RATE_LIMIT
    is_active: bool = True
    is_admin: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairChanges:
    """What an update sets."""

    is_active: Maybe[bool] = UNSET
    is_admin: Maybe[bool] = UNSET
    resource_policy: Maybe[str] = UNSET
    rate_limit: Maybe[int] = UNSET


def check_rate_limit(rate_limit: int) -> None:
    """Raise ``InvalidLimitValue`` for what its column does not take."""
    check_number("rate_limit", rate_limit, 0, INT4)


def check_bootstrap_script(script: str) -> None:
    """Raise ``BootstrapScriptTooLong``."""
    if len(script) > LONGEST_SCRIPT:
        raise BootstrapScriptTooLong(
            f"The bootstrap script has {len(script)} characters; {LONGEST_SCRIPT} fit.",
            hint="Keep it in a virtual folder, and call it from a short script.",
            details={"characters": len(script), "limit": LONGEST_SCRIPT},
        )
