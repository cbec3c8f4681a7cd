"""Names of policies, presets, resource groups and domains for tab completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from bai_manager.repositories.names import Completable, Wanted, find_names
from tests.tenants import dsn_of

if TYPE_CHECKING:
    from tests.conftest import PostgresServer
    from tests.tenants import Seeded

NOUNS: tuple[Completable, ...] = (
    "domain",
    "scaling_group",
    "preset",
    "keypair_policy",
    "user_policy",
    "project_policy",
)
SEEN: dict[str, dict[Completable, list[str]]] = {
    "root": {"domain": ["default", "other"], "keypair_policy": ["default"]},
    "monitor": {"domain": ["default", "other"], "keypair_policy": ["default"]},
    "admin": {"domain": ["default"], "keypair_policy": []},
    "alice": {"domain": ["default"], "keypair_policy": []},
    "carol": {"domain": ["other"], "keypair_policy": []},
}


def _found(
    seeded: Seeded, server: PostgresServer, who: str, noun: Completable, prefix: str = ""
) -> list[str]:
    url, world = seeded("oneshot")
    credentials = getattr(world, who).credentials
    names = find_names(dsn_of(url, server), credentials, Wanted(noun=noun, prefix=prefix))
    return [name for name, _ in names]


def test_these_nouns_can_be_completed() -> None:
    assert set(NOUNS) <= set(get_args(Completable))


@pytest.mark.parametrize("who", SEEN)
def test_people_are_offered_what_they_may_see(
    seeded: Seeded, postgres_server: PostgresServer, who: str
) -> None:
    found = {noun: _found(seeded, postgres_server, who, noun) for noun in NOUNS}
    policies = SEEN[who]["keypair_policy"]
    assert found == {
        "domain": SEEN[who]["domain"],
        "scaling_group": ["default"],
        "preset": [],
        "keypair_policy": policies,
        "user_policy": policies,
        "project_policy": policies,
    }


@pytest.mark.parametrize("noun", NOUNS)
def test_names_begin_with_what_was_typed(
    seeded: Seeded, postgres_server: PostgresServer, noun: Completable
) -> None:
    assert _found(seeded, postgres_server, "root", noun, "zz") == []
