"""Which folders and dotfiles a session gets, and where (``value-types.md`` §6.1, §12.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from bai_manager.errors import BackendAIError
from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.user import keypairs
from bai_manager.repositories.owner import OwnerRepository
from bai_manager.repositories.session_mounts import SessionMountRepository
from bai_manager.services.session.dotfiles import refuse_conflicts, told_to_agents
from bai_manager.services.session.errors import DotfileMountConflict, MountsOverlap
from bai_manager.services.session.mounts import (
    SessionMounts,
    plan_mounts,
    refuse_overlapping_sources,
)
from bai_manager.services.session.types_request import OwnerData
from bai_manager.services.vfolder.errors import (
    InsufficientStoragePermission,
    TooManyVFoldersFound,
    VFolderFilterStatusFailed,
    VFolderInvalidParameter,
    VFolderNotFound,
    VFolderPermissionError,
)
from bai_manager.services.vfolder.types import VFolderData
from bai_manager.types.dotfiles import Dotfile, DotfileGiver, GivenDotfile, pack
from bai_manager.types.folder_access import FolderReach
from bai_manager.types.mounts import MountRequest, VFolderMount
from bai_manager.types.status import VFolderOwnershipType, VFolderStatus, VFolderUsageMode
from bai_manager.types.vfolder import (
    QuotaScopeID,
    QuotaScopeType,
    StorageHost,
    VFolderHostPermission,
    VFolderID,
    VFolderPermission,
)
from tests.people import folder
from tests.vfolder.sites import storages_at

if TYPE_CHECKING:
    from tests.vfolder.sites import FolderSite

PROJECT: Final = UUID(int=7)
HOSTS: Final = {"local:volume1": frozenset({VFolderHostPermission.MOUNT_IN_SESSION})}


def _folder(name: str, permission: str = "rw", **changed: Any) -> VFolderData:
    number = uuid4()
    values: dict[str, Any] = {
        "id": number,
        "name": name,
        "host": StorageHost("local", "volume1"),
        "status": VFolderStatus.READY,
        "ownership_type": VFolderOwnershipType.USER,
        "owner": "alice@example.com",
        "owner_id": UUID(int=1),
        "project": None,
        "project_id": None,
        "domain_name": "default",
        "usage_mode": VFolderUsageMode.GENERAL,
        "permission": VFolderPermission(permission),
        "my_permission": VFolderPermission(permission),
        "reach": FolderReach.OWN,
        "cloneable": False,
        "vfid": VFolderID(QuotaScopeID(QuotaScopeType.USER, UUID(int=1)), number),
        "creator": None,
        "unmanaged_path": None,
        "max_files": None,
        "max_size": None,
        "created_at": None,
        "last_used": None,
        "status_changed": None,
        "status_history": {},
        "version": "1",
    }
    return VFolderData(**{**values, **changed})


def _of_project(name: str, project: UUID = PROJECT) -> VFolderData:
    return _folder(name, project_id=project, project="team", reach=FolderReach.PROJECT)


def _places(requests: str, *found: VFolderData) -> list[str]:
    """``NAME at PATH PERMISSION`` of each mount."""
    asked = [MountRequest.parse(word) for word in requests.split()]
    refuse_overlapping_sources(asked)
    return [
        f"{one.folder.name}/{one.subpath} at {one.kernel_path} {one.permission.value}"
        for one in plan_mounts(asked, found, HOSTS, PROJECT)
    ]


def test_where_folders_go() -> None:
    data, mine, brew = _folder("data"), _folder(".mine"), _folder(".linuxbrew")
    home = "/home/work"
    for requests, found, places in (
        ("data", [data], [f"data/. at {home}/data rw"]),
        (str(data.id), [data], [f"data/. at {home}/data rw"]),
        ("data:/x:ro", [data], ["data/. at /x ro"]),
        ("data:x", [data], [f"data/. at {home}/x rw"]),
        ("data/a/b:x", [data], [f"data/a/b at {home}/x rw"]),
        ("data/a:x data/b:y", [data], [f"data/a at {home}/x rw", f"data/b at {home}/y rw"]),
        ("data", [mine, data], [f"data/. at {home}/data rw", f".mine/. at {home}/.mine rw"]),
        (".mine:other", [mine], [f".mine/. at {home}/other rw"]),
        ("", [brew], [".linuxbrew/. at /home/linuxbrew/.linuxbrew rw"]),
        ("", [_of_project(".local")], [f".local/. at {home}/.local rw"]),
        ("", [_of_project(".local", UUID(int=8))], []),
        ("data:wd", [data], [f"data/. at {home}/data rw"]),
        ("", [], []),
    ):
        assert _places(requests, *found) == places, requests


def test_dot_folders_that_cannot_be_mounted_are_left_out() -> None:
    elsewhere = _folder(".far", host=StorageHost("moon", "base"))
    broken = _folder(".broken", status=VFolderStatus.ERROR)
    assert _places("", elsewhere, broken) == []
    assert _places("", _folder(".any", host=StorageHost("local", "noop"))) != []


REFUSED: Final[list[tuple[str, list[VFolderData], type[BackendAIError]]]] = [
    ("data", [], VFolderNotFound),
    ("data", [_folder(".mine")], VFolderNotFound),
    ("data data/a", [_folder("data")], MountsOverlap),
    ("data data", [_folder("data")], MountsOverlap),
    ("data:x more:x/y", [_folder("data"), _folder("more")], MountsOverlap),
    ("data/a data/b", [_folder("data")], MountsOverlap),
    ("data:rw", [_folder("data", "ro")], VFolderPermissionError),
    ("data", [_folder("data"), _folder("data")], TooManyVFoldersFound),
    ("team", [_of_project("team", UUID(int=8))], VFolderInvalidParameter),
    ("data", [_folder("data", host=StorageHost("a", "b"))], InsufficientStoragePermission),
    ("data", [_folder("data", status=VFolderStatus.ERROR)], VFolderFilterStatusFailed),
]


def test_what_no_session_can_have() -> None:
    for requests, found, error in REFUSED:
        with pytest.raises(error):
            _places(requests, *found)


def test_of_overlapping_mounts_the_hint_says_what_to_change() -> None:
    for requests, hint in (("data data/a", "leave it out"), ("data:x more:x", "another place")):
        with pytest.raises(MountsOverlap) as refused:
            _places(requests, _folder("data"), _folder("more"))
        assert hint in (refused.value.hint or "")


def test_of_a_name_the_own_folder_is_mounted() -> None:
    own, shared = _folder("data"), _folder("data", "ro", reach=FolderReach.SHARED)
    assert _places("data", own, shared) == ["data/. at /home/work/data rw"]


async def test_mounts_are_settled_from_rows_and_bytes(shaped_folders: FolderSite) -> None:
    site, world = shaped_folders, shaped_folders.world
    data = await site.create()
    (site.path_of(data) / "sub").mkdir()
    local = await site.create(".local", world.admin, group="default")
    await site.execute(folder("gone", world.alice, status="delete-pending"))
    await site.execute(folder("strange", world.bob))
    warnings: list[str] = []
    mounts = SessionMounts(
        folders=SessionMountRepository(site.database),
        storages=storages_at(site.volumes),
        unprivileged=True,
        warn=warnings.append,
    )
    alice = world.alice
    owner = OwnerData(
        access_key=alice.access_key,
        user_id=alice.user_id,
        email=alice.email,
        username=alice.username,
        domain_name="default",
        bootstrap_script="",
        sudo_session_enabled=False,
    )

    async def settle(*words: str) -> list[str]:
        requests = [MountRequest.parse(word) for word in words]
        found = await mounts.settle(requests, owner, world.project_id)
        return [f"{one.host_path} {one.kernel_path} {one.mount_perm}" for one in found]

    own_local = f"{site.path_of(local)}/{alice.user_id.hex} /home/work/.local rw"
    assert await settle("data/sub:/mine:ro") == [f"{site.path_of(data)}/sub /mine ro", own_local]
    assert (site.path_of(local) / alice.user_id.hex).is_dir()
    assert [("read-only" in one, "/mine" in one) for one in warnings] == [
        (True, False),
        (False, True),
    ]
    for word in ("gone", "strange", "data/none"):
        with pytest.raises(BackendAIError):
            await settle(word)


# Dotfiles


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
    folders: FolderSite,
) -> None:
    site, alice = folders, folders.world.alice
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
