"""Of a noun's verbs, only the one that is called is loaded and worked out."""

from __future__ import annotations

from importlib import import_module

import pytest
from typer.core import TyperGroup

from bai_manager.cli.nouns import NOUNS, build, load


def built(noun: str, *words: str) -> list[str]:
    command = build(load(NOUNS[noun], words), words)
    return sorted(command.commands) if isinstance(command, TyperGroup) else []


@pytest.mark.parametrize("verb", ["list", "create", "ls", "service"])
def test_the_verb_that_is_called_is_all_that_is_built(verb: str) -> None:
    assert built("session", verb, "--help") == [verb]


@pytest.mark.parametrize(("noun", "group"), [("user", "keypair"), ("session", "service")])
def test_of_a_group_within_a_noun_one_verb_is_built(noun: str, group: str) -> None:
    command = build(load(NOUNS[noun], [group, "list"]), [group, "list"])
    assert isinstance(command, TyperGroup)
    within = command.commands[group]
    assert isinstance(within, TyperGroup)
    assert list(within.commands) == ["list"]


@pytest.mark.parametrize("words", [[], ["--help"], ["lst"]])
def test_without_a_verb_all_are_built(words: list[str]) -> None:
    assert {"create", "list", "show", "destroy", "service"} <= {*built("session", *words)}


@pytest.mark.parametrize("noun", [noun for noun in NOUNS if NOUNS[noun].parts])
def test_every_part_of_a_noun_holds_the_verbs_it_is_said_to_hold(noun: str) -> None:
    for part in NOUNS[noun].parts:
        app = import_module(f"bai_manager.cli.{part.module}").app
        verbs = {info.name for info in app.registered_commands}
        assert part.group or verbs == {*part.verbs.split()}


def test_a_noun_that_is_a_verb_itself_stays_one() -> None:
    assert built("status") == []
