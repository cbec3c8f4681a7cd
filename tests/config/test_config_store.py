from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from bai_manager.config import store
from bai_manager.config.errors import (
    BadConfigFile,
    ConfigLocked,
    InvalidGivenValue,
    InvalidProfileName,
    SecretOnCommandLine,
    UnknownSetting,
    UnsafeSecretFile,
    UnwritableConfig,
)
from bai_manager.config.store import (
    remove_setting,
    save_credentials,
    save_default_profile,
    save_settings,
)
from bai_manager.types.credentials import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from tests.config.conftest import Home

WRITER = """
import os, sys
from bai_manager.config.paths import Paths
from bai_manager.config.store import save_settings
paths = Paths.of(os.environ, "local")
for number in range(int(sys.argv[2])):
    save_settings(paths, "local", {f"storage.{sys.argv[1]}{number}.path": "/srv"})
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_saved_is_loaded(home: Home) -> None:
    save_settings(
        home.paths,
        "prod",
        {"kind": "cluster", "database.connect_timeout": "5m", "audit.reads": "on"},
    )
    save_credentials(
        home.paths, "prod", {"secret_key": Secret("s3cret"), "storage.a.b.secret": Secret("t")}
    )
    save_default_profile(home.paths, "prod")
    config = home.load()
    assert (config.profile_name, config.settings.kind) == ("prod", "cluster")
    assert config.settings.database.connect_timeout == 300
    assert config.settings.audit.reads is True
    assert config.settings.secret_key == Secret("s3cret")
    assert config.settings.storage["a.b"].secret == Secret("t")


def test_values_are_written_as_what_they_are(home: Home) -> None:
    values = {
        "audit.reads": "true",
        "agent.timeout": "20",
        "etcd.timeout": "2.5",
        "valkey.timeout": "1m",
        "access_key": "123",
        "agent.local_root": "~/agents",
    }
    save_settings(home.paths, "local", values)
    tree = tomllib.loads(home.paths.config_file.read_text())["profiles"]["local"]
    assert tree == {
        "audit": {"reads": True},
        "agent": {"timeout": 20, "local_root": "~/agents"},
        "etcd": {"timeout": 2.5},
        "valkey": {"timeout": "1m"},
        "access_key": "123",
    }


def test_comments_order_and_other_tables_stay(home: Home) -> None:
    before = (
        "# my cluster\ndefault_profile = 'prod'  # mostly\n\n[profiles.prod]\nkind = 'cluster'\n"
        "# the old key\naccess_key = 'AKIAOLD'\n\n[profiles.prod.etcd]\nurl = 'http://etcd:2379'\n"
    )
    file = home.config(before)
    save_settings(home.paths, "prod", {"access_key": "AKIANEW"})
    assert file.read_text() == before.replace("'AKIAOLD'", '"AKIANEW"')


@pytest.mark.parametrize("value", ['a"b\\c', "ünï ☃", "] [x", "'''", "a = 1", "#x", "{}"])
def test_any_printable_text_is_kept_exactly(home: Home, value: str) -> None:
    save_settings(home.paths, "local", {"defaults.domain": value})
    assert home.load().settings.defaults.domain == value


@pytest.mark.parametrize("value", ['a"b\\c', "a\nb\x00c", "\x1b[31m", '"""', "ünï ☃ \u202e"])
def test_any_secret_is_kept_exactly(home: Home, value: str) -> None:
    save_credentials(home.paths, "local", {"secret_key": Secret(value)})
    assert home.load().settings.secret_key == Secret(value)


def test_new_files_and_folders_are_for_their_owner_alone(home: Home) -> None:
    before = os.umask(0)
    try:
        save_settings(home.paths, "local", {"access_key": "AKIA"})
        save_credentials(home.paths, "local", {"secret_key": Secret("x")})
    finally:
        os.umask(before)
    folder = home.paths.config_file.parent
    assert {path.name: mode(path) for path in folder.iterdir()} == {
        "config.toml": 0o600,
        "credentials.toml": 0o600,
        "config.lock": 0o600,
    }
    assert (mode(folder), mode(folder.parent)) == (0o700, 0o700)


def test_a_file_is_never_open_to_others_while_it_is_written(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    real = os.fsync

    def spy(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    save_credentials(home.paths, "local", {"secret_key": Secret("x")})
    assert modes == [0o600, 0o700]


def test_a_failed_write_leaves_the_old_file_and_the_next_one_works(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home.credentials("[profiles.local]\nsecret_key = 'old'\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UnwritableConfig, match="No space left on device"):
            save_credentials(home.paths, "local", {"secret_key": Secret("new")})
    assert file.read_text() == "[profiles.local]\nsecret_key = 'old'\n"
    save_credentials(home.paths, "local", {"secret_key": Secret("new")})
    assert home.load().settings.secret_key == Secret("new")
    assert {path.name for path in file.parent.iterdir()} == {"credentials.toml", "config.lock"}


def test_a_file_left_by_a_crash_is_not_followed(home: Home, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    folder = home.paths.config_file.parent
    folder.mkdir(parents=True)
    (folder / ".config.toml.new").symlink_to(precious)
    save_settings(home.paths, "local", {"access_key": "AKIA"})
    assert precious.read_text() == "keep me"
    assert home.load().settings.access_key == "AKIA"


def test_a_linked_file_stays_a_link(home: Home, tmp_path: Path) -> None:
    file = home.config("[profiles.local]\n")
    target = tmp_path / "dotfiles.toml"
    file.rename(target)
    file.symlink_to(target)
    save_settings(home.paths, "local", {"access_key": "AKIA"})
    assert file.is_symlink()
    assert "AKIA" in target.read_text()


def test_two_writers_lose_nothing_and_readers_see_whole_files(home: Home) -> None:
    home.config("[profiles.local]\n")
    count = 8
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, name, str(count)], env={**os.environ, **home.environ}
        )
        for name in ("a", "b")
    ]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        seen = max(seen, len(home.load().settings.storage))
    assert [writer.returncode for writer in writers] == [0, 0]
    expected = {f"{name}{number}" for name in ("a", "b") for number in range(count)}
    assert set(home.load().settings.storage) == expected
    assert seen <= len(expected)


def test_a_writer_that_never_ends_is_not_waited_for_forever(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home.config("[profiles.local]\n")
    monkeypatch.setattr(store, "_PATIENCE", 0.05)
    with (file.parent / "config.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigLocked) as caught:
            save_settings(home.paths, "local", {"access_key": "AKIA"})
    assert caught.value.exit_code == 75
    assert file.read_text() == "[profiles.local]\n"


def test_a_secret_is_not_saved_as_a_setting(home: Home) -> None:
    with pytest.raises(SecretOnCommandLine) as caught:
        save_settings(home.paths, "local", {"secret_key": "hunter2"})
    assert caught.value.exit_code == 2
    assert "hunter2" not in f"{caught.value.message}{caught.value.hint}"
    assert not home.paths.config_file.exists()


def test_an_unknown_setting_is_refused_with_the_closest(home: Home) -> None:
    with pytest.raises(UnknownSetting) as caught:
        save_settings(home.paths, "local", {"database.conect_timeout": "3"})
    assert caught.value.exit_code == 2
    assert "Did you mean database.connect_timeout" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "clutser"),
        ("audit.reads", "perhaps"),
        ("agent.timeout", "-1"),
        ("agent.timeout", "nan"),
        ("etcd.url", "http://me:hunter2@etcd"),
        ("defaults.domain", "a\nb"),
        ("defaults.domain", ""),
    ],
)
def test_a_value_that_does_not_fit_is_not_saved(home: Home, name: str, value: str) -> None:
    with pytest.raises(InvalidGivenValue) as caught:
        save_settings(home.paths, "local", {"access_key": "AKIA", name: value})
    assert caught.value.exit_code == 2
    assert "hunter2" not in caught.value.message
    assert not home.paths.config_file.exists()


def test_a_bad_secret_is_refused_without_showing_it(home: Home) -> None:
    with pytest.raises(InvalidGivenValue) as caught:
        save_credentials(home.paths, "local", {"database.dsn": Secret("mysql://u:hunter2@h/d")})
    assert "hunter2" not in f"{caught.value.message}{caught.value.hint}{caught.value.details}"


def test_a_bad_profile_name_is_not_saved(home: Home) -> None:
    with pytest.raises(InvalidProfileName):
        save_settings(home.paths, "../x", {"access_key": "AKIA"})
    with pytest.raises(InvalidProfileName):
        save_default_profile(home.paths, "a b")
    assert not home.paths.config_file.exists()


def test_a_removed_setting_leaves_both_files(home: Home) -> None:
    config = home.config("[profiles.local]\naccess_key = 'a'\nkind = 'embedded'\n")
    credentials = home.credentials("[profiles.local]\naccess_key = 'b'\nsecret_key = 's'\n")
    assert remove_setting(home.paths, "local", "access_key") is True
    assert config.read_text() == "[profiles.local]\nkind = 'embedded'\n"
    assert credentials.read_text() == "[profiles.local]\nsecret_key = 's'\n"
    assert remove_setting(home.paths, "local", "access_key") is False


def test_a_dry_run_checks_all_and_writes_nothing(home: Home) -> None:
    assert save_settings(home.paths, "local", {"access_key": "a"}, dry_run=True) is True
    assert save_credentials(home.paths, "x", {"secret_key": Secret("s")}, dry_run=True) is True
    assert save_default_profile(home.paths, "x", dry_run=True) is True
    with pytest.raises(InvalidGivenValue):
        save_settings(home.paths, "local", {"kind": "x"}, dry_run=True)
    assert list(home.folder.iterdir()) == []


def test_saving_what_is_there_makes_no_difference(home: Home) -> None:
    file = home.config("[profiles.local]\naccess_key = 'a'\n")
    before = file.stat().st_ino
    assert save_settings(home.paths, "local", {"access_key": "a"}) is False
    assert file.stat().st_ino == before


def test_removing_from_nothing_makes_nothing(home: Home) -> None:
    assert remove_setting(home.paths, "local", "access_key") is False
    assert list(home.folder.iterdir()) == []


def test_a_broken_file_is_not_touched(home: Home) -> None:
    file = home.config("[profiles.local\n")
    with pytest.raises(BadConfigFile, match=f"{file}:1:"):
        save_settings(home.paths, "local", {"access_key": "AKIA"})
    assert file.read_text() == "[profiles.local\n"


def test_a_value_is_not_put_below_a_value(home: Home) -> None:
    home.config("[profiles.local]\netcd = 'x'\n")
    with pytest.raises(BadConfigFile, match="etcd must be a table"):
        save_settings(home.paths, "local", {"etcd.url": "http://etcd:2379"})


def test_secrets_are_not_added_to_a_file_open_to_others(home: Home) -> None:
    file = home.credentials("[profiles.local]\n")
    file.chmod(0o644)
    with pytest.raises(UnsafeSecretFile):
        save_credentials(home.paths, "local", {"secret_key": Secret("hunter2")})
    assert "hunter2" not in file.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "profiles.local.access_key = 'a'\n",
        "profiles = {local = {access_key = 'a'}}\n",
        "[profiles.local.etcd]\nuser = 'x'\n[profiles.x]\n[profiles.local]\naccess_key = 'a'\n",
    ],
)
def test_every_way_to_write_a_table_is_understood(home: Home, text: str) -> None:
    home.config(text)
    save_settings(home.paths, "local", {"access_key": "new", "etcd.namespace": "n"})
    settings = home.load().settings
    assert (settings.access_key, settings.etcd.namespace) == ("new", "n")
    remove_setting(home.paths, "local", "access_key")
    assert home.load().settings.access_key is None


def test_a_file_that_would_lose_something_is_left_as_it_is(home: Home) -> None:
    before = "[profiles]\nlocal.access_key = 'a'\n[profiles.x]\nkind = 'embedded'\n"
    file = home.config(before)
    with pytest.raises(BadConfigFile, match="without losing something"):
        save_settings(home.paths, "local", {"etcd.namespace": "n"})
    assert file.read_text() == before


def test_a_folder_that_cannot_be_made_is_told(home: Home) -> None:
    (home.folder / "bai").write_text("a file is in the way")
    with pytest.raises(UnwritableConfig, match="Not a directory"):
        save_settings(home.paths, "local", {"access_key": "AKIA"})
