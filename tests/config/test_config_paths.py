from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.config.paths import Paths
from bai_manager.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.config.conftest import Home


def test_bai_home_puts_everything_below_one_folder(tmp_path: Path) -> None:
    paths = Paths.of({"BAI_HOME": str(tmp_path), "XDG_CONFIG_HOME": "/elsewhere"}, "prod")
    assert paths == Paths(
        config_file=tmp_path / "config" / "config.toml",
        credentials_file=tmp_path / "config" / "credentials.toml",
        data_dir=tmp_path / "data" / "prod",
        state_dir=tmp_path / "state" / "prod",
        cache_dir=tmp_path / "cache" / "prod",
    )


def test_xdg_folders_are_used_without_bai_home() -> None:
    paths = Paths.of(
        {
            "HOME": "/home/me",
            "XDG_CONFIG_HOME": "/xdg/config",
            "XDG_DATA_HOME": "/xdg/data",
            "XDG_STATE_HOME": "/xdg/state",
            "XDG_CACHE_HOME": "/xdg/cache",
        },
        "local",
    )
    assert [str(paths.config_file), str(paths.data_dir)] == [
        "/xdg/config/bai-manager/config.toml",
        "/xdg/data/bai-manager/local",
    ]
    assert [str(paths.state_dir), str(paths.cache_dir)] == [
        "/xdg/state/bai-manager/local",
        "/xdg/cache/bai-manager/local",
    ]


@pytest.mark.parametrize("useless", ["", "relative/folder"])
def test_an_xdg_variable_without_an_absolute_path_does_not_count(useless: str) -> None:
    paths = Paths.of({"HOME": "/home/me", "XDG_CONFIG_HOME": useless}, "local")
    assert str(paths.config_file) == "/home/me/.config/bai-manager/config.toml"
    assert str(paths.state_dir) == "/home/me/.local/state/bai-manager/local"


def test_a_tilde_in_bai_home_is_the_home_directory() -> None:
    paths = Paths.of({"HOME": "/home/me", "BAI_HOME": "~/bai"}, "local")
    assert str(paths.data_dir) == "/home/me/bai/data/local"


def test_a_relative_bai_home_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Paths.of({"BAI_HOME": "here"}, "local").data_dir == tmp_path / "here" / "data" / "local"


def test_a_relative_home_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="no home directory"):
        Paths.of({"HOME": "nowhere"}, "local")


def test_nothing_is_created_by_loading(home: Home) -> None:
    home.load()
    assert list(home.folder.iterdir()) == []


def test_each_profile_has_its_own_data(home: Home) -> None:
    home.config("[profiles.other]\nkind = 'embedded'\n")
    assert home.load("other").paths.data_dir != home.load().paths.data_dir
