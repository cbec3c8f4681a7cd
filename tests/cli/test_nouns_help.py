"""``bai-manager help``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bai_manager.cli.help import topics
from bai_manager.cli.help_topics import TOPICS, topic

if TYPE_CHECKING:
    from tests.cli.conftest import Typed


def test_alone_it_lists_every_topic_with_a_remark(typed: Typed) -> None:
    done = typed("help")
    assert (done.code, done.header) == (0, ["name", "about"])
    assert [cells[0] for cells in done.cells] == list(TOPICS)
    assert all(row.about for row in topics())


def test_topics_are_an_array_or_a_table_on_request(typed: Typed) -> None:
    assert [row["name"] for row in json.loads(typed("help", "-o", "json").out)] == list(TOPICS)
    assert typed("help", "-o", "table").out.split()[:2] == ["TOPIC", "ABOUT"]


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_printed_as_it_is(typed: Typed, name: str) -> None:
    done = typed("help", name)
    assert (done.code, done.out, done.err) == (0, topic(name), "")


def test_a_program_gets_the_text_as_json(typed: Typed) -> None:
    found = json.loads(typed("help", "filters", "-o", "json").out)
    assert found == {"topic": "filters", "text": topic("filters")}


def test_a_noun_shows_its_own_help(typed: Typed) -> None:
    asked, own = typed("help", "kernel"), typed("kernel", "--help")
    assert (asked.code, asked.out) == (0, own.out)


def test_an_unknown_topic_is_not_found(typed: Typed) -> None:
    done = typed("help", "everything")
    assert (done.code, done.out) == (3, "")
    assert "exit-codes" in done.err
