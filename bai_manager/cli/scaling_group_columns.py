"""How resource groups and whom they are open to are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.cli.output.columns import Column, slots_column, time_column
from bai_manager.cli.output.human import human_text

if TYPE_CHECKING:
    from bai_manager.services.scaling_group.types import Association, ScalingGroupData


def _agents(group: ScalingGroupData) -> str | None:
    """``2 ALIVE, 1 LOST``."""
    if group.agent_counts is None:
        return None
    counts = sorted(group.agent_counts.items())
    return ", ".join(f"{count} {status}" for status, count in counts) or "none"


def _options(group: ScalingGroupData) -> str | None:
    """One option a line, as programs get them."""
    if group.scheduler_opts is None:
        return None
    options = group.scheduler_opts.to_json()
    return "\n".join(f"{key}: {human_text(value)}" for key, value in options.items())


LIST_COLUMNS: tuple[Column[ScalingGroupData], ...] = (
    Column("name", lambda group: group.name, keep=True),
    Column("is_active", lambda group: group.is_active, title="Active"),
    Column("is_public", lambda group: group.is_public, title="Public"),
    Column("agent_counts", lambda group: group.agent_counts, title="Agents", human=_agents),
    slots_column(
        "available_slots", lambda group: group.available_slots, title="Available", wide=True
    ),
    slots_column("occupied_slots", lambda group: group.occupied_slots, title="Used"),
    slots_column("free_slots", lambda group: group.free_slots, title="Free"),
    Column("session_count", lambda group: group.session_count, title="Sessions", justify="right"),
    slots_column(
        "own_occupied_slots", lambda group: group.own_occupied_slots, title="Own", wide=True
    ),
    slots_column(
        "largest_request", lambda group: group.largest_request, title="Largest request", wide=True
    ),
    Column("scheduler", lambda group: group.scheduler, wide=True),
    Column("domains", lambda group: group.domains, wide=True),
    Column("projects", lambda group: group.projects, wide=True),
    Column("access_keys", lambda group: group.access_keys, title="Key pairs", wide=True),
    Column("description", lambda group: group.description, wide=True),
    time_column("created_at", lambda group: group.created_at, wide=True),
)
SHOW_FIELDS: tuple[Column[ScalingGroupData], ...] = (
    Column("name", lambda group: group.name),
    Column("description", lambda group: group.description),
    Column("is_active", lambda group: group.is_active, title="Active"),
    Column("is_public", lambda group: group.is_public, title="Public"),
    Column("agent_counts", lambda group: group.agent_counts, title="Agents", human=_agents),
    slots_column("available_slots", lambda group: group.available_slots, title="Available"),
    slots_column("occupied_slots", lambda group: group.occupied_slots, title="Used"),
    slots_column("free_slots", lambda group: group.free_slots, title="Free"),
    slots_column("largest_request", lambda group: group.largest_request, title="Largest request"),
    slots_column("own_occupied_slots", lambda group: group.own_occupied_slots, title="Own"),
    Column("session_count", lambda group: group.session_count, title="Sessions"),
    Column("domains", lambda group: group.domains),
    Column("projects", lambda group: group.projects),
    Column("access_keys", lambda group: group.access_keys, title="Key pairs"),
    Column("scheduler", lambda group: group.scheduler),
    Column("scheduler_opts", lambda group: group.scheduler_opts, title="Options", human=_options),
    Column("driver", lambda group: group.driver),
    Column("driver_opts", lambda group: group.driver_opts, title="Driver options"),
    Column("use_host_network", lambda group: group.use_host_network, title="Host network"),
    Column("wsproxy_addr", lambda group: group.wsproxy_addr, title="App proxy"),
    Column("wsproxy_api_token", lambda group: group.wsproxy_api_token, title="App proxy token"),
    time_column("created_at", lambda group: group.created_at),
    Column("version", lambda group: group.version),
)
ASSOCIATION_COLUMNS: tuple[Column[Association], ...] = (
    Column("scaling_group", lambda one: one.scaling_group, title="Resource group", keep=True),
    Column("scope", lambda one: one.scope),
    Column("name", lambda one: one.name),
    Column(
        "changed",
        lambda one: one.changed,
        human=lambda one: "changed" if one.changed else "was so already",
    ),
)
