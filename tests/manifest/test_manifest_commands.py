"""``bai-manager export``, ``diff`` and ``apply``: what is typed, printed and asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from bai_manager.cli.schema import schema_of
from tests.cli.test_nouns_schema import problems
from tests.printed import said

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ask

CHANGED = "user_policies: [{name: default, max_vfolder_count: 9}]\npresets:\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text(f"{CHANGED}- {{name: p, resource_slots: {{cpu: 1, mem: 1g}}}}\n")
    return path


def test_an_export_is_yaml_that_differs_in_nothing(ask: Ask, tmp_path: Path) -> None:
    text = ask("root", "export").out
    assert [*yaml.safe_load(text)][:2] == ["version", "keypair_policies"]
    path = tmp_path / "a.yaml"
    path.write_text(text)
    assert ask("root", "diff", str(path), "--prune").code == 0


def test_sections_are_exported_alone_and_as_json(ask: Ask) -> None:
    document = said(ask("root", "export", "--only", "presets,users", "-o", "json"))
    assert [*document] == ["version", "users", "presets"]
    assert len(document["users"]) == 7
    assert ask("root", "export", "--only", "cats").code == 2


def test_a_difference_is_exit_code_8(ask: Ask, file: Path) -> None:
    done = ask("root", "diff", str(file), "-o", "json")
    assert done.code == 8, done.err
    assert list(problems(json.loads(done.out), schema_of("diff"))) == []
    assert [row["field"] for row in json.loads(done.out)] == ["max_vfolder_count", None]


def test_applying_shows_the_plan_and_asks(change: Ask, file: Path) -> None:
    asked = change("root", "apply", str(file))
    assert (asked.code, asked.out) == (2, "")
    assert "max_vfolder_count: 0 → 9" in asked.err
    assert "1 to create, 1 to update" in asked.err
    rehearsed = change("root", "apply", str(file), "--dry-run")
    assert rehearsed.code == 0
    assert "dry run" in rehearsed.err
    done = change("root", "apply", str(file), "--yes", "-o", "json")
    assert list(problems(said(done), schema_of("apply"))) == []
    assert [row["action"] for row in said(done)] == ["update", "create"]
    again = change("root", "apply", str(file))
    assert again.code == 0
    assert "No change" in again.err


def test_a_document_comes_from_standard_input_or_a_file_that_is_there(ask: Ask) -> None:
    assert ask("root", "diff", "-").code == 0
    assert ask("root", "diff", "/none").code == 2


def test_what_is_wrong_is_told_with_lines(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("users:\n- {email: x, rol: king}\n")
    done = ask("root", "apply", str(path), "--yes", "-o", "json")
    assert done.code == 2
    error = json.loads(done.err)["error"]
    assert [problem["line"] for problem in error["details"]["problems"]] == [2, 2, 2]
