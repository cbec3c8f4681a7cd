"""Which dotfiles a session gets, and where no folder may be (``value-types.md`` §6.1, §12.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import update

from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.user import keypairs
from bai_manager.repositories.owner import OwnerRepository
from bai_manager.services.session.dotfiles import refuse_conflicts, told_to_agents
from bai_manager.services.session.errors import DotfileMountConflict
from bai_manager.types.dotfiles import Dotfile, DotfileGiver, GivenDotfile, pack
from bai_manager.types.mounts import VFolderMount
from bai_manager.types.vfolder import VFolderID, VFolderPermission

if TYPE_CHECKING:
    from tests.vfolder.sites import FolderSite


def _dotfile(path: str, data: str = "") -> Dotfile:
    return Dotfile(path=path, permission="644", data=data)


def _given(path: str, giver: DotfileGiver = DotfileGiver.KEYPAIR) -> GivenDotfile:
    return GivenDotfile(giver=giver, dotfile=_dotfile(path))


def _mount(kernel_path: str) -> VFolderMount:
    return VFolderMount(
        name="data",
        vfid=VFolderID(None, UUID(int=1)),
        host_path="/mnt/data",
        kernel_path=kernel_path,
        mount_perm=VFolderPermission.READ_WRITE,
    )


def test_a_dotfile_is_neither_where_a_folder_is_nor_above_it() -> None:
    for path, place, clash in (
        (".vimrc", "/home/work/.vimrc", True),
        ("./.vimrc", "/home/work/.vimrc", True),
        ("/home/work/.vimrc", "/home/work/.vimrc", True),
        ("a", "/home/work/a/b", True),
        ("a/b", "/home/work/a", False),
        (".vim", "/home/work/.vimrc", False),
        (".vimrc", "/data/.vimrc", False),
    ):
        if clash:
            with pytest.raises(DotfileMountConflict):
                refuse_conflicts([_given(path)], [_mount("/home/work/x"), _mount(place)])
        else:
            refuse_conflicts([_given(path)], [_mount(place)])


def test_the_refusal_names_the_dotfile_whose_it_is_and_the_folder() -> None:
    for giver in DotfileGiver:
        with pytest.raises(DotfileMountConflict) as refused:
            refuse_conflicts([_given(".vimrc", giver)], [_mount("/home/work/.vimrc")])
        assert f"'.vimrc' of the {giver.value}" in refused.value.message
        assert "'data'" in refused.value.message
        assert "-v data:PATH" in (refused.value.hint or "")


async def test_of_a_path_the_key_pair_s_is_given_then_the_project_s_then_the_domain_s(
    shaped_folders: FolderSite,
) -> None:
    site, alice = shaped_folders, shaped_folders.world.alice
    own = [_dotfile("a", "key pair")]
    projects = [*own, _dotfile("b", "project")]
    of_domain = [_dotfile(path, "domain") for path in "abc"]
    await site.execute(
        update(keypairs).values(dotfiles=pack(own)),
        update(groups).values(dotfiles=pack(projects)),
        update(domains).values(dotfiles=pack(of_domain)),
    )
    found = await OwnerRepository(site.database).dotfiles(
        alice.access_key, site.world.project_id, alice.domain_name
    )
    assert [(one.dotfile.path, one.giver.value) for one in found] == [
        ("a", "key pair"),
        ("b", "project"),
        ("c", "domain"),
    ]
    assert told_to_agents(found)[0] == {"path": "c", "perm": "644", "data": "domain"}
