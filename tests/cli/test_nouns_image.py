"""``bai-manager image``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.conftest import HOSTILE
from tests.seeds import IMAGE

if TYPE_CHECKING:
    from tests.cli.conftest import Ask


def test_everybody_sees_the_images_that_can_be_used(ask: Ask) -> None:
    for person in ("alice", "monitor", "root"):
        done = ask(person, "image", "list", "-o", "json")
        names = {row["name"]: row["aliases"] for row in json.loads(done.out)}
        assert done.code == 0
        assert names == {IMAGE: ["python"], f"local/stable/{HOSTILE}:1": []}


def test_a_name_can_be_searched_for(ask: Ask) -> None:
    done = ask("alice", "image", "list", "--filter", "name~PYTHON", "-o", "name")
    assert (done.code, done.out) == (0, f"{IMAGE}\n")


def test_nothing_found_is_an_empty_array(ask: Ask) -> None:
    assert ask("alice", "image", "list", "--filter", "name=x", "-o", "json").out == "[]\n"


def test_a_table_leaves_out_what_is_wide(ask: Ask) -> None:
    narrow = ask("alice", "image", "list", "-o", "table").out
    wide = ask("alice", "image", "list", "-o", "wide").out
    assert narrow.split("\n")[0].split() == ["NAME", "ALIASES", "ARCHITECTURE", "REGISTRY"]
    assert "sha256:" in wide
    assert "sha256:" not in narrow
    assert "\x1b" not in narrow + wide


def test_tsv_has_a_header_and_full_values(ask: Ask) -> None:
    done = ask("alice", "image", "list", "--filter", f"name={IMAGE}")
    assert done.header[:3] == ["name", "aliases", "architecture"]
    assert done.cells[0][:3] == [IMAGE, '["python"]', "x86_64"]


def test_an_unknown_filter_field_is_a_usage_error(ask: Ask) -> None:
    assert ask("alice", "image", "list", "--filter", "colour=red").code == 2


def test_a_noun_with_one_verb_still_needs_the_verb(ask: Ask) -> None:
    assert ask("alice", "image", "lst").code == 2
