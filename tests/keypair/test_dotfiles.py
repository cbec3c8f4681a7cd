"""Dotfiles (``reference/value-types.md`` §12.1): the values, and those of key pairs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from bai_manager.models.user import keypairs
from bai_manager.services.keypair.actions import (
    CreateKeypairDotfileAction,
    DeleteKeypairDotfileAction,
    ListKeypairDotfilesAction,
    UpdateKeypairDotfileAction,
)
from bai_manager.types.dotfiles import (
    NO_DOTFILES,
    Dotfile,
    DotfileAlreadyExists,
    DotfileCreationFailed,
    DotfileNotFound,
    DotfileVFolderPathConflict,
    UnreadableDotfiles,
    check_dotfile,
    pack,
    selected_dotfiles,
    unpack,
    with_new,
)
from bai_manager.types.errors import InvalidName
from bai_manager.types.names import RESERVED_DOTFILES
from bai_manager.types.query import Query, parse_filter, parse_sort
from tests.people import folder, one_row, shared

if TYPE_CHECKING:
    from tests.tenants import Site

VIMRC = Dotfile(path=".vimrc", permission="644", data="set nu\n")

DOTFILES = st.lists(
    st.builds(Dotfile, path=st.text(), permission=st.text(), data=st.text()), max_size=5
)


@given(DOTFILES)
def test_what_is_packed_is_unpacked(dotfiles: list[Dotfile]) -> None:
    assert unpack(pack(dotfiles)) == tuple(dotfiles)


def test_they_are_stored_as_a_manager_stores_them() -> None:
    stored = msgpack.unpackb(pack([VIMRC]))
    assert stored == [{"path": ".vimrc", "perm": "644", "data": "set nu\n"}]
    assert pack([]) == NO_DOTFILES


@pytest.mark.parametrize("packed", [None, b"", NO_DOTFILES])
def test_nothing_stored_is_no_dotfiles(packed: bytes | None) -> None:
    assert unpack(packed) == ()


@pytest.mark.parametrize("packed", [b"\xc1", b"\x93", b"\x01", msgpack.packb([{"path": "x"}])])
def test_what_no_manager_writes_is_said_to_be_unreadable(packed: bytes) -> None:
    with pytest.raises(UnreadableDotfiles):
        unpack(packed)


@pytest.mark.parametrize("path", sorted(RESERVED_DOTFILES))
def test_a_reserved_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidName):
        check_dotfile(Dotfile(path=path, permission="644", data=""))


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", "a\x1bb"])
def test_a_path_outside_the_home_is_refused(path: str) -> None:
    with pytest.raises(InvalidName):
        check_dotfile(Dotfile(path=path, permission="644", data=""))


@pytest.mark.parametrize("permission", ["", "64", "0644", "648", "rw-", "64 "])
def test_a_permission_is_three_octal_digits(permission: str) -> None:
    with pytest.raises(InvalidName):
        check_dotfile(Dotfile(path=".x", permission=permission, data=""))


def test_the_content_has_at_most_65536_characters() -> None:
    check_dotfile(Dotfile(path=".x", permission="644", data="x" * 65_536))
    with pytest.raises(DotfileCreationFailed):
        check_dotfile(Dotfile(path=".x", permission="644", data="x" * 65_537))


def test_the_packed_list_has_at_most_65536_bytes() -> None:
    half = Dotfile(path=".x", permission="644", data="x" * 32_768)
    assert len(pack([half])) < 65_536
    with pytest.raises(DotfileCreationFailed):
        pack([half, half])


def test_there_are_at_most_a_hundred() -> None:
    some = [Dotfile(path=f".{index}", permission="644", data="") for index in range(100)]
    assert len(with_new(some[:99], VIMRC)) == 100
    with pytest.raises(DotfileCreationFailed):
        with_new(some, VIMRC)


def test_they_are_found_by_what_is_shown() -> None:
    small = Dotfile(path=".zshrc", permission="600", data="")
    query = Query(filters=(parse_filter("size<5"), parse_filter("permission=600")))
    assert selected_dotfiles([VIMRC, small], query) == (small,)
    by_size = Query(sort=parse_sort("size"))
    assert selected_dotfiles([VIMRC, small], by_size) == (small, VIMRC)


async def test_a_dotfile_is_created_changed_and_deleted(shaped_people: Site) -> None:
    alice = shaped_people.world.alice
    assert (await shaped_people.run(ListKeypairDotfilesAction(), alice)).dotfiles == ()
    await shaped_people.run(CreateKeypairDotfileAction(dotfile=VIMRC), alice)
    row = await one_row(shaped_people, keypairs, keypairs.c.access_key == alice.access_key)
    assert unpack(row.dotfiles) == (VIMRC,)
    changed = await shaped_people.run(
        UpdateKeypairDotfileAction(path=".vimrc", data="set ai\n"), alice
    )
    assert changed.dotfiles == (Dotfile(path=".vimrc", permission="644", data="set ai\n"),)
    moded = await shaped_people.run(
        UpdateKeypairDotfileAction(path=".vimrc", data="", permission="600"), alice
    )
    assert moded.dotfiles[0].permission == "600"
    left = await shaped_people.run(DeleteKeypairDotfileAction(path=".vimrc"), alice)
    assert left.dotfiles == ()


async def test_a_path_that_is_taken_is_a_conflict(people: Site) -> None:
    alice = people.world.alice
    await people.run(CreateKeypairDotfileAction(dotfile=VIMRC), alice)
    await people.refused(CreateKeypairDotfileAction(dotfile=VIMRC), DotfileAlreadyExists, alice)


async def test_a_path_that_is_not_there_is_not_found(people: Site) -> None:
    alice = people.world.alice
    for action in (
        UpdateKeypairDotfileAction(path=".x", data=""),
        DeleteKeypairDotfileAction(path=".x"),
    ):
        await people.refused(action, DotfileNotFound, alice)


@pytest.mark.parametrize("whose", ["own", "shared", "project"])
async def test_a_path_that_is_the_name_of_a_folder_is_refused(people: Site, whose: str) -> None:
    world, folder_id = people.world, uuid4()
    group = world.project_id if whose == "project" else None
    owner = world.alice if whose == "own" else world.bob
    await people.execute(folder(".vimrc", owner, id=folder_id, group=group))
    if whose == "shared":
        await people.execute(shared(folder_id, world.alice))
    action = CreateKeypairDotfileAction(dotfile=VIMRC)
    await people.refused(action, DotfileVFolderPathConflict, world.alice)


async def test_a_folder_that_is_another_s_or_gone_is_not_in_the_way(people: Site) -> None:
    world = people.world
    await people.execute(
        folder(".vimrc", world.bob), folder(".vimrc", world.alice, status="delete-pending")
    )
    await people.run(CreateKeypairDotfileAction(dotfile=VIMRC), world.alice)


async def test_dotfiles_of_another_key_pair_are_apart(people: Site) -> None:
    await people.run(CreateKeypairDotfileAction(dotfile=VIMRC), people.world.alice)
    assert (await people.run(ListKeypairDotfilesAction(), people.world.bob)).dotfiles == ()


async def test_dotfiles_created_at_the_same_time_are_all_there(own_site: Site) -> None:
    alice = own_site.world.alice
    await own_site.run(ListKeypairDotfilesAction(), alice)
    paths = {f".file{index}" for index in range(4)}
    await asyncio.gather(
        *(
            own_site.run(
                CreateKeypairDotfileAction(dotfile=Dotfile(path=path, permission="644", data="")),
                alice,
            )
            for path in paths
        )
    )
    found = await own_site.run(ListKeypairDotfilesAction(), alice)
    assert {one.path for one in found.dotfiles} == paths


async def test_a_list_that_cannot_be_read_is_not_overwritten(people: Site) -> None:
    alice = people.world.alice
    await people.execute(
        update(keypairs).where(keypairs.c.access_key == alice.access_key).values(dotfiles=b"\xc1")
    )
    await people.refused(CreateKeypairDotfileAction(dotfile=VIMRC), UnreadableDotfiles, alice)
