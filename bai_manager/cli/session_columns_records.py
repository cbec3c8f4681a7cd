"""How what is recorded about sessions is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.cli.output.columns import Column, id_column, status_column, time_column

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from bai_manager.services.session_change.actions import CheckedSession
    from bai_manager.services.session_record.actions import (
        GetAbusingReportActionResult,
        GetDependencyGraphActionResult,
        GetDirectAccessInfoActionResult,
        GetStatusHistoryActionResult,
    )
    from bai_manager.services.session_record.types import (
        GraphNode,
        SessionMatch,
        TimelineEntry,
    )

MATCH_COLUMNS: tuple[Column[SessionMatch], ...] = (
    id_column("id", lambda found: found.id),
    Column("name", lambda found: found.name, keep=True),
    status_column("status", lambda found: found.status),
)
HISTORY_FIELDS: tuple[Column[GetStatusHistoryActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="Session"),
    Column(
        "status_history",
        lambda result: result.status_history,
        title="History",
        human=lambda result: "\n".join(
            f"{moment}  {status}"
            for status, moment in sorted(result.status_history.items(), key=lambda entry: entry[1])
        ),
    ),
)
TIMELINE_COLUMNS: tuple[Column[TimelineEntry], ...] = (
    Column("at", lambda entry: entry.at, human=lambda e: e.at.isoformat(" ", "milliseconds")),
    Column("source", lambda entry: entry.source),
    Column("what", lambda entry: entry.what, keep=True),
    Column("detail", lambda entry: entry.detail),
    Column("who", lambda entry: entry.who),
)
ACCESS_FIELDS: tuple[Column[GetDirectAccessInfoActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="Session"),
    Column("kernel_role", lambda result: result.kernel_role),
    Column("session_type", lambda result: result.session_type),
    Column("public_host", lambda result: result.public_host),
    Column(
        "sshd_ports",
        lambda result: result.sshd_ports,
        title="SSH ports",
    ),
)
ABUSE_FIELDS: tuple[Column[GetAbusingReportActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="Session"),
    Column("kernel", lambda result: result.kernel),
    Column("abuse_report", lambda r: r.abuse_report, human=lambda r: r.abuse_report or "none"),
)
CHECKED_COLUMNS: tuple[Column[CheckedSession], ...] = (
    id_column("session_id", lambda row: row.session_id, title="Session"),
    Column("name", lambda row: row.name, keep=True),
    status_column("status", lambda row: row.status),
    Column("changed", lambda row: row.changed),
)
GRAPH_FIELDS: tuple[Column[GetDependencyGraphActionResult], ...] = (
    Column("session_id", lambda result: result.session_id),
    Column("nodes", lambda result: result.nodes),
    Column("edges", lambda result: result.edges),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeLine:
    """One session of the tree; ``seen`` when what is below it was drawn further up."""

    branch: str
    node: GraphNode
    seen: bool


GRAPH_COLUMNS: tuple[Column[TreeLine], ...] = (
    Column(
        "session_name",
        lambda line: line.node.session_name,
        title="Session",
        human=lambda line: f"{line.branch}{line.node.session_name}{' …' if line.seen else ''}",
        keep=True,
    ),
    id_column("session_id", lambda line: line.node.session_id),
    status_column("status", lambda line: line.node.status),
    time_column("status_changed", lambda line: line.node.status_changed, title="Since"),
    Column("depends_on", lambda line: line.node.depends_on, wide=True),
)


def tree_of(result: GetDependencyGraphActionResult) -> Iterator[TreeLine]:
    """The graph as a tree from the session asked for; what was drawn is not drawn again."""
    nodes = {node.session_id: node for node in result.nodes}
    drawn: set[UUID] = set()
    stack: list[tuple[UUID, str, str]] = [(result.session_id, "", "")]
    while stack:
        session_id, branch, below = stack.pop()
        node = nodes[session_id]
        seen = session_id in drawn and bool(node.depends_on)
        yield TreeLine(branch=branch, node=node, seen=seen)
        if session_id in drawn:
            continue
        drawn.add(session_id)
        children = [child for child in node.depends_on if child in nodes]
        for index, child in reversed([*enumerate(children, start=1)]):
            here, under = ("└─ ", "   ") if index == len(children) else ("├─ ", "│  ")
            stack.append((child, below + here, below + under))
