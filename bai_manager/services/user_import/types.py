"""What a row of a file says about a user, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from bai_manager.services.user.types import UserChanges, UserSpec
from bai_manager.types.tristate import UNSET, Maybe, set_fields

if TYPE_CHECKING:
    from bai_manager.services.user.types import NewUserSecrets
    from bai_manager.types.credentials import Secret

DEFAULT_CHUNK: Final = 100
"""Rows in one transaction: what an interrupt loses at most."""
COMMITTED: Final = "committed"
RUNNING: Final = "in progress"
"""What becomes of a transaction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportRow:
    """A user to be created or updated, as line ``line`` says.

    ``user`` holds what is given: for a new user it is added to the defaults, and with
    ``default_domain`` where no domain is given. ``access_key`` names the key pair that is meant,
    the main one where it is None; it comes with its secret key where it is new.
    """

    line: int
    email: str
    default_domain: str
    user: UserChanges = field(default_factory=UserChanges)
    keypair_resource_policy: Maybe[str] = UNSET
    rate_limit: Maybe[int] = UNSET
    password: Secret | None = None
    access_key: str | None = None
    secret_key: Secret | None = None

    def spec(self) -> UserSpec:
        """The user to be created; null is the default."""
        given: dict[str, Any] = set_fields(self.user)
        for name in ("keypair_resource_policy", "rate_limit"):
            if (value := getattr(self, name)) is not UNSET:
                given[name] = value
        chosen = {name: value for name, value in given.items() if value is not None}
        defaults = {"username": self.email, "domain_name": self.default_domain}
        return UserSpec(email=self.email, **{**defaults, **chosen})


@dataclass(frozen=True, kw_only=True, slots=True)
class RowProblem:
    """What is wrong with a line."""

    line: int
    message: str


class RowResult(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedRow:
    """``changed`` names what has another value now; ``resumed`` is done by a run before this."""

    line: int
    email: str
    result: RowResult
    changed: tuple[str, ...]
    access_key: str | None
    resumed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportChunk:
    """Which part of which import: ``digest`` is of the file and all that was asked for."""

    digest: str
    number: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A user that there is: its password's hash, domain and main access key."""

    email: str
    username: str | None
    domain_name: str | None
    password_hash: str | None
    main_access_key: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedRow:
    """A row, and what was made for it.

    ``secrets`` are of a new user or of a new key pair; ``password_hash`` is another password of
    a user that there is. ``is_new`` says what was found beforehand.
    """

    row: ImportRow
    is_new: bool
    secrets: NewUserSecrets | None = None
    password_hash: str | None = None
