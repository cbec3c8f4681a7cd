from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from bai_manager.types.errors import InvalidChoice, InvalidMount
from bai_manager.types.mounts import (
    MountExpression,
    MountRequest,
    MountType,
    VFolderMount,
    paths_overlap,
    stored_mounts,
)
from bai_manager.types.vfolder import VFolderID, VFolderPermission

if TYPE_CHECKING:
    from bai_manager.types.json import JsonObject, JsonValue

RO, RW, WD = VFolderPermission
FOLDER = UUID("afd551de-dbb7-491b-822f-bfe814b76c23")
STORED: JsonObject = {
    "name": "vf1",
    "vfid": "user:f38dea23-50fa-42a0-b5ae-338f5f4693f4/afd551dedbb7491b822fbfe814b76c23",
    "host_path": "/mnt/vfs/f38dea2350fa42a0b5ae338f5f4693f4/af/d5/51dedbb7491b822fbfe814b76c23",
    "vfsubpath": ".",
    "mount_perm": "rw",
    "usage_mode": "general",
    "kernel_path": "/home/work/vf1",
}


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("data", MountRequest(folder="data")),
        ("data:ro", MountRequest(folder="data", permission=RO)),
        ("data:/mnt/x", MountRequest(folder="data", target="/mnt/x")),
        ("data:in", MountRequest(folder="data", target="/home/work/in")),
        ("data:/mnt/x:RW", MountRequest(folder="data", target="/mnt/x", permission=RW)),
        ("data/2026/jan:wd", MountRequest(folder="data", subpath="2026/jan", permission=WD)),
        ("data/a/../b", MountRequest(folder="data", subpath="b")),
        ("data/", MountRequest(folder="data")),
        (str(FOLDER), MountRequest(folder=str(FOLDER))),
        (".local", MountRequest(folder=".local")),
    ],
)
def test_a_mount_is_a_folder_a_path_and_a_permission(text: str, request_: MountRequest) -> None:
    assert MountRequest.parse(text) == request_


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no folder"),
        (":ro", "names no folder"),
        ("/data", "names no folder"),
        ("data/../..", "leaves the folder"),
        ("data/../other", "leaves the folder"),
        ("data:a:b", "NAME"),
        ("data:a:b:ro", "NAME"),
        ("data:", "hide the home folder"),
        ("data:.", "hide the home folder"),
        ("data:/home/work/", "hide the home folder"),
        ("data:/home", "hide the home folder"),
        ("data:/", "hide the home folder"),
        ("data:/etc", "reserved"),
        ("data:.ssh", "reserved"),
        ("data:/home/work/.bashrc", "reserved"),
    ],
)
def test_a_mount_that_breaks_a_rule_is_refused_saying_which(text: str, why: str) -> None:
    with pytest.raises(InvalidMount, match=why) as caught:
        MountRequest.parse(text)
    assert "datasets:/data:ro" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["data", "data:ro", "data/x:/mnt/x:wd", "data:/home/work/in"])
def test_a_mount_survives_its_text(text: str) -> None:
    assert str(MountRequest.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        (
            "type=volume,source=data,target=/mnt/data,perm=ro",
            MountExpression(
                type=MountType.VOLUME, source="data", target="/mnt/data", permission=RO
            ),
        ),
        ("/data=/mnt/data", MountExpression(source="/data", target="/mnt/data")),
        (
            "data=/mnt/data:permission=rw",
            MountExpression(source="data", target="/mnt/data", permission=RW),
        ),
        ("type=tmpfs,target=/scratch", MountExpression(type=MountType.TMPFS, target="/scratch")),
        ("a\\,b\\:c\\=d=/x\\y", MountExpression(source="a,b:c=d", target="/x\\y")),
        ("source=a,target=b=c", MountExpression(source="a", target="b=c")),
    ],
)
def test_a_mount_expression_is_key_value_pairs(text: str, expression: MountExpression) -> None:
    assert MountExpression.parse(text) == expression


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "key=value"),
        ("data", "key=value"),
        ("source=a", "no target"),
        ("source=a,target=", "no target"),
        ("source=a,target=b,colour=red", "'colour' is no key"),
        ("source=a,source=b,target=c", "twice"),
        ("source=a,target=b,perm=ro,permission=rw", "twice"),
        ("a=b,target=c", "twice"),
    ],
)
def test_a_mount_expression_that_breaks_a_rule_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidMount, match=why):
        MountExpression.parse(text)


@pytest.mark.parametrize("text", ["type=nfs,target=/x", "target=/x,perm=x"])
def test_an_unknown_word_in_a_mount_expression_is_named(text: str) -> None:
    with pytest.raises(InvalidChoice):
        MountExpression.parse(text)


def test_a_stored_mount_is_read_and_written_as_it_is() -> None:
    mount = VFolderMount.from_json(STORED)
    assert mount.vfid.folder == FOLDER
    assert mount.mount_perm is RW
    assert mount.to_json() == STORED


def test_missing_subpath_and_usage_mode_have_defaults() -> None:
    stored: JsonObject = {**STORED, "usage_mode": None}
    del stored["vfsubpath"]
    assert VFolderMount.from_json(stored) == VFolderMount.from_json(STORED)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "object"),
        ({}, "'name' is missing"),
        ({**STORED, "vfid": "x"}, "virtual folder id"),
        ({**STORED, "mount_perm": "x"}, "permission"),
    ],
)
def test_a_stored_mount_that_cannot_be_read_says_why(value: JsonValue, why: str) -> None:
    with pytest.raises(InvalidMount, match=why):
        VFolderMount.from_json(value)


def test_an_unmanaged_folder_id_has_no_scope() -> None:
    mount = VFolderMount.from_json({**STORED, "vfid": FOLDER.hex})
    assert mount.vfid == VFolderID(None, FOLDER)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("/a", "/a", True),
        ("/a/", "/a/b", True),
        ("/a/b", "/a", True),
        ("/a", "/ab", False),
        ("a", "b", False),
        ("/", "/a", True),
    ],
)
def test_paths_overlap_when_one_contains_the_other(one: str, other: str, *, expected: bool) -> None:
    assert paths_overlap(one, other) is expected


def test_stored_mounts_that_cannot_be_read_are_left_out() -> None:
    found = stored_mounts([{}, "x", STORED, {**STORED, "vfid": "none", "vfsubpath": "a"}])
    assert [mount.to_json() for mount in found] == [STORED]
    assert [str(mount) for mount in found] == ["vf1:/home/work/vf1:rw"]
    assert stored_mounts(None) == []
