"""What is shown of key pairs, and of what belongs to them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from bai_manager.cli.output.columns import Column, id_column, time_column
from bai_manager.services.keypair.types import KeypairData

if TYPE_CHECKING:
    from bai_manager.services.keypair.actions import (
        BootstrapScriptActionResult,
        GetKeypairActionResult,
        SSHPublicKeyActionResult,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairDetails(KeypairData):
    """A key pair, and how many sessions created with it have not ended."""

    live_sessions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairWithSecret(KeypairData):
    """A key pair and its secret key, ``***`` unless it was asked for."""

    secret_key: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SSHKeypairRow:
    """An SSH key; the private half is ``***`` unless it was asked for."""

    access_key: str
    public_key: str
    private_key: str | None


LIST_COLUMNS: tuple[Column[KeypairData], ...] = (
    Column("access_key", lambda key: key.access_key, keep=True),
    Column("user_email", lambda key: key.user_email, title="User"),
    Column("is_active", lambda key: key.is_active, title="Active"),
    Column("is_admin", lambda key: key.is_admin, title="Admin"),
    Column("is_main", lambda key: key.is_main, title="Main"),
    Column("resource_policy", lambda key: key.resource_policy, title="Policy"),
    Column("rate_limit", lambda key: key.rate_limit, justify="right", wide=True),
    time_column("last_used", lambda key: key.last_used),
    time_column("created_at", lambda key: key.created_at, wide=True),
    time_column("modified_at", lambda key: key.modified_at, wide=True),
    Column("num_queries", lambda key: key.num_queries, title="Queries", wide=True),
    Column("has_ssh_keypair", lambda key: key.has_ssh_keypair, title="SSH key", wide=True),
    id_column("user_id", lambda key: key.user_id, title="User ID", wide=True),
)
KEYPAIR_FIELDS: tuple[Column[KeypairData], ...] = (
    Column("access_key", lambda key: key.access_key),
    Column("user_email", lambda key: key.user_email, title="User"),
    Column("is_active", lambda key: key.is_active, title="Active"),
    Column("is_admin", lambda key: key.is_admin, title="Admin"),
    Column("is_main", lambda key: key.is_main, title="Main"),
    Column("resource_policy", lambda key: key.resource_policy, title="Policy"),
    Column("rate_limit", lambda key: key.rate_limit),
    Column("num_queries", lambda key: key.num_queries, title="Queries"),
    Column("has_ssh_keypair", lambda key: key.has_ssh_keypair, title="SSH key"),
    Column("has_bootstrap_script", lambda key: key.has_bootstrap_script, title="Bootstrap script"),
    time_column("last_used", lambda key: key.last_used),
    time_column("created_at", lambda key: key.created_at),
    time_column("modified_at", lambda key: key.modified_at),
    Column("user_id", lambda key: key.user_id, title="User ID"),
    Column("version", lambda key: key.version),
)
SHOW_FIELDS: tuple[Column[KeypairDetails], ...] = (
    *cast("tuple[Column[KeypairDetails], ...]", KEYPAIR_FIELDS),
    Column("live_sessions", lambda key: key.live_sessions),
)
SECRET_FIELDS: tuple[Column[KeypairWithSecret], ...] = (
    *cast("tuple[Column[KeypairWithSecret], ...]", KEYPAIR_FIELDS),
    Column("secret_key", lambda key: key.secret_key),
)
SSH_FIELDS: tuple[Column[SSHPublicKeyActionResult], ...] = (
    Column("access_key", lambda key: key.access_key),
    Column("public_key", lambda key: key.public_key, human=lambda key: key.public_key or "none"),
)
SSH_PAIR_FIELDS: tuple[Column[SSHKeypairRow], ...] = (
    Column("access_key", lambda key: key.access_key),
    Column("public_key", lambda key: key.public_key),
    Column("private_key", lambda key: key.private_key),
)
SCRIPT_FIELDS: tuple[Column[BootstrapScriptActionResult], ...] = (
    Column("access_key", lambda found: found.access_key),
    Column("script", lambda found: found.script, human=lambda found: found.script or "none"),
)


def details_of(result: GetKeypairActionResult) -> KeypairDetails:
    """A key pair with the count beside it."""
    return KeypairDetails(**_facts(result.keypair), live_sessions=result.live_sessions)


def with_secret(keypair: KeypairData, secret_key: str | None) -> KeypairWithSecret:
    """A key pair with its secret key, or what is shown in its place."""
    return KeypairWithSecret(**_facts(keypair), secret_key=secret_key)


def _facts(keypair: KeypairData) -> dict[str, Any]:
    return {field.name: getattr(keypair, field.name) for field in fields(keypair)}
