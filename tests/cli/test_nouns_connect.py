"""``bai-manager connect`` where there is nothing to connect to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Typed

NOBODY = "http://127.0.0.1:1"
MANAGER = """
[etcd]
addr = { host = "127.0.0.1", port = 1 }
[db]
addr = { host = "127.0.0.1", port = 1 }
name = "backend"
user = "postgres"
"""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "--manager-toml FILE or --etcd URL"),
        (["--etcd", NOBODY, "--manager-toml", "FILE"], 2, "exclude each other"),
        (["--etcd", "127.0.0.1:1"], 2, "http://HOST:PORT"),
        (["--manager-toml", "/nowhere"], 78, "/nowhere cannot be read: No such file or directory."),
        (["--etcd", NOBODY], 6, "does not answer: nothing listens there."),
        (["--manager-toml", "FILE"], 6, "that are in the manager's file, below [etcd]"),
    ],
)
def test_it_says_why_and_writes_no_profile(
    typed: Typed, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    file = tmp_path / "manager.toml"
    file.write_text(MANAGER)
    done = typed("connect", "--name", "late", *(str(file) if w == "FILE" else w for w in words))
    assert (done.code, done.out) == (code, ""), done.err
    assert said in done.err
    assert not list((tmp_path / "bai").rglob("*.toml"))
