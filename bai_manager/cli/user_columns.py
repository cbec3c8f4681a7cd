"""What is shown of users."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from bai_manager.cli.output.columns import (
    Column,
    id_column,
    size_column,
    status_column,
    time_column,
)
from bai_manager.cli.purging import blockers_text, names_text
from bai_manager.services.user.types import UserData

if TYPE_CHECKING:
    from bai_manager.services.user.actions import CreateUserActionResult, GetUserActionResult
    from bai_manager.services.user.types import UsageBin, UserPurgePlan


@dataclass(frozen=True, kw_only=True, slots=True)
class UserDetails(UserData):
    """A user's row, and what the user has now."""

    active_keypairs: int
    live_sessions: int
    vfolders: int
    endpoints: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CreatedUser(UserData):
    """A user's row and the secret key: ``***`` unless it was asked for, null where none is new."""

    secret_key: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PasswordReset:
    """Whose password is new; the password is ``***`` unless it was asked for."""

    email: str
    password: str | None
    need_password_change: bool


LIST_COLUMNS: tuple[Column[UserData], ...] = (
    Column("email", lambda user: user.email, title="E-mail", keep=True),
    Column("username", lambda user: user.username, title="Name"),
    Column("role", lambda user: user.role),
    status_column("status", lambda user: user.status),
    Column("domain_name", lambda user: user.domain_name, title="Domain"),
    Column("projects", lambda user: user.projects),
    time_column("created_at", lambda user: user.created_at),
    Column("full_name", lambda user: user.full_name, wide=True),
    Column("resource_policy", lambda user: user.resource_policy, wide=True),
    Column("main_access_key", lambda user: user.main_access_key, wide=True),
    Column("keypair_count", lambda user: user.keypair_count, title="Key pairs", wide=True),
    time_column("modified_at", lambda user: user.modified_at, wide=True),
    Column("description", lambda user: user.description, wide=True),
    id_column("id", lambda user: user.id, wide=True),
)
USER_FIELDS: tuple[Column[UserData], ...] = (
    Column("email", lambda user: user.email, title="E-mail"),
    Column("username", lambda user: user.username, title="Name"),
    Column("full_name", lambda user: user.full_name),
    Column("role", lambda user: user.role),
    status_column("status", lambda user: user.status),
    Column("status_info", lambda user: user.status_info),
    Column("domain_name", lambda user: user.domain_name, title="Domain"),
    Column("projects", lambda user: user.projects),
    Column("resource_policy", lambda user: user.resource_policy),
    Column("main_access_key", lambda user: user.main_access_key),
    Column("keypair_count", lambda user: user.keypair_count, title="Key pairs"),
    Column("has_password", lambda user: user.has_password),
    Column("need_password_change", lambda user: user.need_password_change),
    time_column("password_changed_at", lambda user: user.password_changed_at, title="Password set"),
    Column("allowed_client_ip", lambda user: user.allowed_client_ip, title="Client networks"),
    Column("totp_activated", lambda user: user.totp_activated, title="One-time passwords"),
    Column("sudo_session_enabled", lambda user: user.sudo_session_enabled, title="Sudo"),
    Column("container_uid", lambda user: user.container_uid, title="Container UID"),
    Column("container_main_gid", lambda user: user.container_main_gid, title="Container GID"),
    Column("container_gids", lambda user: user.container_gids, title="Container GIDs"),
    Column("description", lambda user: user.description),
    Column("integration_id", lambda user: user.integration_id, title="Integration ID"),
    time_column("created_at", lambda user: user.created_at),
    time_column("modified_at", lambda user: user.modified_at),
    Column("id", lambda user: user.id, title="ID"),
    Column("version", lambda user: user.version),
)
SHOW_FIELDS: tuple[Column[UserDetails], ...] = (
    *cast("tuple[Column[UserDetails], ...]", USER_FIELDS),
    Column("active_keypairs", lambda user: user.active_keypairs),
    Column("live_sessions", lambda user: user.live_sessions),
    Column("vfolders", lambda user: user.vfolders, title="Folders"),
    Column("endpoints", lambda user: user.endpoints, title="Model services"),
)
CREATE_FIELDS: tuple[Column[CreatedUser], ...] = (
    *cast("tuple[Column[CreatedUser], ...]", USER_FIELDS),
    Column("secret_key", lambda user: user.secret_key),
)
PASSWORD_FIELDS: tuple[Column[PasswordReset], ...] = (
    Column("email", lambda reset: reset.email, title="E-mail"),
    Column("password", lambda reset: reset.password),
    Column("need_password_change", lambda reset: reset.need_password_change),
)
PLAN_FIELDS: tuple[Column[UserPurgePlan], ...] = (
    Column("email", lambda plan: plan.email, title="E-mail"),
    Column("user_id", lambda plan: plan.user_id, title="ID"),
    Column("heir", lambda plan: plan.heir),
    Column(
        "blockers",
        lambda plan: plan.blockers,
        title="In the way",
        human=lambda plan: blockers_text(plan.blockers),
    ),
    Column(
        "destroyed_sessions",
        lambda plan: plan.destroyed_sessions,
        human=lambda plan: names_text(plan.destroyed_sessions),
    ),
    Column(
        "mounted_folders",
        lambda plan: plan.mounted_folders,
        human=lambda plan: names_text(plan.mounted_folders),
    ),
    Column(
        "migrated_folders",
        lambda plan: plan.migrated_folders,
        human=lambda plan: names_text(plan.migrated_folders),
    ),
    Column(
        "deleted_folders",
        lambda plan: plan.deleted_folders,
        human=lambda plan: names_text(plan.deleted_folders),
    ),
    Column(
        "delegated_endpoints",
        lambda plan: plan.delegated_endpoints,
        human=lambda plan: names_text(plan.delegated_endpoints),
    ),
    Column(
        "deleted_endpoints",
        lambda plan: plan.deleted_endpoints,
        human=lambda plan: names_text(plan.deleted_endpoints),
    ),
    Column("keypairs", lambda plan: plan.keypairs),
    Column("memberships", lambda plan: plan.memberships),
    Column("folder_permissions", lambda plan: plan.folder_permissions),
    Column("invitations", lambda plan: plan.invitations),
    Column("session_templates", lambda plan: plan.session_templates),
    Column("error_logs", lambda plan: plan.error_logs),
)
STATS_COLUMNS: tuple[Column[UsageBin], ...] = (
    Column("date", lambda one: one.date, human=lambda one: f"{one.date:%Y-%m-%d %H:%M}"),
    Column("num_sessions", lambda one: one.num_sessions, title="Kernels", justify="right"),
    Column("cpu_allocated", lambda one: one.cpu_allocated, title="CPU", justify="right"),
    size_column("mem_allocated", lambda one: one.mem_allocated, title="Memory"),
    Column("gpu_allocated", lambda one: one.gpu_allocated, title="GPU", justify="right"),
    size_column("io_read_bytes", lambda one: one.io_read_bytes, title="Read"),
    size_column("io_write_bytes", lambda one: one.io_write_bytes, title="Written"),
    size_column("disk_used", lambda one: one.disk_used, title="Disk"),
)


def details_of(result: GetUserActionResult) -> UserDetails:
    """A user with the counts beside it."""
    return UserDetails(**_facts(result.user), **_facts(result.holdings))


def created_of(result: CreateUserActionResult, secret_key: str | None) -> CreatedUser:
    """A user with the secret key, or what is shown in its place."""
    return CreatedUser(**_facts(result.user), secret_key=secret_key)


def _facts(found: object) -> dict[str, Any]:
    return {field.name: getattr(found, field.name) for field in fields(found)}  # type: ignore[arg-type]
