from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bai_manager.config.errors import (
    BadConfigFile,
    InvalidSetting,
    UnknownKeyInFile,
    UnsafeSecretFile,
)
from bai_manager.config.files import parse_config
from bai_manager.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.config.conftest import Home


def test_broken_toml_is_told_with_file_line_and_column(home: Home) -> None:
    file = home.config('[profiles.local]\nkind = "embedded\n')
    with pytest.raises(BadConfigFile) as caught:
        home.load()
    assert caught.value.message.startswith(f"{file}:2:17: not valid TOML: Illegal character")
    assert caught.value.details == {"file": str(file), "line": 2, "column": 17}
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("text", ["a = ", "[profiles", "a = [" * 5000, "a = 1\na = 2\n"])
def test_any_broken_toml_is_a_configuration_error(home: Home, text: str) -> None:
    home.config(text)
    with pytest.raises(BadConfigFile, match="not valid TOML"):
        home.load()


def test_a_file_that_is_no_text_is_told(home: Home) -> None:
    home.config("").write_bytes(b"kind = '\xff\xfe'")
    with pytest.raises(BadConfigFile, match=r"not UTF-8 text \(byte 8\)"):
        home.load()


def test_a_folder_instead_of_a_file_is_told(home: Home) -> None:
    home.paths.config_file.mkdir(parents=True)
    with pytest.raises(BadConfigFile, match="cannot be read: Is a directory"):
        home.load()


@pytest.mark.parametrize(
    ("text", "line", "key", "meant"),
    [
        ("[profiles.local]\nacess_key = 'x'\n", 2, "acess_key", "access_key"),
        ("\n[profiles.local.database]\ndns = 'x'\n", 3, "database.dns", "database.dsn"),
        ("[profiles.local]\ndatabase = 'x'\n", 2, "database", "database.dsn"),
        ("[profiles.local]\nconnect_timeout = 3\n", 2, "connect_timeout", "connect_timeout"),
        ("[profiles.local.storage.a]\nsecrt = 'x'\n", 2, "storage.a.secrt", "storage.NAME.secret"),
        ("[profiles.local]\netcd = {ur = 'x'}\n", 2, "etcd.ur", "etcd.url"),
        ("defaultprofile = 'x'\n", 1, "defaultprofile", "default_profile"),
        ("[profile.local]\nkind = 'x'\n", 1, "profile", "profiles"),
        ("[profiles.local.kind]\na = 1\n", 2, "kind.a", ""),
    ],
)
def test_an_unknown_key_is_told_with_its_line_and_the_closest(
    home: Home, text: str, line: int, key: str, meant: str
) -> None:
    file = home.config(text)
    with pytest.raises(UnknownKeyInFile) as caught:
        home.load()
    assert caught.value.message == f"{file}:{line}: there is no setting {key!r}"
    assert meant in (caught.value.hint or "")


def test_an_unknown_key_never_shows_its_value(home: Home) -> None:
    home.credentials("[profiles.local]\nsecretkey = 'hunter2'\n")
    with pytest.raises(UnknownKeyInFile) as caught:
        home.load()
    assert "hunter2" not in f"{caught.value}{caught.value.hint}{caught.value.details}"


@pytest.mark.parametrize("text", ["profiles = 3\n", "[profiles]\nlocal = 3\n"])
def test_what_must_be_a_table_is_told(home: Home, text: str) -> None:
    home.config(text)
    with pytest.raises(BadConfigFile, match="must be a table"):
        home.load()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_credentials_file_open_to_others_is_refused(home: Home, mode: int) -> None:
    file = home.credentials("[profiles.local]\nsecret_key = 'hunter2'\n")
    file.chmod(mode)
    with pytest.raises(UnsafeSecretFile) as caught:
        home.load()
    assert caught.value.exit_code == 78
    assert caught.value.hint == f"Make it yours alone: chmod 600 {file}"


def test_a_credentials_file_of_another_user_is_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home.credentials("[profiles.local]\nsecret_key = 'hunter2'\n")
    another = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: another)
    with pytest.raises(UnsafeSecretFile, match=f"belongs to user {another - 1}") as caught:
        home.load()
    assert caught.value.hint == f"Make it yours alone: chown {another} {file}"


def test_a_link_to_an_open_file_is_refused(home: Home, tmp_path: Path) -> None:
    file = home.credentials("[profiles.local]\n")
    target = tmp_path / "shared.toml"
    file.rename(target)
    file.symlink_to(target)
    target.chmod(0o644)
    with pytest.raises(UnsafeSecretFile):
        home.load()


def test_a_config_file_without_secrets_may_be_read_by_all(home: Home) -> None:
    home.config("[profiles.local]\naccess_key = 'AKIA'\n").chmod(0o644)
    assert home.load().settings.access_key == "AKIA"


@pytest.mark.parametrize("write", ["config", "site"])
def test_a_secret_in_a_file_that_is_not_for_secrets_is_refused(home: Home, write: str) -> None:
    file = getattr(home, write)("[profiles.local]\nsecret_key = 'hunter2'\n")
    with pytest.raises(BadConfigFile) as caught:
        home.load()
    assert f"{file}:2: secret_key is a secret" in caught.value.message
    assert "hunter2" not in f"{caught.value}{caught.value.hint}{caught.value.details}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_comes_from_a_file_named_by_a_variable(
    home: Home, tmp_path: Path, mode: int
) -> None:
    file = tmp_path / "key"
    file.write_text("hunter2\n")
    file.chmod(mode)
    home.environ["BAI_SECRET_KEY_FILE"] = str(file)
    config = home.load()
    assert config.settings.secret_key is not None
    assert config.settings.secret_key.reveal() == "hunter2"
    assert str(config.origin("secret_key")) == "BAI_SECRET_KEY_FILE"


def test_a_secret_file_named_by_a_variable_must_be_private(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hunter2\n")
    file.chmod(0o644)
    home.environ["BAI_SECRET_KEY_FILE"] = str(file)
    with pytest.raises(UnsafeSecretFile):
        home.load()


def test_a_secret_file_named_by_a_variable_must_exist(home: Home) -> None:
    home.environ["BAI_SECRET_KEY_FILE"] = "/nowhere/key"
    with pytest.raises(ConfigurationError, match="BAI_SECRET_KEY_FILE names a file that does not"):
        home.load()


def test_a_secret_and_a_secret_file_at_once_are_refused(home: Home) -> None:
    home.environ |= {"BAI_SECRET_KEY": "a", "BAI_SECRET_KEY_FILE": "/nowhere"}
    with pytest.raises(ConfigurationError, match="Both BAI_SECRET_KEY and BAI_SECRET_KEY_FILE"):
        home.load()


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ("a = 1\nb = 2\n", ("b",), 2),
        ("[t]\n# key = 0\nkey = 1\n", ("t", "key"), 3),
        ("[s]\nkey = 1\n[t]\nkey = 2\n", ("t", "key"), 4),
        ('[t]\ntext = """\nkey = 1\n"""\nkey = 2\n', ("t", "key"), 5),
        ('key = """\nlong\n"""\n', ("key",), 1),
        ("t.key = 1\n", ("t", "key"), 1),
        ("t = {other = 1, key = 2}\n", ("t", "key"), 1),
        ("[t]\r\nkey = 1\r\n", ("t", "key"), 2),
        ("'x\u2028y' = 1\nkey = 1\n", ("key",), 2),
        ("a = 1\n", ("key",), None),
    ],
)
def test_the_line_of_a_key_is_found(
    tmp_path: Path, text: str, keys: tuple[str, ...], line: int | None
) -> None:
    assert parse_config(tmp_path, text).line_of(keys) == line


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[profiles.local]\nkind = 'clutser'\n", "'embedded' or 'cluster'"),
        ("[profiles.local.database]\nconnect_timeout = -1\n", "greater than 0"),
        ("[profiles.local.database]\nconnect_timeout = inf\n", "finite number"),
        ("[profiles.local.database]\nconnect_timeout = 'soon'\n", "for example: 90s, 5m"),
        ("[profiles.local.database]\nautostart = 'perhaps'\n", "boolean"),
        ("[profiles.local.database]\nautostart = 2020-01-01\n", "boolean"),
        ("[profiles.local.agent]\nlocal_root = 'relative'\n", "absolute path"),
        ('[profiles.local.agent]\nlocal_root = "/a\\u0000b"\n', "absolute path"),
        (f"[profiles.local.agent]\ntimeout = 1{'0' * 400}\n", "number"),
        ("[profiles.local.etcd]\nurl = 'etcd.example.org'\n", "http://HOST:PORT"),
        ("[profiles.local.etcd]\nurl = 'http://me:hunter2@etcd'\n", "its own setting"),
        ("[profiles.local.etcd]\nurl = 'http://me:hunter2/x@etcd'\n", "http://HOST:PORT"),
        ("[profiles.local.etcd]\nurl = 'http://[::1'\n", "http://HOST:PORT"),
        ("[profiles.local.etcd]\nurl = 'http://etcd:99999'\n", "http://HOST:PORT"),
        ("[profiles.local.defaults]\ndomain = ''\n", "at least 1 character"),
        ('[profiles.local.defaults]\ndomain = "a\\u001b[2Jb"\n', "control characters"),
        ("[profiles.local]\naccess_key = ['a']\n", "valid string"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_line(home: Home, text: str, why: str) -> None:
    file = home.config(text)
    with pytest.raises(InvalidSetting) as caught:
        home.load()
    assert caught.value.message.startswith(f"{file}:2: ")
    assert why in caught.value.message
    assert caught.value.message.isprintable()
    assert "hunter2" not in caught.value.message
    assert caught.value.exit_code == 78


def test_a_bad_variable_is_named(home: Home) -> None:
    home.environ["BAI_DATABASE_CONNECT_TIMEOUT"] = "soon"
    with pytest.raises(InvalidSetting) as caught:
        home.load()
    assert caught.value.message.startswith("BAI_DATABASE_CONNECT_TIMEOUT: database.connect_timeout")
    assert caught.value.hint == "Correct or unset BAI_DATABASE_CONNECT_TIMEOUT."


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7200), ("1.5", 1.5), ("1h30m", 5400)]
)
def test_a_duration_is_seconds_or_has_a_unit(home: Home, text: str, seconds: float) -> None:
    home.environ["BAI_AGENT_TIMEOUT"] = text
    assert home.load().settings.agent.timeout == seconds


def test_a_tilde_in_a_path_is_the_home_directory(home: Home) -> None:
    home.environ["HOME"] = "/home/me"
    home.config("[profiles.local.agent]\nlocal_root = '~/agents'\n")
    assert str(home.load().settings.agent.local_root) == "/home/me/agents"
