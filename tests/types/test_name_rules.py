from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bai_manager.types import names
from bai_manager.types.errors import InvalidName

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (names.check_session_name, "s001"),
        (names.check_session_name, "train-01.b_"),
        (names.check_session_name, "_run"),
        (names.check_session_name, "a" * 64),
        (names.check_service_name, "llama-chat"),
        (names.check_service_name, "a" * 24),
        (names.check_vfolder_name, "datasets"),
        (names.check_vfolder_name, "데이터 2026"),
        (names.check_vfolder_name, ".local"),
        (names.check_vfolder_name, ".linuxbrew"),
        (names.check_vfolder_name, "my.bashrc"),
        (names.check_domain_name, "default"),
        (names.check_domain_name, "연구소.a-b_c"),
        (names.check_domain_name, ".hidden"),
        (names.check_project_name, "model-store"),
        (names.check_harbor_project, "my-team.v2"),
        (names.check_image_tag, "3.9-ubuntu20.04"),
        (names.check_image_tag, "1"),
        (names.check_customized_image_name, "-my.image_"),
        (names.check_email, "user@example.com"),
        (names.check_username, "Ada Lovelace"),
        (names.check_file_mode, "755"),
        (names.check_dotfile_path, ".config/nvim/init.lua"),
        (names.check_dotfile_path, ".vimrc"),
    ],
)
def test_good_names_are_returned(check: Callable[[str], str], name: str) -> None:
    assert check(name) == name


@pytest.mark.parametrize(
    ("check", "name", "why"),
    [
        (names.check_session_name, "abc", "outside 4 to 64"),
        (names.check_session_name, "a" * 65, "outside 4 to 64"),
        (names.check_session_name, "-abc", "made of"),
        (names.check_session_name, "abc.", "made of"),
        (names.check_session_name, "세션이름", "made of"),
        (names.check_session_name, "abcd\n", "made of"),
        (names.check_session_name, "from-template", "reserved"),
        (names.check_service_name, "abc", "outside 4 to 24"),
        (names.check_service_name, "a" * 25, "outside 4 to 24"),
        (names.check_service_name, "a.bc", "made of"),
        (names.check_vfolder_name, "", "empty"),
        (names.check_vfolder_name, " data", "white space"),
        (names.check_vfolder_name, "a" * 65, "outside 1 to 64"),
        (names.check_vfolder_name, ".ssh", "reserved"),
        (names.check_vfolder_name, "/bin", "reserved"),
        (names.check_vfolder_name, ".bashrc", "reserved"),
        (names.check_vfolder_name, ".bash_profile", "reserved"),
        (names.check_vfolder_name, "a/b", "path"),
        (names.check_vfolder_name, "..", "path"),
        (names.check_vfolder_name, "a\x1b[2J", "control"),
        (names.check_vfolder_name, "a\u202eb", "invisible"),
        (names.check_domain_name, "", "outside 1 to 64"),
        (names.check_domain_name, "-a", "joined by single"),
        (names.check_domain_name, "_a", "joined by single"),
        (names.check_domain_name, "..a", "joined by single"),
        (names.check_domain_name, "a.", "joined by single"),
        (names.check_domain_name, "a-_b", "joined by single"),
        (names.check_domain_name, "a b", "joined by single"),
        (names.check_domain_name, "a" * 65, "outside 1 to 64"),
        (names.check_harbor_project, "My", "lower-case"),
        (names.check_harbor_project, "a--b", "lower-case"),
        (names.check_harbor_project, "a" * 256, "outside 1 to 255"),
        (names.check_image_tag, "3.9-", "made of"),
        (names.check_image_tag, "", "made of"),
        (names.check_customized_image_name, "a/b", "made of"),
        (names.check_email, "user", "one @"),
        (names.check_email, "a@b@c", "one @"),
        (names.check_email, "a b@c", "one @"),
        (names.check_email, "a" * 60 + "@b.c" + "d", "outside 1 to 64"),
        (names.check_username, "\t", "empty"),
        (names.check_file_mode, "888", "octal"),
        (names.check_file_mode, "0755", "octal"),
        (names.check_dotfile_path, ".ssh/authorized_keys", "reserved"),
        (names.check_dotfile_path, "../x", "leaves"),
        (names.check_dotfile_path, "/etc/passwd", "leaves"),
    ],
)
def test_bad_names_are_refused_saying_why(check: Callable[[str], str], name: str, why: str) -> None:
    with pytest.raises(InvalidName, match=why) as caught:
        check(name)
    example = (caught.value.hint or "").removeprefix("for example: ")
    assert check(example) == example


def test_a_long_slug_is_judged_quickly() -> None:
    with pytest.raises(InvalidName):
        names.check_slug("a" * 63 + "!", "domain name")


def test_a_deleted_folder_keeps_its_name_with_the_time() -> None:
    at = datetime(2026, 1, 31, 8, 0, 5, tzinfo=UTC)
    assert names.deleted_vfolder_name("data", at) == "data_deleted_2026-01-31T080005+0000"
    assert len(names.deleted_vfolder_name("d" * 128, at)) == 128


def test_made_up_names_follow_the_random_source() -> None:
    assert names.unique_suffix(bytes) == "aaaaaaaa"
    assert names.new_creation_id(bytes) == "A" * 22
    assert re.fullmatch(r"[a-z2-7]{8}", names.unique_suffix())
    assert re.fullmatch(r"[\w-]{22}", names.new_creation_id())


def test_a_made_up_session_name_is_valid() -> None:
    name = f"run-{names.unique_suffix()}"
    assert names.check_session_name(name) == name
