"""What comes from outside is taken as what it is: archives, reports, circles of dependencies."""

from __future__ import annotations

import io
import tarfile
from uuid import UUID

import pytest

from bai_manager.cli.session_columns_records import tree_of
from bai_manager.clients.live.abuse import report_in
from bai_manager.services.session_inside.files import ArchiveUnusable, one_archive
from bai_manager.services.session_record.actions import GetDependencyGraphActionResult
from bai_manager.services.session_record.types import GraphNode
from bai_manager.types.status import SessionStatus


def _tar(*names: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.size = 2 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"ab"))
    return packed.getvalue()


@pytest.mark.parametrize("name", ["all.tar", "all.tar.gz"])
def test_archives_become_one_without_what_leads_outside_or_is_a_device(name: str) -> None:
    parts = [_tar("a.txt", "/etc/passwd", "../up"), _tar("b/c.txt"), _tar("null", kind=b"3")]
    data, files = one_archive(parts, name)
    assert files == ["a.txt", "b/c.txt"]
    assert data.startswith(b"\x1f\x8b") is name.endswith(".gz")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == files


def test_what_is_no_archive_is_an_error_of_the_session() -> None:
    with pytest.raises(ArchiveUnusable):
        one_archive([b"hello"], "all.tar")


@pytest.mark.parametrize(
    ("value", "report"),
    [
        (b'"detected"', "detected"),
        (b'{"kernel": "k", "abuse_report": "cleaning"}', "cleaning"),
        (b"detected", "detected"),
        (b"[1]", "[1]"),
        (b"\xff", "\ufffd"),
    ],
)
def test_an_abuse_report_is_the_word_in_what_the_watcher_left(value: bytes, report: str) -> None:
    assert report_in(value) == report


def _node(number: int, *depends_on: int) -> GraphNode:
    return GraphNode(
        session_id=UUID(int=number),
        session_name=str(number),
        status=SessionStatus.PENDING,
        status_changed=None,
        depends_on=[UUID(int=other) for other in depends_on],
    )


def test_a_tree_draws_what_was_drawn_once_and_ends_in_a_circle() -> None:
    graph = GetDependencyGraphActionResult(
        session_id=UUID(int=1),
        nodes=[_node(1, 2, 3), _node(2, 4), _node(3, 4), _node(4, 1)],
        edges=[],
    )
    lines = [f"{line.branch}{line.node.session_name}{'…' * line.seen}" for line in tree_of(graph)]
    assert lines == ["1", "├─ 2", "│  └─ 4", "│     └─ 1…", "└─ 3", "   └─ 4…"]
