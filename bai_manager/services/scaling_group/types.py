"""What a resource group is, who may use it, and what a person sets in it.

``reference/services.md`` §6, ``reference/value-types.md`` §13.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidSchedulerOptions
from bai_manager.types.limits import InvalidLimitValue, check_text
from bai_manager.types.patches import JsonPatch
from bai_manager.types.scaling_group_options import (
    AgentSelectionStrategy,
    ScalingGroupOptions,
    SchedulerName,
)
from bai_manager.types.tristate import UNSET, Maybe, set_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from bai_manager.types.credentials import Secret
    from bai_manager.types.json import JsonObject
    from bai_manager.types.resource_slot import ResourceSlot
    from bai_manager.types.status import RouteStatus, SessionType


TOKEN_WIDTH: Final = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingGroupSpec:
    """What a person sets; only the name has no default."""

    name: str
    description: str | None = None
    is_active: bool = True
    is_public: bool = True
    wsproxy_addr: str | None = None
    wsproxy_api_token: Secret | None = None
    driver: str = "static"
    driver_opts: JsonObject = field(default_factory=dict)
    scheduler: str = SchedulerName.FIFO.value
    scheduler_opts: ScalingGroupOptions = field(default_factory=ScalingGroupOptions)
    use_host_network: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingGroupData:
    """One resource group.

    Slots are sums over ALIVE agents: what they offer, what kernels hold of it, and what of the
    schedulable ones is free; ``largest_request`` is, slot by slot, the most that one schedulable
    agent offers. Ordinary users see the name, whether it is active, and what they hold there
    themselves (``own_occupied_slots``); the rest is None for them, and the lists are empty.
    """

    name: str
    description: str | None
    is_active: bool
    is_public: bool | None
    created_at: datetime | None
    wsproxy_addr: str | None
    wsproxy_api_token: Secret | None
    driver: str | None
    driver_opts: JsonObject | None
    scheduler: str | None
    scheduler_opts: ScalingGroupOptions | None
    use_host_network: bool | None
    agent_counts: Mapping[str, int] | None
    """Agents by status."""
    available_slots: ResourceSlot | None
    occupied_slots: ResourceSlot | None
    free_slots: ResourceSlot | None
    largest_request: ResourceSlot | None
    own_occupied_slots: ResourceSlot | None
    session_count: int | None
    """Sessions that have not ended."""
    domains: tuple[str, ...]
    projects: tuple[str, ...]
    """As ``domain/project``."""
    access_keys: tuple[str, ...]
    version: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingGroupChanges:
    """What an update sets; the second half are members of ``scheduler_opts``."""

    description: Maybe[str | None] = UNSET
    is_active: Maybe[bool] = UNSET
    is_public: Maybe[bool] = UNSET
    wsproxy_addr: Maybe[str | None] = UNSET
    wsproxy_api_token: Maybe[Secret | None] = UNSET
    driver: Maybe[str] = UNSET
    driver_opts: Maybe[JsonPatch] = UNSET
    scheduler: Maybe[SchedulerName] = UNSET
    use_host_network: Maybe[bool] = UNSET
    allowed_session_types: Maybe[tuple[SessionType, ...]] = UNSET
    pending_timeout: Maybe[timedelta] = UNSET
    config: Maybe[JsonPatch] = UNSET
    agent_selection_strategy: Maybe[AgentSelectionStrategy] = UNSET
    agent_selector_config: Maybe[JsonPatch] = UNSET
    enforce_spreading_endpoint_replica: Maybe[bool] = UNSET
    allow_fractional_resource_fragmentation: Maybe[bool] = UNSET
    route_cleanup_target_statuses: Maybe[tuple[RouteStatus, ...]] = UNSET


class Scope(StrEnum):
    """Who a resource group can be open to."""

    DOMAIN = "domain"
    PROJECT = "project"
    KEYPAIR = "keypair"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scopes:
    """Domains by name; projects by id, ``domain/name``, or a name that only one has; keys."""

    domains: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    access_keys: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.domains or self.projects or self.access_keys)


@dataclass(frozen=True, kw_only=True, slots=True)
class Association:
    """A resource group and one it is open to; ``changed`` is False where it was so already."""

    scaling_group: str
    scope: Scope
    name: str
    changed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingGroupUse:
    """What keeps a resource group from being deleted."""

    agents: int
    live_sessions: int
    ended_sessions: int
    kernels: int
    endpoints: int

    def __bool__(self) -> bool:
        return any((self.agents, self.live_sessions, self.ended_sessions, self.kernels)) or bool(
            self.endpoints
        )


def spec_of(group: ScalingGroupData) -> ScalingGroupSpec:
    """The fields that a person sets, of a group that is seen in full."""
    return ScalingGroupSpec(
        **{name: getattr(group, name) for name in ScalingGroupSpec.__dataclass_fields__}
    )


def changed_spec(spec: ScalingGroupSpec, changes: ScalingGroupChanges) -> ScalingGroupSpec:
    """Apply an update; what it does not set stays.

    A strategy is also written where the scheduler reads it, inside ``config``
    (``reference/state-machines.md`` §7.2).
    """
    values = set_fields(changes)
    options = spec.scheduler_opts
    of_options = {name: value for name, value in values.items() if hasattr(options, name)}
    if isinstance(config := of_options.get("config"), JsonPatch):
        of_options["config"] = config.applied_to(options.config)
    if isinstance(selector := of_options.get("agent_selector_config"), JsonPatch):
        of_options["agent_selector_config"] = selector.applied_to(options.agent_selector_config)
    options = replace(options, **of_options)  # type: ignore[arg-type]
    if isinstance(strategy := values.get("agent_selection_strategy"), AgentSelectionStrategy):
        options = replace(
            options, config={**options.config, "agent_selection_strategy": strategy.value}
        )
    own = {name: value for name, value in values.items() if name not in of_options}
    if isinstance(driver := own.get("driver_opts"), JsonPatch):
        own["driver_opts"] = driver.applied_to(spec.driver_opts)
    if isinstance(scheduler := own.get("scheduler"), SchedulerName):
        own["scheduler"] = scheduler.value
    return replace(spec, **own, scheduler_opts=options)  # type: ignore[arg-type]


def check_spec(spec: ScalingGroupSpec) -> None:
    """Raise ``InvalidSchedulerOptions``, or ``InvalidLimitValue`` for a text that is too long."""
    token = spec.wsproxy_api_token
    check_text("description", spec.description, 512)
    check_text("wsproxy_addr", spec.wsproxy_addr, 1024)
    if token is not None and len(token.reveal()) > TOKEN_WIDTH:
        raise InvalidLimitValue(
            token, f"it has more than {TOKEN_WIDTH} characters", example="a shorter one"
        )
    check_text("driver", spec.driver, 64)
    SchedulerName.parse(spec.scheduler)
    ScalingGroupOptions.from_json(spec.scheduler_opts.to_json())


def check_changes(changes: ScalingGroupChanges) -> None:
    """Raise as ``check_spec`` for what is set."""
    if changes.allowed_session_types == ():
        raise InvalidSchedulerOptions(
            [], "allowed_session_types is empty", example="interactive,batch"
        )
    check_spec(changed_spec(ScalingGroupSpec(name="checked"), changes))
