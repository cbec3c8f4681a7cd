"""The ``config`` commands, from the words typed to the exit code."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from bai_manager.cli.root import run
from bai_manager.config.keys import known_keys
from bai_manager.types.credentials import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from bai_manager.types.json import JsonObject
    from tests.config.conftest import Home

ON_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from bai_manager.cli.root import run
sys.exit(run(["config", "set", "secret_key"]))
"""


class Done:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def cells(self) -> list[list[str]]:
        """The lines of tsv below the header."""
        return [line.split("\t") for line in self.out.splitlines()[1:]]


class Typed(Protocol):
    def __call__(self, *words: str, stdin: str = "") -> Done: ...


@pytest.fixture
def typed(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Run ``bai-manager config WORDS`` in this process, in the test's home."""
    for name in [name for name in os.environ if name.startswith("BAI_")]:
        monkeypatch.delenv(name)

    def type_(*words: str, stdin: str = "") -> Done:
        for name, value in home.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = run(["config", *words])
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return type_


def error(done: Done) -> JsonObject:
    """The error that ``-o json`` leaves on stderr."""
    found: JsonObject = json.loads(done.err)["error"]
    assert done.out == ""
    return found


def test_show_lists_every_setting_with_its_origin(typed: Typed, home: Home) -> None:
    file = home.config("[profiles.local.defaults]\nproject = 'research'\n")
    home.environ["BAI_ACCESS_KEY"] = "AKIA"
    done = typed("show", "-o", "json")
    rows = {row["key"]: row for row in json.loads(done.out)}
    assert done.code == 0
    assert set(rows) == {name for name in known_keys() if "NAME" not in name}
    assert rows["defaults.project"] == {
        "key": "defaults.project",
        "value": "research",
        "origin": "file",
        "where": f"{file}:2",
    }
    assert rows["access_key"]["where"] == "BAI_ACCESS_KEY"
    assert rows["defaults.output"]["where"] == "--output"
    assert rows["agent.timeout"] == {
        "key": "agent.timeout",
        "value": 10,
        "origin": "default",
        "where": "",
    }


@pytest.mark.parametrize("format_", ["table", "wide", "json", "jsonl", "yaml", "csv", "tsv"])
def test_no_command_prints_a_secret(typed: Typed, home: Home, format_: str) -> None:
    home.credentials(
        "[profiles.local]\nkind = 'cluster'\nsecret_key = 'hunter2'\n"
        "database.dsn = 'postgresql://me:hunter2@db/bai'\nstorage.x.secret = 'hunter2'\n"
    )
    shown = typed("show", "--origin", "-o", format_)
    got = typed("get", "secret_key", "-o", format_)
    listed = typed("profiles", "-o", format_)
    assert [shown.code, got.code, listed.code] == [0, 0, 0]
    assert "***" in shown.out
    assert "***" in got.out
    assert "hunter2" not in shown.out + shown.err + got.out + got.err + listed.out + listed.err


def test_a_table_says_origins_only_when_asked(typed: Typed) -> None:
    assert "ORIGIN" not in typed("show", "-o", "table").out
    assert "ORIGIN" in typed("show", "-o", "table", "--origin").out


def test_show_says_which_profile_it_is_and_why(typed: Typed, home: Home) -> None:
    home.environ["BAI_PROFILE"] = "local"
    assert typed("show").err == "Profile local (chosen by: BAI_PROFILE)\n"
    assert typed("show", "--quiet").err == ""


def test_show_points_at_a_misspelt_variable(typed: Typed, home: Home) -> None:
    home.environ["BAI_SECRETKEY"] = "hunter2"
    done = typed("show", "--quiet")
    assert (
        done.err
        == "warning: BAI_SECRETKEY is set and means nothing; did you mean BAI_SECRET_KEY?\n"
    )


def test_get_prints_the_bare_value(typed: Typed, home: Home) -> None:
    home.config("[profiles.local.defaults]\nproject = 'research'\n")
    assert typed("get", "defaults.project").out == "research\n"
    assert typed("get", "database.autostart").out == "true\n"
    assert typed("get", "defaults.domain").out == "\n"
    assert typed("get", "storage.absent.path").out == "\n"


def test_get_of_an_unknown_key_is_a_usage_error_with_the_closest(typed: Typed) -> None:
    done = typed("get", "defaults.projct", "-o", "json")
    assert done.code == 2
    assert str(error(done)["hint"]).startswith("Did you mean defaults.project")


def test_set_makes_the_profile_and_get_reads_it(typed: Typed) -> None:
    done = typed("set", "kind", "cluster", "--profile", "prod", "-o", "json")
    assert (done.code, json.loads(done.out)["changed"]) == (0, True)
    assert typed("get", "kind", "--profile", "prod").out == "cluster\n"


def test_set_says_when_nothing_changes(typed: Typed) -> None:
    typed("set", "kind", "embedded")
    done = typed("set", "kind", "embedded")
    assert (done.code, done.cells[0][3]) == (0, "false")
    assert done.err == "Nothing to change: kind of local was so already.\n"


def test_set_says_when_a_variable_covers_the_value(typed: Typed, home: Home) -> None:
    home.environ["BAI_ACCESS_KEY"] = "AKIAENV"
    done = typed("set", "access_key", "AKIAFILE")
    assert (done.code, "BAI_ACCESS_KEY is set and counts instead" in done.err) == (0, True)


def test_set_tries_without_writing(typed: Typed, home: Home) -> None:
    assert typed("set", "kind", "cluster", "--dry-run").code == 0
    assert typed("set", "kind", "nonsense", "--dry-run").code == 2
    assert list(home.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "kind", "clutser"), "'embedded' or 'cluster'"),
        (("set", "kind"), "no value for kind"),
        (("set", "knd", "cluster"), "There is no setting 'knd'"),
        (("unset", "knd"), "There is no setting 'knd'"),
        (("set", "kind", "cluster", "--profile", "../x"), "cannot be the name of a profile"),
        (("set", "etcd.url", "http://me:hunter2@etcd"), "its own setting"),
        (("show", "-o", "tabel"), "not valid for --output"),
        (("show", "--color", "blue"), "not valid for --color"),
        (("show", "--columns", "kee"), "kee"),
    ],
)
def test_what_is_typed_wrong_is_a_usage_error(
    typed: Typed, home: Home, words: tuple[str, ...], said: str
) -> None:
    done = typed(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "hunter2" not in done.err
    assert list(home.folder.iterdir()) == []


def test_a_secret_as_an_argument_is_refused_with_the_way_to_give_it(
    typed: Typed, home: Home
) -> None:
    done = typed("set", "secret_key", "hunter2")
    assert (done.code, done.out) == (2, "")
    assert "bai-manager config set secret_key < FILE" in done.err
    assert "BAI_SECRET_KEY" in done.err
    assert "hunter2" not in done.err
    assert list(home.folder.iterdir()) == []


def test_a_secret_is_read_from_stdin(typed: Typed, home: Home) -> None:
    done = typed("set", "secret_key", stdin="hunter2\n")
    assert done.code == 0
    assert "hunter2" not in done.out + done.err
    assert home.load().settings.secret_key == Secret("hunter2")
    assert home.paths.credentials_file.stat().st_mode & 0o777 == 0o600


def test_an_empty_secret_is_refused(typed: Typed) -> None:
    assert typed("set", "secret_key", stdin="\n").code == 2


def test_a_secret_typed_at_a_terminal_is_not_shown(home: Home) -> None:
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL],
        stdin=slave,
        stderr=slave,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **home.environ},
    )
    os.close(slave)
    shown = read_until(master, b"secret_key: ")
    os.write(master, b"hunter2\n")
    assert child.wait(timeout=20) == 0
    shown += read_until(master, None)
    os.close(master)
    assert b"hunter2" not in shown
    assert home.load().settings.secret_key == Secret("hunter2")


def read_until(descriptor: int, end: bytes | None) -> bytes:
    """What the terminal shows up to ``end``, or what is left; fails after 20 s of silence."""
    shown = b""
    while end is None or not shown.endswith(end):
        assert select.select([descriptor], [], [], 20)[0]
        try:
            shown += os.read(descriptor, 1024)
        except OSError:
            return shown
    return shown


def test_unset_brings_back_what_is_below(typed: Typed, home: Home) -> None:
    home.config("[profiles.local.defaults]\ncolor = 'never'\n")
    assert typed("unset", "defaults.color").code == 0
    assert typed("get", "defaults.color").out == "auto\n"
    again = typed("unset", "defaults.color")
    assert (again.code, again.cells[0][3]) == (0, "false")


def test_a_broken_value_is_mended_by_set_and_unset(typed: Typed, home: Home) -> None:
    home.config("[profiles.local]\nkind = 'clutser'\n[profiles.local.agent]\ntimeout = 'soon'\n")
    assert typed("show").code == 78
    assert typed("set", "kind", "embedded").code == 0
    assert typed("show").code == 78
    assert typed("unset", "agent.timeout").code == 0
    assert typed("show").code == 0


@pytest.mark.parametrize("verb", [("show",), ("get", "kind"), ("profiles",), ("set", "kind", "x")])
def test_a_broken_file_exits_78_with_its_place_and_no_traceback(
    typed: Typed, home: Home, verb: tuple[str, ...]
) -> None:
    file = home.config("[profiles.local\n")
    done = typed(*verb)
    assert (done.code, done.out) == (78, "")
    assert f"{file}:1:16" in done.err
    assert "Traceback" not in done.err


def test_an_open_credentials_file_exits_78_saying_what_to_type(typed: Typed, home: Home) -> None:
    file = home.credentials("[profiles.local]\n")
    file.chmod(0o644)
    done = typed("show", "-o", "json")
    assert done.code == 78
    assert error(done)["hint"] == f"Make it yours alone: chmod 600 {file}"


def test_an_unknown_profile_exits_78_with_the_closest(typed: Typed, home: Home) -> None:
    home.config("[profiles.prod]\nkind = 'cluster'\n")
    for words in (("show", "--profile", "prdo"), ("use", "prdo")):
        done = typed(*words)
        assert (done.code, "Did you mean prod?" in done.err) == (78, True)


def test_profiles_are_listed_with_the_default_and_the_broken(typed: Typed, home: Home) -> None:
    home.config(
        "default_profile = 'prod'\n[profiles.prod]\nkind = 'cluster'\n[profiles.x]\na = 1\n"
    )
    done = typed("profiles")
    assert [cells[:3] for cells in done.cells] == [
        ["local", "false", "embedded"],
        ["prod", "true", "cluster"],
        ["x", "false", ""],
    ]
    assert "no setting 'a'" in done.cells[2][4]
    assert typed("profiles", "-o", "name").out == "local\nprod\nx\n"


def test_use_makes_a_profile_the_default(typed: Typed, home: Home) -> None:
    home.config("[profiles.prod]\naccess_key = 'AKIAPROD'\n")
    assert typed("use", "prod").code == 0
    assert typed("get", "access_key").out == "AKIAPROD\n"
    home.environ["BAI_PROFILE"] = "local"
    done = typed("use", "prod")
    assert done.err == (
        "Nothing to change: default_profile of prod was so already.\n"
        "warning: BAI_PROFILE=local is set and counts instead\n"
    )


def test_path_works_even_when_the_file_is_broken(typed: Typed, home: Home, tmp_path: Path) -> None:
    home.config("[profiles.local\n")
    done = typed("path", "-o", "json", "--profile", "prod")
    assert done.code == 0
    found = json.loads(done.out)
    assert found["config_file"] == str(home.paths.config_file)
    assert found["data_dir"] == str(tmp_path / "bai" / "data" / "prod")


def test_hostile_values_do_not_reach_the_terminal(typed: Typed, home: Home) -> None:
    home.config('[profiles."a\\u001b[31m"]\nkind = "\\u001b[2J"\n')
    for words in (("profiles",), ("profiles", "-o", "table"), ("show", "--profile", "a\x1b[31m")):
        done = typed(*words)
        assert "\x1b[2J" not in done.out + done.err
        assert "\x1b[31m" not in done.out + done.err


@pytest.mark.parametrize("verb", ["show", "get", "set", "unset", "profiles", "use", "path"])
def test_help_begins_with_an_example(typed: Typed, verb: str) -> None:
    done = typed(verb, "--help")
    assert done.code == 0
    assert f"Example: bai-manager config {verb}" in done.out
