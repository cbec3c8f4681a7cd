"""Every command shows how it is used, and what it shows can be typed."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
import typer

from bai_manager.cli.flags import FORMATS, Flags, hoist
from bai_manager.cli.nouns import ALIASES, NOUNS
from bai_manager.cli.output.options import Format
from bai_manager.cli.root import app
from tests.architecture import catalogue
from tests.architecture.each import for_each

if TYPE_CHECKING:
    from typer._click.core import Context

COMMANDS = dict(catalogue.commands())
ROOT = typer.main.get_command(app)
SUBSTITUTED = re.compile(r"\$\((bai-manager [^)]*)\)")
PLAIN = re.compile(r"^\s*(bai-manager .*?)(?: [|>] .*)?$", re.MULTILINE)


def _lines(text: str | None) -> list[str]:
    """The command lines below ``Example:``, without what a shell does around them."""
    after = (text or "").partition("Example:")[2]
    return SUBSTITUTED.findall(after) or PLAIN.findall(after)


def _parsed(line: str) -> Context:
    """The context of the command that a line names; raises what a wrong line would raise."""
    words = shlex.split(line)[1:]
    options, rest = hoist(words)
    context = ROOT.make_context("bai-manager", [*options, *rest])
    while hasattr(context.command, "resolve_command"):
        left = [*context._protected_args, *context.args]
        name, command, left = context.command.resolve_command(context, left)
        context = command.make_context(name, left, parent=context)
    return context


@for_each(COMMANDS)
def test_a_command_says_what_it_does_and_shows_an_example(path: str) -> None:
    command = COMMANDS[path]
    assert (command.help or "").partition("Example:")[0].strip()
    assert _lines(command.help)


@for_each(COMMANDS)
def test_the_example_is_of_that_command_and_can_be_parsed(path: str) -> None:
    for line in _lines(COMMANDS[path].help):
        assert _parsed(line).command_path == f"bai-manager {path}"


@pytest.mark.parametrize(
    "line",
    [
        "bai-manager session frobnicate",
        "bai-manager session list --frobnicate",
        "bai-manager session show",
    ],
)
def test_an_example_that_is_wrong_would_be_found(line: str) -> None:
    with pytest.raises(typer.exceptions.TyperException):
        _parsed(line)


def test_the_example_of_the_root_can_be_parsed() -> None:
    examples = _lines(ROOT.help)
    assert examples
    for line in examples:
        assert _parsed(line).command_path.startswith("bai-manager ")


@for_each(COMMANDS)
def test_every_option_of_a_command_has_help(path: str) -> None:
    bare = [
        parameter.name
        for parameter in COMMANDS[path].params
        if parameter.param_type_name == "option" and not getattr(parameter, "help", None)
    ]
    assert bare == []


@for_each(COMMANDS)
def test_no_option_of_a_command_hides_a_global_one(path: str) -> None:
    own = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    options, _ = hoist([word for option in sorted(own) for word in (option, "value")])
    assert options == []


def test_an_alias_stands_for_a_noun() -> None:
    assert set(ALIASES.values()) <= set(NOUNS)
    assert not set(ALIASES) & set(NOUNS)


def test_formats_that_may_follow_o_directly_are_the_formats_there_are() -> None:
    assert frozenset(choice.value for choice in Format) == FORMATS


def test_every_global_option_is_hoisted_to_the_front() -> None:
    version_and_completion = {"version", "install_completion", "show_completion", "help"}
    known = {
        parameter.name: (parameter.opts, bool(getattr(parameter, "is_flag", False)))
        for parameter in ROOT.params
        if parameter.name.lstrip("_") not in version_and_completion
    }
    assert set(known) == set(Flags.__dataclass_fields__)
    for opts, is_flag in known.values():
        for option in opts:
            given = [option] if is_flag else [option, "value"]
            assert hoist(["session", "list", *given]) == (given, ["session", "list"])
