"""Listings of very many entries, and of folders that are told in part."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.storage_proxy.errors import ListingCut
from bai_manager.clients.storage_proxy.protocol import EntryKind, FileEntry
from bai_manager.services.vfolder_file.service import SORTED_AT_MOST, _in_order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


def entry(path: str) -> FileEntry:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return FileEntry(path=path, kind=EntryKind.FILE, size=1, mode=0o100644, modified=now)


async def listing(count: int, given: list[int], *, cut: bool) -> AsyncGenerator[FileEntry, None]:
    """Entries backwards; ``given`` counts them."""
    for number in reversed(range(count)):
        given.append(number)
        yield entry(f"{number:06}")
    if cut:
        raise ListingCut("local", ".", count)


async def into(told: list[str], found: AsyncGenerator[FileEntry, None]) -> None:
    async for one in found:
        told.append(one.path)  # noqa: PERF401 - what came before an error counts


async def test_few_are_put_in_order_even_if_cut() -> None:
    told: list[str] = []
    with pytest.raises(ListingCut):
        await into(told, _in_order(listing(SORTED_AT_MOST, [], cut=True)))
    assert told == [f"{number:06}" for number in range(SORTED_AT_MOST)]


async def test_many_are_told_before_the_last_is_found() -> None:
    given: list[int] = []
    ordered = _in_order(listing(10 * SORTED_AT_MOST, given, cut=False))
    await anext(ordered)
    assert len(given) == SORTED_AT_MOST + 1
    assert sum([1 async for _ in ordered]) == 10 * SORTED_AT_MOST - 1
