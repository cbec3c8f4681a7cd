"""A root is one system's: another that would end its kernels is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.agent.local.ownership import AgentRootTaken, claim_root

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_system_marks_the_root_and_another_is_refused(tmp_path: Path) -> None:
    root, one, two = (tmp_path / name for name in ("root", "one", "two"))
    claim_root(root, one, "first")
    claim_root(root, one, "renamed")
    with pytest.raises(AgentRootTaken, match="profile 'first'") as refused:
        claim_root(root, two, "second")
    assert str(one) in refused.value.message
    assert "agent.local_root" in (refused.value.hint or "")
    claim_root(root, one, "first")
    assert sorted(path.name for path in root.iterdir()) == [".owner"]


def test_a_data_folder_that_was_moved_keeps_its_root(tmp_path: Path) -> None:
    root, data = tmp_path / "root", tmp_path / "data"
    claim_root(root, data, "local")
    data.rename(tmp_path / "moved")
    claim_root(root, tmp_path / "moved", "local")


def test_a_dry_run_is_refused_as_well_and_marks_nothing(tmp_path: Path) -> None:
    root, data = tmp_path / "root", tmp_path / "data"
    claim_root(root, data, "local", read_only=True)
    assert list(tmp_path.iterdir()) == []
    claim_root(root, tmp_path / "other", "local")
    with pytest.raises(AgentRootTaken):
        claim_root(root, data, "local", read_only=True)


@pytest.mark.parametrize("mark", ["", "{}", "[1]"])
def test_a_mark_that_cannot_be_read_is_another_one_s(tmp_path: Path, mark: str) -> None:
    root, data = tmp_path / "root", tmp_path / "data"
    claim_root(root, data, "local")
    (root / ".owner").write_text(mark)
    with pytest.raises(AgentRootTaken):
        claim_root(root, data, "local")
