"""What we store, the client of Backend.AI reads and removes, and the other way round."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.storage.helpers import make_tree, read_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.cli.conftest import Done, Typed

pytestmark = pytest.mark.cluster

FILES = {"sub/b.bin": os.urandom(3_000_003), "a b.txt": b"one", "sub/empty": b"", "ü.txt": b"2"}


@pytest.fixture(scope="module")
def environ() -> Mapping[str, str]:
    """What makes us the cluster's superadmin; read before ``typed`` hides it."""
    return {
        "BAI_DATABASE_DSN": os.environ["BAI_CLUSTER_PG_DSN"],
        "BAI_ETCD_URL": os.environ["BAI_CLUSTER_ETCD_URL"],
        "BAI_ACCESS_KEY": os.environ["BACKEND_ACCESS_KEY"],
        "BAI_SECRET_KEY": os.environ["BACKEND_SECRET_KEY"],
    }


@pytest.fixture(scope="module")
def theirs() -> Callable[..., str]:
    """Run the client of Backend.AI."""
    client = os.environ["BAI_CLUSTER_CLIENT"]

    def run(*words: str) -> str:
        command = [client, "vfolder", *words]
        done = subprocess.run(
            command, input="y\n", capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def ours(environ: Mapping[str, str], typed: Typed) -> Callable[..., Done]:
    def run(*words: str) -> Done:
        done = typed("vfolder", *words, env=environ)
        assert done.code == 0, done.err
        return done

    return run


def test_their_client_lists_reads_and_removes_what_we_stored(
    ours: Callable[..., Done], theirs: Callable[..., str], tmp_path: Path
) -> None:
    name = f"ours-{uuid4().hex[:12]}"
    source, back = make_tree(tmp_path / "source", FILES), tmp_path / "back"
    (back / "sub").mkdir(parents=True)  # their client makes no folders
    ours("create", name, "--host", "local:volume1")
    ours("upload", name, f"{source}/")
    listed = theirs("ls", name, "sub")
    assert "b.bin" in listed
    assert "3000003" in listed.replace(",", "")
    theirs("download", "-b", str(back), name, *FILES)
    assert read_tree(back) == FILES
    theirs("rm", name, "a b.txt")
    theirs("mv", name, "sub/empty", "moved")
    assert ours("ls", name, "-R", "-o", "name").out.split("\n")[:-1] == [
        "moved",
        "sub",
        "sub/b.bin",
        "ü.txt",
    ]
    theirs("delete", name)
    theirs("delete-trash", name)


def test_we_list_read_and_remove_what_their_client_stored(
    ours: Callable[..., Done], theirs: Callable[..., str], tmp_path: Path
) -> None:
    name = f"theirs-{uuid4().hex[:12]}"
    files = {path: data for path, data in FILES.items() if data}  # they store no empty ones
    source, back = make_tree(tmp_path / "source", files), tmp_path / "back"
    theirs("create", name, "local:volume1")
    theirs("upload", "-b", str(source), name, *files)
    ours("download", name, "--to", str(back), "--verify")
    assert read_tree(back) == files
    assert ours("cat", name, "a b.txt").out == "one"
    ours("rm", name, "sub", "-r", "--yes")
    ours("mkdir", name, "made")
    listed = theirs("ls", name)
    assert "made" in listed
    assert "b.bin" not in listed
    theirs("delete", name)
    theirs("delete-trash", name)
