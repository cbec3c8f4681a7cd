"""What is shown of projects."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from bai_manager.cli.limits import hosts_column
from bai_manager.cli.output.columns import (
    Column,
    id_column,
    size_column,
    slots_column,
    status_column,
    time_column,
)
from bai_manager.cli.purging import blockers_text, names_text
from bai_manager.services.group.types import GroupData

if TYPE_CHECKING:
    from bai_manager.services.group.actions import GetGroupActionResult
    from bai_manager.services.group.types import GroupPurgePlan, MemberData
    from bai_manager.services.group.usage_types import GroupMonthUsage, ProjectPeriodUsage


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupDetails(GroupData):
    """A project's row, and what the project has now."""

    live_sessions: int
    vfolders: int
    endpoints: int


LIST_COLUMNS: tuple[Column[GroupData], ...] = (
    Column("name", lambda group: group.name),
    Column("domain_name", lambda group: group.domain_name, title="Domain"),
    Column("type", lambda group: group.type),
    Column("is_active", lambda group: group.is_active, title="Active"),
    Column("member_count", lambda group: group.member_count, title="Members", justify="right"),
    slots_column("total_resource_slots", lambda group: group.total_resource_slots, title="Limit"),
    Column("resource_policy", lambda group: group.resource_policy, title="Policy"),
    id_column("id", lambda group: group.id),
    Column("description", lambda group: group.description, wide=True),
    Column("integration_id", lambda group: group.integration_id, title="Integration", wide=True),
    time_column("created_at", lambda group: group.created_at, wide=True),
    time_column("modified_at", lambda group: group.modified_at, wide=True),
)
GROUP_FIELDS: tuple[Column[GroupData], ...] = (
    Column("name", lambda group: group.name),
    Column("domain_name", lambda group: group.domain_name, title="Domain"),
    Column("type", lambda group: group.type),
    Column("is_active", lambda group: group.is_active, title="Active"),
    Column("description", lambda group: group.description),
    Column("member_count", lambda group: group.member_count, title="Members"),
    slots_column("total_resource_slots", lambda group: group.total_resource_slots, title="Limit"),
    hosts_column(
        "allowed_vfolder_hosts", lambda group: group.allowed_vfolder_hosts, title="Storage hosts"
    ),
    Column("resource_policy", lambda group: group.resource_policy, title="Policy"),
    Column(
        "container_registry",
        lambda group: group.container_registry,
        human=lambda group: (
            group.container_registry
            and f"{group.container_registry.registry}/{group.container_registry.project}"
        ),
    ),
    Column("integration_id", lambda group: group.integration_id, title="Integration ID"),
    time_column("created_at", lambda group: group.created_at),
    time_column("modified_at", lambda group: group.modified_at),
    Column("id", lambda group: group.id, title="ID"),
    Column("version", lambda group: group.version),
)
SHOW_FIELDS: tuple[Column[GroupDetails], ...] = (
    *cast("tuple[Column[GroupDetails], ...]", GROUP_FIELDS),
    Column("live_sessions", lambda group: group.live_sessions),
    Column("vfolders", lambda group: group.vfolders, title="Folders"),
    Column("endpoints", lambda group: group.endpoints, title="Model services"),
)
MEMBER_COLUMNS: tuple[Column[MemberData], ...] = (
    Column("email", lambda member: member.email, title="E-mail"),
    Column("username", lambda member: member.username, title="Name"),
    Column("role", lambda member: member.role),
    status_column("status", lambda member: member.status),
    Column("full_name", lambda member: member.full_name),
    id_column("user_id", lambda member: member.user_id, title="User ID", wide=True),
)
PLAN_FIELDS: tuple[Column[GroupPurgePlan], ...] = (
    Column("name", lambda plan: plan.name),
    Column("domain_name", lambda plan: plan.domain_name, title="Domain"),
    Column("group_id", lambda plan: plan.group_id, title="ID"),
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
        "deleted_folders",
        lambda plan: plan.deleted_folders,
        human=lambda plan: names_text(plan.deleted_folders),
    ),
    Column(
        "deleted_endpoints",
        lambda plan: plan.deleted_endpoints,
        human=lambda plan: names_text(plan.deleted_endpoints),
    ),
    Column("sessions", lambda plan: plan.sessions, title="Session history"),
    Column("kernels", lambda plan: plan.kernels, title="Kernel history"),
    Column("memberships", lambda plan: plan.memberships),
    Column("networks", lambda plan: plan.networks),
    Column("session_templates", lambda plan: plan.session_templates),
)
MONTH_COLUMNS: tuple[Column[GroupMonthUsage], ...] = (
    Column("g_name", lambda usage: usage.g_name, title="Project"),
    Column("domain_name", lambda usage: usage.domain_name, title="Domain"),
    Column("kernels", lambda usage: len(usage.c_infos), justify="right"),
    Column("g_cpu_allocated", lambda usage: usage.g_cpu_allocated, title="CPU", justify="right"),
    size_column("g_mem_allocated", lambda usage: usage.g_mem_allocated, title="Memory"),
    Column("g_gpu_allocated", lambda usage: usage.g_gpu_allocated, title="GPU", justify="right"),
    Column("g_cpu_used", lambda usage: usage.g_cpu_used, title="CPU ms", justify="right"),
    size_column("g_disk_used", lambda usage: usage.g_disk_used, title="Disk"),
    size_column("g_io_read", lambda usage: usage.g_io_read, title="Read"),
    size_column("g_io_write", lambda usage: usage.g_io_write, title="Written"),
    size_column("g_mem_used", lambda usage: usage.g_mem_used, title="Memory used", wide=True),
    size_column(
        "g_shared_memory", lambda usage: usage.g_shared_memory, title="Shared memory", wide=True
    ),
    Column("g_device_type", lambda usage: usage.g_device_type, title="Devices", wide=True),
    Column("g_smp", lambda usage: usage.g_smp, title="SMP", wide=True),
    size_column(
        "g_gpu_mem_allocated",
        lambda usage: usage.g_gpu_mem_allocated,
        title="GPU memory",
        wide=True,
    ),
    id_column("g_id", lambda usage: usage.g_id, title="ID", wide=True),
)
PERIOD_COLUMNS: tuple[Column[ProjectPeriodUsage], ...] = (
    Column("project_name", lambda usage: usage.project_name, title="Project"),
    Column("domain_name", lambda usage: usage.domain_name, title="Domain"),
    Column("sessions", lambda usage: len(usage.sessions), justify="right"),
    Column(
        "cpu_allocated", lambda usage: usage.total_usage.cpu_allocated, title="CPU", justify="right"
    ),
    size_column("mem_allocated", lambda usage: usage.total_usage.mem_allocated, title="Memory"),
    Column(
        "gpu_allocated", lambda usage: usage.total_usage.gpu_allocated, title="GPU", justify="right"
    ),
    Column("cpu_used", lambda usage: usage.total_usage.cpu_used, title="CPU ms", justify="right"),
    size_column("disk_used", lambda usage: usage.total_usage.disk_used, title="Disk"),
    Column("used_time", lambda usage: usage.used_time),
    Column("used_days", lambda usage: usage.used_days, justify="right"),
    time_column("created_at", lambda usage: usage.created_at, title="First", wide=True),
    time_column("terminated_at", lambda usage: usage.terminated_at, title="Last", wide=True),
    id_column("project_id", lambda usage: usage.project_id, title="ID", wide=True),
)


def details_of(result: GetGroupActionResult) -> GroupDetails:
    """A project with the counts beside it."""
    return GroupDetails(**_facts(result.group), **_facts(result.holdings))


def _facts(found: object) -> dict[str, Any]:
    return {field.name: getattr(found, field.name) for field in fields(found)}  # type: ignore[arg-type]
