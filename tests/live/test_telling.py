"""What a manager is told after which of our writes (``events-valkey.md`` §6 and §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.clients.cluster.memory import ClusterMemory
from tests.cli.conftest import change, typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from tests.cli.conftest import Ask

__all__ = ["change", "typed"]

# One after the other on a seeded world.
WRITES = {
    "agent drain i-local": ["room"],
    "agent undrain i-local": ["room"],
    "agent recalculate": ["usage"],
    "scaling-group create spare": ["room"],
    "scaling-group update spare --scheduler lifo": ["room"],
    "scaling-group associate spare --domain default": ["room"],
    "scaling-group dissociate spare --domain default": ["room"],
    "preset create small --slot cpu=1 --slot mem=1g --scaling-group spare": ["presets"],
    "scaling-group delete spare --yes": ["room", "presets"],
    "policy keypair update default --max-concurrent-sessions 5": ["room"],
    "policy user update default --max-vfolder-count 5": ["room"],
    "policy project update default --max-vfolder-count 5": ["room"],
    "domain update other --description far": ["room"],
    "domain delete other --yes": ["room"],
    "group update other/default --description far": ["room"],
    "group delete other/default --yes": ["room"],
    "user update bob@example.com --full-name Robert": ["room"],
    "user delete bob@example.com --yes": ["room"],
    "session rename train-1 train-2": [],
    "session update train-2 --priority 20": [],
    "image alias python py": [],
}


class Told:
    """In the place of ``ClusterMemory``: what it was told, in the order of that."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def forget_keypairs(self, access_keys: Sequence[str]) -> None:
        self.told += access_keys

    async def forget_presets(self) -> None:
        self.told.append("presets")

    async def forget_room(self) -> None:
        self.told.append("room")

    async def forget_usage(self) -> None:
        self.told.append("usage")


def test_the_manager_is_told_of_what_makes_its_figures_stale(
    change: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, list[str]] = {}
    for words in WRITES:
        memory = Told()
        for name in ("forget_room", "forget_usage", "forget_presets", "forget_keypairs"):
            monkeypatch.setattr(ClusterMemory, name, _bound(memory, name))
        done = change("root", *words.split())
        assert done.code == 0, (words, done.err)
        told[words] = memory.told
    assert told == WRITES


def _bound(memory: Told, name: str) -> object:
    async def forget(_self: ClusterMemory, *given: Sequence[str]) -> None:
        await getattr(memory, name)(*given)

    return forget


def test_where_valkey_is_down_an_agent_is_drained_with_a_warning(
    change: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAI_VALKEY_URL", "redis://127.0.0.1:1")
    done = change("root", "agent", "drain", "i-local")
    assert done.code == 0
    assert "The change is made, but it takes up to a quarter of a minute" in done.err
    again = change("root", "agent", "drain", "i-local", "--dry-run")
    assert "quarter" not in again.err
