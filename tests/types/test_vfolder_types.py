from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types.errors import (
    InvalidChoice,
    InvalidHostPermissions,
    InvalidQuotaScope,
    InvalidStorageHost,
    InvalidVFolderID,
)
from bai_manager.types.vfolder import (
    VFOLDER_PERMISSION_READABLE,
    VFOLDER_PERMISSION_WRITABLE,
    QuotaScopeID,
    QuotaScopeType,
    StorageHost,
    VFolderHostPermission,
    VFolderID,
    VFolderPermission,
    host_permissions_from_json,
    host_permissions_to_json,
    merged_host_permissions,
)

if TYPE_CHECKING:
    from bai_manager.types.json import JsonValue

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
USER = UUID("f38dea23-50fa-42a0-b5ae-338f5f4693f4")
FOLDER = UUID("afd551de-dbb7-491b-822f-bfe814b76c23")
scopes = st.builds(QuotaScopeID, st.sampled_from(QuotaScopeType), st.uuids())
P = VFolderHostPermission


@pytest.mark.parametrize("text", [f"user:{USER}", f"USER:{USER}", f"User:{USER.hex.upper()}"])
def test_a_quota_scope_is_written_in_one_way(text: str) -> None:
    scope = QuotaScopeID.parse(text)
    assert str(scope) == f"user:{USER}"
    assert scope.path == "f38dea2350fa42a0b5ae338f5f4693f4"


@pytest.mark.parametrize(
    "text", ["", "user", str(USER), f"group:{USER}", "user:x", f"user:{{{USER}}}"]
)
def test_what_is_no_quota_scope_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuotaScope):
        QuotaScopeID.parse(text)


def test_a_folder_id_is_scope_and_hex() -> None:
    text = f"user:{USER}/afd551dedbb7491b822fbfe814b76c23"
    folder = VFolderID.parse(text)
    assert folder == VFolderID(QuotaScopeID(QuotaScopeType.USER, USER), FOLDER)
    assert str(folder) == text


def test_an_old_folder_id_has_no_scope() -> None:
    assert VFolderID.parse(FOLDER.hex) == VFolderID(None, FOLDER)
    assert str(VFolderID(None, FOLDER)) == FOLDER.hex


@given(scopes | st.none(), st.uuids())
@quick
def test_a_folder_id_survives_its_text(scope: QuotaScopeID | None, folder: UUID) -> None:
    identifier = VFolderID(scope, folder)
    assert VFolderID.parse(str(identifier)) == identifier
    assert hash(VFolderID.parse(str(identifier))) == hash(identifier)


@pytest.mark.parametrize("text", ["", "x", f"user:{USER}/", f"user:{USER}"])
def test_what_is_no_folder_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidVFolderID):
        VFolderID.parse(text)


def test_a_folder_id_with_a_bad_scope_is_refused() -> None:
    with pytest.raises(InvalidQuotaScope):
        VFolderID.parse(f"team/{FOLDER.hex}")


def test_a_storage_host_is_split_at_the_first_colon() -> None:
    assert StorageHost.parse("local:vol:1") == StorageHost("local", "vol:1")
    assert str(StorageHost("local", "vol:1")) == "local:vol:1"


def test_the_noop_volume_holds_unmanaged_folders() -> None:
    assert StorageHost.parse("local:noop").is_noop
    assert not StorageHost.parse("noop:local").is_noop


@pytest.mark.parametrize("text", ["", "local", "local:", ":volume1"])
def test_what_is_no_storage_host_is_refused(text: str) -> None:
    with pytest.raises(InvalidStorageHost):
        StorageHost.parse(text)


def test_permissions_include_the_lesser_ones() -> None:
    assert VFolderPermission.parse("RO") in VFOLDER_PERMISSION_READABLE
    assert VFolderPermission.READ_ONLY not in VFOLDER_PERMISSION_WRITABLE


def test_a_missing_host_map_is_empty() -> None:
    assert host_permissions_from_json(None) == {}


host_maps = st.dictionaries(
    st.sampled_from(["local:a", "local:b"]), st.frozensets(st.sampled_from(VFolderHostPermission))
)


@given(host_maps)
@quick
def test_a_host_map_survives_its_json(hosts: dict[str, frozenset[P]]) -> None:
    assert host_permissions_from_json(host_permissions_to_json(hosts)) == hosts


def test_the_json_of_a_host_map_is_sorted() -> None:
    hosts = {"local:a": frozenset({P.UPLOAD_FILE, P.CREATE})}
    assert host_permissions_to_json(hosts) == {"local:a": ["create-vfolder", "upload-file"]}


@pytest.mark.parametrize("value", [[], "local:a", {"local:a": "create-vfolder"}])
def test_json_that_is_no_host_map_is_refused(value: JsonValue) -> None:
    with pytest.raises(InvalidHostPermissions):
        host_permissions_from_json(value)


def test_an_unknown_host_permission_is_refused() -> None:
    with pytest.raises(InvalidChoice, match="host permission"):
        host_permissions_from_json({"local:a": ["fly"]})


def test_permissions_of_several_sources_are_united_per_host() -> None:
    merged = merged_host_permissions(
        [
            {"local:a": frozenset({P.CREATE})},
            {"local:a": frozenset({P.DELETE}), "local:b": frozenset()},
        ]
    )
    assert merged == {"local:a": {P.CREATE, P.DELETE}, "local:b": frozenset()}
