"""``services/<noun>/README.md`` says what the code does: actions, commands, rules, errors."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
import typer

from bai_manager.actions.access import RULES, Rule
from bai_manager.actions.base import Action
from bai_manager.cli.nouns import NOUNS, load
from bai_manager.errors import BackendAIError
from tests.architecture import catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from tests.architecture.catalogue import AnyAction

ACTIONS_HEADER = ["Action", "command", "access rule", "what it does"]
ERRORS_HEADER = ["class", "exit code", "error_code", "when"]
SERVICES = catalogue.PACKAGE / "services"
PAGES = sorted(path.parent.name for path in SERVICES.glob("*/README.md"))
LONGEST = 100


@dataclass(frozen=True)
class Documented:
    """One line of a table of actions."""

    command_paths: list[str]
    rule: str
    what: str


def readme(noun: str) -> str:
    return (SERVICES / noun / "README.md").read_text(encoding="utf-8")


def table(text: str, header: list[str]) -> list[list[str]]:
    """The rows of the table with that header, or none; raises for a row of another width."""
    lines = text.splitlines()
    first = f"| {' | '.join(header)} |"
    if first not in lines:
        return []
    rows = []
    for line in lines[lines.index(first) + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == len(header), line
        rows.append(cells)
    return rows


def code(cell: str) -> str:
    found = re.fullmatch(r"`([^`]+)`", cell)
    assert found is not None, f"{cell} is not written as code"
    return found[1]


def documented_actions(noun: str) -> dict[str, Documented]:
    return {
        code(name): Documented([code(one) for one in paths.split(", ")], rule, what)
        for name, paths, rule, what in table(readme(noun), ACTIONS_HEADER)
    }


def documented_errors(noun: str) -> dict[str, tuple[int, str]]:
    return {
        code(name): (int(exit_code), code(error_code))
        for name, exit_code, error_code, when in table(readme(noun), ERRORS_HEADER)
        if when
    }


def actions_of(noun: str) -> list[AnyAction]:
    """Those of one noun: the pages of others do not matter, nor whether they are finished."""
    return [
        found
        for module in catalogue.action_modules(noun)
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, Action) and hasattr(found, "operation")
    ]


def rule_of(action: AnyAction) -> str:
    return in_words(RULES[action.entity_type, action.operation])


def in_words(rule: Rule) -> str:
    return rule.name.lower().replace("_", " ")


@cache
def sources() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in catalogue.PACKAGE.rglob("*.py")}


@cache
def declarations() -> dict[str, list[str]]:
    """The modules that declare a class of each name."""
    modules = defaultdict(list)
    for path, text in sources().items():
        module = ".".join(path.relative_to(catalogue.PACKAGE.parent).with_suffix("").parts)
        for name in re.findall(r"^class (\w+)\(", text, re.MULTILINE):
            modules[name].append(module)
    return modules


@cache
def errors_named(name: str) -> list[type[BackendAIError]]:
    """The error classes of that name, wherever the package declares one."""
    found = [getattr(import_module(module), name) for module in declarations().get(name, [])]
    return [error for error in found if issubclass(error, BackendAIError)]


def own_errors(noun: str) -> set[str]:
    if not (SERVICES / noun / "errors.py").exists():
        return set()
    module = import_module(f"bai_manager.services.{noun}.errors")
    return {
        name
        for name, found in vars(module).items()
        if isinstance(found, type)
        and issubclass(found, BackendAIError)
        and found.__module__ == module.__name__
    }


@cache
def commands_of(noun: str) -> dict[str, str]:
    """``kernel list`` … of one noun of the command line, and the module each is written in."""
    found = catalogue._commands_of(noun, typer.main.get_command(load(NOUNS[noun])))
    return {path: command.callback.__module__ for path, command in found if command.callback}


@cache
def called_in() -> dict[str, set[str]]:
    """The modules of the command line that call each name: to build an action, say."""
    modules = defaultdict(set)
    for path, source in sources().items():
        if path.parent == catalogue.PACKAGE / "cli":
            for name in re.findall(r"\b(\w+)\(", source):
                modules[name].add(path.stem)
    return modules


def modules_named_in(action: str) -> set[str]:
    """The modules of the command line that build an action."""
    return called_in().get(action, set())


def test_every_noun_has_a_page() -> None:
    assert catalogue.service_nouns() == PAGES


@pytest.mark.parametrize("noun", PAGES)
def test_the_table_has_every_action_of_the_noun_and_no_other(noun: str) -> None:
    assert set(documented_actions(noun)) == {action.__name__ for action in actions_of(noun)}


@pytest.mark.parametrize("noun", PAGES)
def test_the_access_rules_are_those_of_the_code(noun: str) -> None:
    said = {name: found.rule for name, found in documented_actions(noun).items()}
    assert said == {action.__name__: rule_of(action) for action in actions_of(noun)}


@pytest.mark.parametrize("noun", PAGES)
def test_the_commands_exist_and_build_the_action(noun: str) -> None:
    for action, found in documented_actions(noun).items():
        for path in found.command_paths:
            written_in = commands_of(path.split()[0])[path]
            module = written_in.rpartition(".")[2]
            builders = modules_named_in(action)
            assert any(name == module or name.startswith(f"{module}_") for name in builders), path


@pytest.mark.parametrize("noun", PAGES)
def test_every_action_has_a_word_about_what_it_does(noun: str) -> None:
    assert all(found.what for found in documented_actions(noun).values())


@pytest.mark.parametrize("noun", PAGES)
def test_the_noun_s_own_errors_are_all_listed(noun: str) -> None:
    assert own_errors(noun) <= set(documented_errors(noun))


@pytest.mark.parametrize("noun", PAGES)
def test_errors_are_listed_with_their_codes(noun: str) -> None:
    for name, said in documented_errors(noun).items():
        kinds = [(int(kind.exit_code), kind.error_code) for kind in errors_named(name)]
        assert said in kinds, name


@pytest.mark.parametrize("noun", PAGES)
def test_a_page_is_a_page(noun: str) -> None:
    text = readme(noun)
    assert text.startswith("# ")
    assert len(text.splitlines()) <= LONGEST
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Actions",
        "## Rules",
        "## Errors",
    ]


def test_every_access_rule_is_told_apart_in_words() -> None:
    assert len({in_words(rule) for rule in Rule}) == len(Rule)


def test_a_line_that_is_wrong_would_be_found() -> None:
    text = "| class | exit code | error_code | when |\n|---|---|---|---|\n| `X` | 3 |\n"
    with pytest.raises(AssertionError):
        table(text, ERRORS_HEADER)
    with pytest.raises(AssertionError):
        code("SessionNotFound")
