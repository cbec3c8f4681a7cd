"""``bai-manager user keypair``: what is typed, printed and written."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from bai_manager.cli.schema import schema_of
from bai_manager.types.ssh_keys import new_ssh_keypair
from tests.cli.test_nouns_schema import problems
from tests.printed import said, shape

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ask, Done

FORMATS = ("table", "wide", "json", "jsonl", "yaml", "csv", "tsv", "name")
LISTED: dict[str, Any] = {
    "access_key": str,
    "user_id": str,
    "user_email": str,
    "is_active": bool,
    "is_admin": bool,
    "is_main": bool,
    "resource_policy": str,
    "rate_limit": int,
    "num_queries": int,
    "has_ssh_keypair": bool,
    "has_bootstrap_script": bool,
    "last_used": None,
    "created_at": str,
    "modified_at": str,
    "version": str,
}


def _keypair(ask: Ask, *words: str, who: str = "root") -> Done:
    return ask(who, "user", "keypair", *words)


def _main(ask: Ask, user: str) -> str:
    words = ("list", user, "--filter", "is_main=true", "-o", "name")
    return _keypair(ask, *words).out.strip()


def test_a_list_is_an_array_of_key_pairs_with_these_keys_and_no_secret(ask: Ask) -> None:
    (key,) = said(_keypair(ask, "list", "bob", "-o", "json"))
    assert shape(key) == LISTED


@pytest.mark.parametrize("form", FORMATS)
def test_lists_and_key_pairs_come_in_every_format(ask: Ask, form: str) -> None:
    for words in (
        ("list",),
        ("show",),
        ("ssh", "show"),
        ("bootstrap", "show"),
        ("dotfile", "list"),
    ):
        done = _keypair(ask, *words, "-o", form)
        assert done.code == 0, done.err
        if form == "json":
            schema = schema_of("user", "keypair", *words)
            assert list(problems(json.loads(done.out), schema)) == []


def test_one_s_own_is_shown_with_a_count(ask: Ask) -> None:
    shown = said(_keypair(ask, "show", "-o", "json", who="alice"))
    assert shape(shown) == LISTED | {"live_sessions": int}
    assert shown["user_email"] == "alice@example.com"


def test_a_new_key_pair_wants_to_know_whom_to_tell(ask: Ask, tmp_path: Path) -> None:
    assert _keypair(ask, "create", "carol").code == 2
    file = tmp_path / "alice.env"
    done = _keypair(ask, "create", "carol", "--secret-file", str(file), "-o", "json")
    created = said(done)
    assert shape(created) == LISTED | {"secret_key": str}
    assert created["secret_key"] == "***"
    lines = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert lines["BAI_ACCESS_KEY"] == created["access_key"]
    assert lines["BAI_SECRET_KEY"] not in done.out + done.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_secret_key_is_rotated_and_told_once(change: Ask) -> None:
    key = _main(change, "alice")
    asked = _keypair(change, "rotate", key, "--show")
    assert asked.code == 2
    assert "worthless" in asked.err
    rotated = said(_keypair(change, "rotate", key, "--show", "--yes", "-o", "json"))
    assert len(rotated["secret_key"]) == 40
    assert change("alice", "auth", "whoami").code == 4


def test_key_pairs_are_switched_off_and_on_again(change: Ask) -> None:
    key = _main(change, "alice")
    assert _keypair(change, "deactivate", key).code == 2
    assert _keypair(change, "deactivate", key, "--yes").code == 0
    assert change("alice", "auth", "whoami").code == 4
    done = _keypair(change, "activate", key, "AKIANOBODY")
    assert (done.code, [cells[1] for cells in done.cells]) == (7, ["OK", "FAILED"])
    assert change("alice", "auth", "whoami").code == 0


def test_a_main_key_pair_is_not_deleted_and_another_is(ask: Ask) -> None:
    done = _keypair(ask, "delete", _main(ask, "carol"), "--yes")
    assert done.code == 5
    assert "--main-access-key" in done.err
    made = said(_keypair(ask, "create", "carol", "--show", "-o", "json"))["access_key"]
    asked = _keypair(ask, "delete", made)
    assert asked.code == 2
    assert "carol@example.com" in asked.err
    assert _keypair(ask, "delete", made, "--yes").code == 0
    assert _keypair(ask, "delete", made, "--yes", "--ignore-not-found").code == 0


def test_an_update_says_what_changed(ask: Ask) -> None:
    key = _main(ask, "carol")
    done = _keypair(ask, "update", key, "--rate-limit", "5", "--inactive", "-o", "json")
    updated = said(done)
    assert shape(updated) == LISTED
    assert (updated["rate_limit"], updated["is_active"]) == (5, False)
    assert "changed is_active, rate_limit" in done.err
    assert "no change" in _keypair(ask, "update", key, "--rate-limit", "5").err


def test_an_ssh_key_is_generated_into_a_file(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "id_rsa"
    words = ("ssh", "generate", "--secret-file", str(file), "-o", "json")
    made = said(_keypair(ask, *words, who="alice"))
    assert shape(made) == {"access_key": str, "public_key": str, "private_key": str}
    assert made["private_key"] == "***"
    assert file.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
    shown = said(_keypair(ask, "ssh", "show", "-o", "json", who="alice"))
    assert shown == {"access_key": made["access_key"], "public_key": made["public_key"]}


def test_an_ssh_key_is_uploaded_from_a_private_file(ask: Ask, tmp_path: Path) -> None:
    pair = new_ssh_keypair()
    public, private = tmp_path / "id.pub", tmp_path / "id"
    public.write_text(pair.public_key)
    private.write_text(pair.private_key.reveal())
    private.chmod(0o640)
    words = ("ssh", "upload", "--public", str(public), "--private", str(private))
    assert _keypair(ask, *words, who="alice").code == 78
    private.chmod(0o600)
    uploaded = said(_keypair(ask, *words, "-o", "json", who="alice"))
    assert uploaded["public_key"] == pair.public_key


def test_dotfiles_are_written_listed_and_shown(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "vimrc"
    file.write_text("set nu\n")
    given = (".vimrc", "--file", str(file))
    listed = said(_keypair(ask, "dotfile", "create", *given, "-o", "json", who="alice"))
    assert listed == [{"path": ".vimrc", "permission": "644", "size": 7}]
    shown = said(_keypair(ask, "dotfile", "show", ".vimrc", "-o", "json", who="alice"))
    assert shown == {"path": ".vimrc", "permission": "644", "data": "set nu\n"}
    assert _keypair(ask, "dotfile", "create", *given, who="alice").code == 5
    moded = ("dotfile", "update", *given, "--permission", "600", "-o", "json")
    assert said(_keypair(ask, *moded, who="alice"))[0]["permission"] == "600"
    assert _keypair(ask, "dotfile", "delete", ".vimrc", who="alice").code == 2
    left = _keypair(ask, "dotfile", "delete", ".vimrc", "--yes", "-o", "json", who="alice")
    assert said(left) == []
    assert _keypair(ask, "dotfile", "show", ".vimrc", who="alice").code == 3


def test_a_bootstrap_script_is_set_in_one_way(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "run.sh"
    file.write_text("echo hello\n")
    both = ("bootstrap", "set", "--file", str(file), "--text", "x")
    assert _keypair(ask, *both).code == 2
    assert _keypair(ask, "bootstrap", "set").code == 2
    set_ = said(_keypair(ask, "bootstrap", "set", "--file", str(file), "-o", "json"))
    assert (shape(set_), set_["script"]) == ({"access_key": str, "script": str}, "echo hello\n")
    assert said(_keypair(ask, "bootstrap", "show", "-o", "json")) == set_
    assert said(_keypair(ask, "bootstrap", "set", "--text", "", "-o", "json"))["script"] == ""
