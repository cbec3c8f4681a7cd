"""Global options are read wherever they are typed, up to ``--``, and nothing else is."""

from __future__ import annotations

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from bai_manager.cli import session_create
from bai_manager.cli.flags import FORMATS, RUN_WITH_VALUE, hoist, value_of

LIST = ["session", "list"]


@pytest.mark.parametrize(
    ("typed", "options", "rest"),
    [
        ([], [], []),
        (LIST, [], LIST),
        (["-o", "json", *LIST], ["-o", "json"], LIST),
        ([*LIST, "-o", "json"], ["-o", "json"], LIST),
        (["session", "--output", "json", "list"], ["--output", "json"], LIST),
        ([*LIST, "--output=json"], ["--output=json"], LIST),
        ([*LIST, "-ojson"], ["-ojson"], LIST),
        ([*LIST, "--profile", "lab", "-q"], ["--profile", "lab", "-q"], LIST),
        ([*LIST, "--as=AKIA"], ["--as=AKIA"], LIST),
        (
            ["session", "destroy", "-y", "--dry-run", "train-1"],
            ["-y", "--dry-run"],
            ["session", "destroy", "train-1"],
        ),
        (
            [*LIST, "--columns", "id,name", "--limit", "2"],
            ["--columns", "id,name"],
            [*LIST, "--limit", "2"],
        ),
    ],
    ids=str,
)
def test_global_options_are_parted_from_the_command(
    typed: list[str], options: list[str], rest: list[str]
) -> None:
    assert hoist(typed) == (options, rest)


def test_what_follows_two_dashes_belongs_to_the_command() -> None:
    typed = ["session", "run", "-q", "python", "--", "train.py", "-o", "model.bin", "--debug"]
    options, rest = hoist(typed)
    assert options == ["-q"]
    assert rest == ["session", "run", "python", "--", "train.py", "-o", "model.bin", "--debug"]


@pytest.mark.parametrize(
    ("typed", "options", "rest"),
    [
        ("run IMG train.py --debug -o x", "", "run IMG -- train.py --debug -o x"),
        ("run -q IMG train.py -q", "-q", "run IMG -- train.py -q"),
        (
            "run --name n -r cpu=1 IMG -e A=1 job --yes",
            "",
            "run --name n -r cpu=1 IMG -e A=1 -- job --yes",
        ),
        ("run IMG --keep -o json - --debug", "-o json", "run IMG --keep -- - --debug"),
        ("run IMG", "", "run IMG"),
        ("exec walk-1 code --debug", "--debug", "exec walk-1 code"),
    ],
)
def test_a_job_keeps_its_own_options(typed: str, options: str, rest: str) -> None:
    found = hoist(["session", *typed.split()])
    assert found == (options.split(), ["session", *rest.split()])


def test_the_options_of_a_run_that_take_a_word_are_known() -> None:
    command = typer.main.get_command(session_create.app)
    run = command.commands["run"]  # type: ignore[attr-defined]
    valued = {
        word
        for parameter in run.params
        if parameter.param_type_name == "option" and not parameter.is_flag
        for word in parameter.opts
    }
    assert valued == RUN_WITH_VALUE


def test_two_dashes_do_not_end_a_value_that_is_missing() -> None:
    assert hoist(["session", "list", "-o", "--", "x"]) == (["-o"], [])


@pytest.mark.parametrize("option", ["-o", "--output", "--profile", "--columns", "--color", "--as"])
def test_an_option_without_its_value_is_the_last_word_and_takes_no_other(option: str) -> None:
    options, rest = hoist(["-q", *LIST, option])
    assert [*options, *rest] == ["-q", option]


@pytest.mark.parametrize(
    "word", ["-operation", "-owner", "-ofoo", "-oj", "-O", "--outputs=json", "--debugger", "-qy"]
)
def test_a_word_that_only_begins_like_a_global_option_stays(word: str) -> None:
    assert hoist([*LIST, "--sort", word]) == ([], [*LIST, "--sort", word])


@pytest.mark.parametrize("format_", sorted(FORMATS))
def test_every_format_may_follow_o_directly(format_: str) -> None:
    assert hoist([*LIST, f"-o{format_}"]) == ([f"-o{format_}"], LIST)


def test_the_value_of_an_option_may_look_like_another() -> None:
    assert hoist(["--profile", "--debug", *LIST]) == (["--profile", "--debug"], LIST)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ([], None),
        (["-o", "json"], "json"),
        (["-ojson"], "json"),
        (["--output=json"], "json"),
        (["--output", "json"], "json"),
        (["-o", "json", "-o", "table"], "table"),
        (["-ocsv", "--output=json", "-q"], "json"),
        (["-o"], None),
        (["--profile", "json"], None),
    ],
    ids=str,
)
def test_the_value_of_an_option_is_the_last_one_given(
    options: list[str], value: str | None
) -> None:
    assert value_of(options, "--output", "-o") == value


def test_a_value_is_read_of_the_option_that_was_asked_for() -> None:
    options = ["-o", "json", "--color", "never"]
    assert value_of(options, "--color") == "never"
    assert value_of(options, "--profile") is None


WORDS = st.sampled_from(
    ["session", "list", "-o", "json", "--debug", "--", "-q", "--as", "x", "--limit", "-ojson", ""]
)


@given(st.lists(WORDS, max_size=8))
def test_no_word_is_lost_or_made_up_unless_a_value_is_missing(typed: list[str]) -> None:
    options, rest = hoist(typed)
    if rest or sorted(options) == sorted(typed):
        assert sorted([*options, *rest]) == sorted(typed)
    else:
        assert options[-1] in {"-o", "--as"}


@given(st.lists(WORDS, max_size=8))
def test_hoisting_again_changes_nothing(typed: list[str]) -> None:
    options, rest = hoist(typed)
    assert hoist([*options, *rest]) == (options, rest)
