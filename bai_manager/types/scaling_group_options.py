"""``scheduler_opts`` of a resource group (``reference/value-types.md`` §13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from bai_manager.errors import InvalidInput
from bai_manager.types.choice import Choice
from bai_manager.types.errors import InvalidSchedulerOptions
from bai_manager.types.status import RouteStatus, SessionType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from bai_manager.types.json import JsonObject, JsonValue

_EXAMPLE: Final = '{"allowed_session_types": ["interactive", "batch"], "pending_timeout": 0}'
_SESSION_TYPES: Final = (SessionType.INTERACTIVE, SessionType.BATCH)
_ROUTE_STATUSES: Final = frozenset(
    {RouteStatus.HEALTHY, RouteStatus.UNHEALTHY, RouteStatus.DEGRADED}
)


class AgentSelectionStrategy(Choice):
    DISPERSED = "dispersed"
    CONCENTRATED = "concentrated"
    ROUNDROBIN = "roundrobin"
    LEGACY = "legacy"


class SchedulerName(Choice):
    FIFO = "fifo"
    LIFO = "lifo"
    DRF = "drf"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingGroupOptions:
    """How sessions of a resource group are scheduled.

    The defaults are those of a new group; a key that is missing in the JSON may mean something
    else (``from_json``). ``pending_timeout`` 0 is never. Keys of newer managers stay in
    ``unknown`` and are written back.
    """

    allowed_session_types: tuple[SessionType, ...] = (*_SESSION_TYPES, SessionType.INFERENCE)
    pending_timeout: timedelta = timedelta()
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    agent_selection_strategy: AgentSelectionStrategy = AgentSelectionStrategy.DISPERSED
    agent_selector_config: Mapping[str, JsonValue] = field(default_factory=dict)
    enforce_spreading_endpoint_replica: bool = False
    allow_fractional_resource_fragmentation: bool = True
    route_cleanup_target_statuses: tuple[RouteStatus, ...] = (RouteStatus.UNHEALTHY,)
    unknown: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def effective_strategy(self) -> AgentSelectionStrategy:
        """What the scheduler goes by: the strategy inside ``config``, else concentrated.

        (``agent_selection_strategy`` itself is read by an older scheduler only.)
        """
        text = self.config.get("agent_selection_strategy")
        known = {strategy.value: strategy for strategy in AgentSelectionStrategy}
        return known.get(str(text).lower(), AgentSelectionStrategy.CONCENTRATED)

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Read the column; without the key, only interactive and batch sessions are allowed.

        Raises ``InvalidSchedulerOptions``.
        """
        if not isinstance(value, dict):
            raise InvalidSchedulerOptions(value, "an object is needed", example=_EXAMPLE)
        left = dict(value)
        try:
            options = cls(
                allowed_session_types=_session_types(left.pop("allowed_session_types", None)),
                pending_timeout=_seconds(left.pop("pending_timeout", 0)),
                config=_object(left.pop("config", None)),
                agent_selection_strategy=AgentSelectionStrategy.parse(
                    str(left.pop("agent_selection_strategy", AgentSelectionStrategy.DISPERSED))
                ),
                agent_selector_config=_object(left.pop("agent_selector_config", None)),
                enforce_spreading_endpoint_replica=_flag(
                    left.pop("enforce_spreading_endpoint_replica", False)
                ),
                allow_fractional_resource_fragmentation=_flag(
                    left.pop("allow_fractional_resource_fragmentation", True)
                ),
                route_cleanup_target_statuses=_route_statuses(
                    left.pop("route_cleanup_target_statuses", None)
                ),
                unknown=left,
            )
        except (ValueError, InvalidInput) as error:
            raise InvalidSchedulerOptions(value, str(error), example=_EXAMPLE) from None
        return options

    @classmethod
    def json_schema(cls) -> JsonObject:
        return {"type": "object"}

    def to_json(self) -> JsonObject:
        seconds = self.pending_timeout.total_seconds()
        return {
            **self.unknown,
            "allowed_session_types": [kind.value for kind in self.allowed_session_types],
            "pending_timeout": int(seconds) if seconds.is_integer() else seconds,
            "config": {**self.config},
            "agent_selection_strategy": self.agent_selection_strategy.value,
            "agent_selector_config": {**self.agent_selector_config},
            "enforce_spreading_endpoint_replica": self.enforce_spreading_endpoint_replica,
            "allow_fractional_resource_fragmentation": self.allow_fractional_resource_fragmentation,
            "route_cleanup_target_statuses": [
                status.value for status in self.route_cleanup_target_statuses
            ],
        }


def _session_types(value: JsonValue) -> tuple[SessionType, ...]:
    if value is None:
        return _SESSION_TYPES
    kinds = tuple(SessionType.parse(text) for text in _texts(value))
    if not kinds:
        raise ValueError("allowed_session_types is empty")
    return kinds


def _route_statuses(value: JsonValue) -> tuple[RouteStatus, ...]:
    if value is None:
        return (RouteStatus.UNHEALTHY,)
    statuses = tuple(RouteStatus.parse(text) for text in _texts(value))
    if not _ROUTE_STATUSES.issuperset(statuses):
        raise ValueError(
            "route_cleanup_target_statuses has others than healthy, unhealthy, degraded"
        )
    return statuses


def _texts(value: JsonValue) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no list")  # noqa: TRY004 - becomes an error of the input
    return [str(text) for text in value]


def _seconds(value: JsonValue) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**31:
        raise ValueError(f"pending_timeout {value!r} is no number of seconds")
    return timedelta(seconds=value)


def _object(value: JsonValue) -> JsonObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no object")  # noqa: TRY004
    return value


def _flag(value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")  # noqa: TRY004
    return value
