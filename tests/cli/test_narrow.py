"""Of a noun's verbs, only the one that is called is worked out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.core import TyperGroup

from bai_manager.cli import nouns, session, status, user

if TYPE_CHECKING:
    import typer


def built(app: typer.Typer, *words: str) -> list[str]:
    command = nouns.build(app, [*words])
    return sorted(command.commands) if isinstance(command, TyperGroup) else []


@pytest.mark.parametrize("verb", ["list", "create", "ls"])
def test_the_verb_that_is_called_is_all_that_is_built(verb: str) -> None:
    assert built(session.app, verb, "--help") == [verb]


def test_of_a_group_within_a_noun_one_verb_is_built() -> None:
    command = nouns.build(user.app, ["keypair", "list"])
    assert isinstance(command, TyperGroup)
    keypair = command.commands["keypair"]
    assert isinstance(keypair, TyperGroup)
    assert list(keypair.commands) == ["list"]


@pytest.mark.parametrize("words", [[], ["--help"], ["lst"]])
def test_without_a_verb_all_are_built(words: list[str]) -> None:
    assert {"create", "list", "show", "destroy"} <= {*built(session.app, *words)}


def test_a_noun_that_is_a_verb_itself_stays_one() -> None:
    assert built(status.app) == []
