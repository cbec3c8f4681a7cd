"""Every limit on somebody, line by line, and where each comes from."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from bai_manager.services.policy.types import HostLine, Kind, LimitLine, Scope, Unit
from bai_manager.sokovan import quota
from bai_manager.sokovan.quota import UNLIMITED, ZERO, Counted, Level, positive_or_none
from bai_manager.types.resource_slot import SlotUnit, guess_unit
from bai_manager.types.vfolder import merged_host_permissions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bai_manager.repositories.policy import Standing
    from bai_manager.services.policy.storage_use import ScopeUse
    from bai_manager.sokovan.quota import CountUse, LimitUse
    from bai_manager.sokovan.snapshot import Snapshot

KERNELS: Final = Counted.KERNELS.value
LIFETIME: Final = "session lifetime"
IDLE: Final = "idle time"
STORAGE: Final = "storage"
_FIELDS: Final = {
    Counted.SESSIONS: "max_concurrent_sessions",
    Counted.SFTP_SESSIONS: "max_concurrent_sftp_sessions",
    Counted.PENDING_SESSIONS: "max_pending_session_count",
    Counted.FOLDERS: "max_vfolder_count",
    Counted.IMAGES: "max_customized_image_count",
    Counted.NETWORKS: "max_network_count",
}


def limit_lines(
    standing: Standing, of_user: Sequence[ScopeUse], of_project: Sequence[ScopeUse]
) -> list[LimitLine]:
    """Every limit: slot by slot from the key pair outwards, then what is counted, then the rest."""
    return [
        *_slot_lines(standing),
        *_count_lines(standing),
        *_keypair_lines(standing),
        *_user_lines(standing, of_user),
        *_storage_lines(
            standing, Scope.PROJECT, standing.project_policy.max_quota_scope_size, of_project
        ),
    ]


def host_lines(standing: Standing) -> tuple[HostLine, ...]:
    """Storage hosts with what key pair policy, domain and projects allow together."""
    merged = merged_host_permissions(grant.hosts for grant in standing.hosts)
    return tuple(
        HostLine(
            host=host,
            permissions=merged[host],
            sources=tuple(one.source for one in standing.hosts if one.hosts.get(host)),
        )
        for host in sorted(merged)
    )


def unit_of(slot: str) -> Unit:
    """Say in what a slot is counted."""
    return Unit.BYTES if guess_unit(slot) is SlotUnit.BYTES else Unit.COUNT


def _slot_lines(standing: Standing) -> Iterator[LimitLine]:
    owner, limits, occupancy = standing.owner, standing.limits, standing.occupancy
    uses = quota.resource_uses(owner, limits, occupancy)
    queue = quota.queue_use(owner, limits, occupancy)
    for slot in standing.slots:
        for use in uses:
            yield _slot_line(use, slot, _source(standing, use.level, slot))
        for group in standing.groups:
            yield _group_line(group, slot)
        if queue.limit is not None and slot in queue.limit:
            policy = _policy_of(standing, Scope.QUEUE)
            yield _slot_line(queue, slot, f"{policy}: max_pending_session_resource_slots")


def _slot_line(use: LimitUse, slot: str, source: str) -> LimitLine:
    return LimitLine(
        scope=Scope(use.level.value),
        name=use.name,
        kind=Kind.SLOT,
        resource=slot,
        unit=unit_of(slot),
        limit=use.limit_of(slot),
        used=use.used.get(slot, ZERO),
        left=use.headroom(slot),
        source=source,
    )


def _source(standing: Standing, level: Level, slot: str) -> str:
    policy = standing.keypair_policy
    match level:
        case Level.KEYPAIR if slot not in policy.total_resource_slots:
            default = policy.default_for_unspecified.value
            return f"{_policy_of(standing, Scope.KEYPAIR)}: default_for_unspecified {default}"
        case Level.KEYPAIR:
            return f"{_policy_of(standing, Scope.KEYPAIR)}: total_resource_slots"
        case Level.USER if standing.main_policy is None:
            return "the user has no main key pair"
        case Level.USER:
            return f"key pair policy {standing.main_policy}, of the main key pair"
        case Level.PROJECT:
            return f"project {_project(standing)}: total_resource_slots"
        case _:
            return f"domain {standing.owner.domain_name}: total_resource_slots"


def _group_line(group: Snapshot, slot: str) -> LimitLine:
    of_agents = [
        (one.available.get(slot, ZERO), one.occupied.get(slot, ZERO)) for one in group.agents
    ]
    count = len(of_agents)
    return LimitLine(
        scope=Scope.RESOURCE_GROUP,
        name=group.scaling_group,
        kind=Kind.SLOT,
        resource=slot,
        unit=unit_of(slot),
        limit=sum((available for available, _ in of_agents), ZERO),
        used=sum((occupied for _, occupied in of_agents), ZERO),
        left=sum((max(available - occupied, ZERO) for available, occupied in of_agents), ZERO),
        source=f"{count} schedulable {'agent' if count == 1 else 'agents'}",
    )


def _count_lines(standing: Standing) -> Iterator[LimitLine]:
    owner, limits, occupancy = standing.owner, standing.limits, standing.occupancy
    for use in (
        quota.session_count_use(owner.access_key, limits, occupancy, private=False),
        quota.session_count_use(owner.access_key, limits, occupancy, private=True),
        quota.pending_count_use(owner.access_key, limits, occupancy),
        *standing.stocks,
    ):
        yield _count_line(standing, use)


def _count_line(standing: Standing, use: CountUse) -> LimitLine:
    scope = Scope(use.level.value)
    return LimitLine(
        scope=scope,
        name=use.name,
        kind=Kind.COUNT,
        resource=use.counted.value,
        unit=Unit.COUNT,
        limit=UNLIMITED if use.limit is None else Decimal(use.limit),
        used=Decimal(use.used),
        left=use.headroom,
        source=f"{_policy_of(standing, scope)}: {_FIELDS[use.counted]}",
    )


def _keypair_lines(standing: Standing) -> Iterator[LimitLine]:
    policy, scope = standing.keypair_policy, Scope.KEYPAIR
    idle = "idle_timeout" if policy.idle_timeout >= 0 else "idle_timeout: the idle checker's"
    for resource, unit, limit, field in (
        (KERNELS, Unit.COUNT, policy.max_containers_per_session, "max_containers_per_session"),
        (LIFETIME, Unit.SECONDS, policy.max_session_lifetime, "max_session_lifetime"),
        (IDLE, Unit.SECONDS, policy.idle_timeout, idle),
    ):
        yield _each_line(standing, scope, resource, unit, positive_or_none(limit), field)


def _user_lines(standing: Standing, uses: Sequence[ScopeUse]) -> Iterator[LimitLine]:
    policy, scope = standing.user_policy, Scope.USER
    replicas, size = policy.max_session_count_per_model_session, policy.max_quota_scope_size
    field = "max_session_count_per_model_session"
    yield _each_line(standing, scope, Counted.REPLICAS.value, Unit.COUNT, replicas, field)
    yield from _storage_lines(standing, scope, size, uses)


def _storage_lines(
    standing: Standing, scope: Scope, size: int, uses: Sequence[ScopeUse]
) -> Iterator[LimitLine]:
    """What a quota scope holds, host by host; the limit that the storage keeps wins."""
    for use in uses:
        resource = STORAGE if use.host is None else f"{STORAGE} on {use.host}"
        limit = positive_or_none(size if use.limit is None else use.limit)
        line = _each_line(standing, scope, resource, Unit.BYTES, limit, "max_quota_scope_size")
        if use.limit is not None:
            line = replace(line, source=f"quota scope on {use.host}")
        if use.used is not None:
            used = Decimal(use.used)
            line = replace(line, kind=Kind.COUNT, used=used, left=line.limit - used)
        yield replace(line, unknown=use.unknown)


def _each_line(
    standing: Standing, scope: Scope, resource: str, unit: Unit, limit: int | None, field: str
) -> LimitLine:
    """What everything is held against by itself."""
    owner, limits = standing.owner, standing.limits
    names = {
        Scope.KEYPAIR: owner.access_key,
        Scope.USER: limits.user_emails.get(owner.user_id, str(owner.user_id)),
        Scope.PROJECT: _project(standing),
    }
    amount = UNLIMITED if limit is None else Decimal(limit)
    return LimitLine(
        scope=scope,
        name=names[scope],
        kind=Kind.EACH,
        resource=resource,
        unit=unit,
        limit=amount,
        used=None,
        left=amount,
        source=f"{_policy_of(standing, scope)}: {field}",
    )


def _policy_of(standing: Standing, scope: Scope) -> str:
    match scope:
        case Scope.USER:
            return f"user policy {standing.user_policy.name}"
        case Scope.PROJECT:
            return f"project policy {standing.project_policy.name}"
        case _:
            return f"key pair policy {standing.keypair_policy.name}"


def _project(standing: Standing) -> str:
    return standing.limits.group_names.get(standing.owner.group_id, str(standing.owner.group_id))
