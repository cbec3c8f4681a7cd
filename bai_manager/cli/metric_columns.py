"""How metrics are shown in tables."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from bai_manager.cli.metric_units import amount_text
from bai_manager.cli.output.columns import Column, id_column, time_column
from bai_manager.cli.output.human import NOTHING, time_text
from bai_manager.services.metric.types import MetricUnit
from bai_manager.types.binary_size import BinarySize
from bai_manager.types.resource_slot import SlotUnit, guess_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bai_manager.services.metric.types import (
        IdleUsage,
        LiveMetric,
        MetricInfo,
        SeriesPoint,
        SlotHours,
        UsageRank,
    )

INFO_COLUMNS: tuple[Column[MetricInfo], ...] = (
    Column("name", lambda info: info.name),
    Column("kind", lambda info: info.kind),
    Column("unit", lambda info: info.unit),
    Column("description", lambda info: info.description),
)

LIVE_COLUMNS: tuple[Column[LiveMetric], ...] = (
    Column("session_name", lambda row: row.session_name, title="Session", wide=True),
    Column("cluster_hostname", lambda row: row.cluster_hostname, title="Kernel"),
    Column("metric", lambda row: row.metric),
    Column(
        "current",
        lambda row: row.current,
        human=lambda row: amount_text(row.current, row.unit),
        justify="right",
    ),
    Column(
        "capacity",
        lambda row: row.capacity,
        title="Limit",
        human=lambda row: amount_text(row.capacity, row.unit),
        justify="right",
    ),
    Column(
        "pct",
        lambda row: row.pct,
        title="Of limit",
        human=lambda row: amount_text(row.pct, MetricUnit.LIMIT_PERCENT),
        justify="right",
    ),
    Column(
        "peak",
        lambda row: row.peak,
        human=lambda row: amount_text(row.peak, row.unit),
        justify="right",
    ),
    Column("unit", lambda row: row.unit),
    id_column("kernel_id", lambda row: row.kernel_id, wide=True),
    id_column("session_id", lambda row: row.session_id, wide=True),
    Column("agent_id", lambda row: row.agent_id, title="Agent", wide=True),
    time_column("collected_at", lambda row: row.collected_at, wide=True),
)


def rank_columns(
    what: str, units: Mapping[str, MetricUnit], *, owned: bool
) -> tuple[Column[UsageRank], ...]:
    """One column a metric; ``owned`` says that what is ranked belongs to a user."""
    owner: Column[UsageRank] = Column("user_email", lambda rank: rank.user_email, title="User")
    return (
        id_column("id", lambda rank: rank.id, wide=True),
        Column("name", lambda rank: rank.name, title=what),
        *((owner,) if owned else ()),
        Column("kernels", lambda rank: rank.kernels, justify="right"),
        *(_rank_column(metric, unit) for metric, unit in units.items()),
    )


def _rank_column(metric: str, unit: MetricUnit) -> Column[UsageRank]:
    return Column(
        metric,
        lambda rank: rank.usage.get(metric),
        title=metric.replace("_", " "),
        human=lambda rank: amount_text(rank.usage.get(metric), unit),
        justify="right",
    )


IDLE_COLUMNS: tuple[Column[IdleUsage], ...] = (
    id_column("id", lambda row: row.id, wide=True),
    Column("name", lambda row: row.name),
    Column("user_email", lambda row: row.user_email, title="User"),
    Column("project_name", lambda row: row.project_name, title="Project", wide=True),
    Column("sessions", lambda row: row.sessions, justify="right", wide=True),
    Column("kernels", lambda row: row.kernels, justify="right", wide=True),
    Column("held_for", lambda row: row.held_for, title="Held for", justify="right"),
    Column("idle_for", lambda row: row.idle_for, title="Idle for", justify="right"),
    Column("observed", lambda row: row.observed, justify="right", wide=True),
    Column(
        "allocated",
        lambda row: row.allocated,
        human=lambda row: _slots_text(row.allocated),
    ),
    Column("used", lambda row: row.used, human=lambda row: _slots_text(row.used), wide=True),
    Column(
        "used_share",
        lambda row: row.used_share,
        title="Used",
        human=lambda row: amount_text(row.used_share, MetricUnit.PERCENT),
        justify="right",
    ),
    Column(
        "wasted",
        lambda row: row.wasted,
        title="Wasted (hours)",
        human=lambda row: _slots_text(row.wasted),
    ),
)


def slot_hours_columns(rows: Iterable[SlotHours]) -> tuple[Column[SlotHours], ...]:
    """One column a slot for people; programs get all of them in ``slot_hours``."""
    slots = sorted({slot for row in rows for slot in row.slot_hours}, key=_slot_order)
    return (
        id_column("id", lambda row: row.id, wide=True),
        Column("name", lambda row: row.name),
        Column("domain_name", lambda row: row.domain_name, title="Domain"),
        Column("sessions", lambda row: row.sessions, justify="right"),
        Column("kernels", lambda row: row.kernels, justify="right"),
        Column(
            "kernel_hours",
            lambda row: row.kernel_hours,
            title="Kernel h",
            human=lambda row: _hours_text(row.kernel_hours),
            justify="right",
        ),
        *(_slot_column(slot) for slot in slots),
    )


SLOT_HOURS_COLUMN: Final[Column[SlotHours]] = Column("slot_hours", lambda row: row.slot_hours)


def _slot_column(slot: str) -> Column[SlotHours]:
    in_bytes = guess_unit(slot) is SlotUnit.BYTES

    def human(row: SlotHours) -> str:
        hours = row.slot_hours.get(slot, Decimal(0))
        return f"{hours / GIB:,.2f}" if in_bytes else _hours_text(hours)

    return Column(
        slot,
        lambda row: row.slot_hours.get(slot, Decimal(0)),
        title=f"{slot} {'GiB h' if in_bytes else 'h'}",
        human=human,
        justify="right",
    )


GIB: Final = Decimal(1 << 30)


def _slot_order(slot: str) -> tuple[int, str]:
    return {"cpu": 0, "mem": 1}.get(slot, 2), slot


def _hours_text(hours: Decimal) -> str:
    return f"{hours:,.2f}"


def _slots_text(amounts: Mapping[str, float]) -> str:
    """``cpu=2 mem=4g``, to two decimals."""
    return (
        " ".join(
            f"{slot}={BinarySize(round(amount)).short()}"
            if guess_unit(slot) is SlotUnit.BYTES
            else f"{slot}={amount:.2f}".rstrip("0").rstrip(".")
            for slot, amount in sorted(amounts.items(), key=lambda entry: _slot_order(entry[0]))
        )
        or NOTHING
    )


def point_table_columns(unit: MetricUnit) -> tuple[Column[tuple[str, SeriesPoint]], ...]:
    """Values with the names of their series, for a person who asks for a table of them."""
    return (
        Column("time", lambda row: row[1].time, human=lambda row: time_text(row[1].time)),
        Column("series", lambda row: row[0]),
        Column(
            "value",
            lambda row: row[1].value,
            human=lambda row: amount_text(row[1].value, unit),
            justify="right",
        ),
    )
