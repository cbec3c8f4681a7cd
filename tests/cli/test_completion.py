"""Tab completion: the scripts, nouns and verbs, and live names."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from typer._completion_shared import get_completion_script

from bai_manager.cli import completion
from bai_manager.cli.nouns import NOUNS
from bai_manager.cli.root import run
from bai_manager.repositories.names import MOST, Wanted, find_names
from tests.seeds import IMAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.conftest import Cluster, Home, Typed

SCRIPTS = Path(__file__).parents[2] / "completions"
VARIABLE = "_BAI_MANAGER_COMPLETE"
PLAIN_OF_ALICE = {"train-1"}
HEAVY = {"sqlalchemy", "httpx", "pydantic_settings", "psycopg", "rich", "yaml"}
"""Typer loads pydantic by itself, to convert the words."""


class Tab(Protocol):
    """``tab("session show tr", env)``: what is offered for the last word."""

    def __call__(
        self, line: str, env: Mapping[str, str] | None = None, *, patience: float = 60
    ) -> set[str]: ...


@pytest.fixture
def tab(typed: Typed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tab:
    """Press Tab in this process, in bash; whatever happens is silent."""
    del typed  # it cleans the environment

    def tab_(line: str, env: Mapping[str, str] | None = None, *, patience: float = 60) -> set[str]:
        words = f"bai-manager {line}"
        with monkeypatch.context() as patched:
            patched.setattr(completion, "PATIENCE", patience)
            for name, value in {**(env or {}), **_bash(words)}.items():
                patched.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                run([])
        out, err = capsys.readouterr()
        assert (ended.value.code, err) == (0, "")
        return set(out.split())

    return tab_


def _bash(words: str) -> dict[str, str]:
    return {
        VARIABLE: "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }


def _modules_after(environ: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """What a process that completes prints, and the modules it has loaded."""
    program = (
        "import sys\nfrom bai_manager.cli import completion\nfrom bai_manager.cli.root import run\n"
        "completion.PATIENCE = 60\n"
        "try:\n    run([])\nexcept SystemExit:\n    print(*sys.modules, file=sys.stderr)"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BAI_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**clean, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split()), {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_the_one_that_typer_would_install(shell: str) -> None:
    script = get_completion_script(prog_name="bai-manager", complete_var=VARIABLE, shell=shell)
    assert (SCRIPTS / f"bai-manager.{shell}").read_text() == f"{script}\n"


def test_the_script_completes_in_a_real_bash() -> None:
    program = Path(sys.executable).with_name("bai-manager")
    lines = (
        f"source '{SCRIPTS / 'bai-manager.bash'}'",
        "COMP_WORDS=(bai-manager ker) COMP_CWORD=1",
        f"_bai_manager_completion '{program}'",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    )
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "--norc", "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("kernel\n", "")


def test_nouns_are_completed(tab: Tab) -> None:
    assert tab("") >= set(NOUNS)
    assert tab("s") == {noun for noun in NOUNS if noun.startswith("s")}


def test_verbs_are_completed(tab: Tab) -> None:
    assert tab("kernel ") == {"list", "show", "logs"}
    assert tab("session l") == {"list", "logs", "ls"}


def test_options_are_completed(tab: Tab) -> None:
    assert tab("audit list --s") == {"--sort", "--status", "--since"}


def test_topics_and_schemas_are_completed(tab: Tab) -> None:
    assert tab("help e") == {"exit-codes", "environment"}
    assert "session" in tab("schema s")
    assert tab("schema kernel l") == {"list", "logs"}
    kinds = {"keypair", "user", "project"}
    assert tab("schema policy ") == kinds | {"explain", "what-if"}
    assert tab("schema policy user s") == {"show"}


def test_verbs_are_completed_without_loading_anything_heavy(tmp_path: Path) -> None:
    offered, loaded = _modules_after({**_bash("bai-manager kernel "), "BAI_HOME": str(tmp_path)})
    assert offered == {"list", "show", "logs"}
    assert not loaded & HEAVY


def test_names_are_completed_without_sqlalchemy(cluster: Cluster) -> None:
    offered, loaded = _modules_after(
        {**_bash("bai-manager session show tr"), **cluster.environ("alice")}
    )
    assert offered == PLAIN_OF_ALICE
    assert not loaded & {"sqlalchemy", "httpx", "rich"}


@pytest.mark.parametrize(
    ("person", "names"),
    [
        ("alice", PLAIN_OF_ALICE),
        ("bob", {"bobs-1"}),
        ("carol", {"carols-1"}),
        ("admin", {*PLAIN_OF_ALICE, "bobs-1"}),
        ("other_admin", {"carols-1"}),
        ("monitor", {*PLAIN_OF_ALICE, "bobs-1", "carols-1"}),
        ("root", {*PLAIN_OF_ALICE, "bobs-1", "carols-1"}),
    ],
)
def test_only_sessions_that_one_may_see_are_offered(
    tab: Tab, cluster: Cluster, person: str, names: set[str]
) -> None:
    """And none whose name would mean something to a shell, nor any that has ended."""
    assert tab("session show ", cluster.environ(person)) == names


def test_several_sessions_can_be_completed_one_after_the_other(tab: Tab, cluster: Cluster) -> None:
    assert tab("session destroy train-1 b", cluster.environ("root")) == {"bobs-1"}


def test_the_owner_given_narrows_the_names(tab: Tab, cluster: Cluster) -> None:
    line = f"session show --owner {cluster.world.bob.access_key} "
    assert tab(line, cluster.environ("root")) == {"bobs-1"}


def test_a_superadmin_sees_what_the_one_acted_as_sees(tab: Tab, cluster: Cluster) -> None:
    access_key = cluster.world.bob.access_key
    for line in (f"--as {access_key} session show ", f"session show --as {access_key} "):
        assert tab(line, cluster.environ("root")) == {"bobs-1"}
    assert tab(f"--as {access_key} session show ", cluster.environ("alice")) == set()


def test_the_profile_named_is_the_one_that_is_asked(
    tab: Tab, cluster: Cluster, tmp_path: Path
) -> None:
    bob = cluster.world.bob
    folder = tmp_path / "bai" / "config"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "config.toml").write_text("[profiles.bobs]\nkind = 'cluster'\n")
    secrets = folder / "credentials.toml"
    secrets.touch(0o600)
    secrets.write_text(
        f"[profiles.bobs]\naccess_key = '{bob.access_key}'\n"
        f"secret_key = '{bob.secret_key.reveal()}'\ndatabase.dsn = '{cluster.dsn}'\n"
    )
    assert tab("--profile bobs session show ") == {"bobs-1"}
    assert tab("session show --profile bobs ") == {"bobs-1"}
    assert tab("session show ") == set()


def test_images_are_offered_by_name_and_alias(tab: Tab, cluster: Cluster) -> None:
    assert tab("session create ", cluster.environ("bob")) == {IMAGE, "python"}
    assert tab("session run py", cluster.environ("bob")) == {"python"}


def test_kernels_are_offered_by_id(tab: Tab, cluster: Cluster) -> None:
    ids = {str(kernel) for kernel in cluster.train.kernel_ids}
    assert ids <= tab("kernel show ", cluster.environ("alice"))
    assert not ids & tab("kernel show ", cluster.environ("bob"))
    one = next(iter(ids))
    assert tab(f"kernel logs {one[:20]}", cluster.environ("alice")) == {one}


def test_agents_are_offered_to_those_who_may_list_them(tab: Tab, cluster: Cluster) -> None:
    assert tab("agent show ", cluster.environ("root")) == {"i-local", "i-lost"}
    assert tab("agent show ", cluster.environ("admin")) == set()


def test_remarks_go_where_the_shell_shows_them(
    typed: Typed,
    cluster: Cluster,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del typed
    environ = {
        **cluster.environ("bob"),
        VARIABLE: "complete_zsh",
        "_TYPER_COMPLETE_ARGS": "bai-manager session show ",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        run([])
    assert '"bobs-1":"RUNNING"' in capsys.readouterr().out


def test_a_wrong_key_pair_is_offered_nothing(tab: Tab, cluster: Cluster) -> None:
    wrong = cluster.environ("root") | {"BAI_SECRET_KEY": "x" * 40}
    assert tab("session show ", wrong) == set()
    assert tab("session create ", wrong) == set()


def test_without_a_key_pair_nothing_is_offered(tab: Tab, cluster: Cluster) -> None:
    assert tab("session show ", {"BAI_DATABASE_DSN": cluster.dsn}) == set()


@pytest.mark.parametrize(
    "environ",
    [
        {"BAI_DATABASE_DSN": "postgresql://bai@localhost/x?host=%2Fnowhere"},
        {"BAI_DATABASE_DSN": "nonsense"},
        {"BAI_PROFILE": "there-is-none"},
        {"BAI_OUTPUT": "parchment"},
    ],
)
def test_whatever_is_wrong_completion_is_silent(
    tab: Tab, cluster: Cluster, environ: dict[str, str]
) -> None:
    assert tab("session show ", cluster.environ("alice") | environ) == set()


def test_a_database_that_never_answers_is_not_waited_for(tab: Tab, cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        dsn = f"postgresql://bai@127.0.0.1:{mute.getsockname()[1]}/x"
        environ = cluster.environ("alice") | {"BAI_DATABASE_DSN": dsn}
        assert tab("session show ", environ, patience=0.2) == set()


def test_an_unfinished_quote_is_silent(tab: Tab, cluster: Cluster) -> None:
    assert tab("session show 'tr", cluster.environ("alice")) == set()


def test_names_come_from_a_system_of_this_machine_that_runs(
    tab: Tab, initialised_home: Home
) -> None:
    assert {"python", "python3"} <= tab("session create py", initialised_home.environ)
    assert tab("agent show ", initialised_home.environ) == {"i-local"}


def test_a_database_that_does_not_run_is_not_started(tab: Tab, tmp_path: Path) -> None:
    home = tmp_path / "quiet"
    environ = {"BAI_HOME": str(home), "BAI_ACCESS_KEY": "AKIA", "BAI_SECRET_KEY": "x"}
    assert tab("session show ", environ) == set()
    assert not home.exists()


def test_names_have_an_end(cluster: Cluster) -> None:
    found = find_names(
        cluster.dsn, cluster.world.root.credentials, Wanted(noun="session", prefix="")
    )
    assert 0 < len(found) <= MOST
