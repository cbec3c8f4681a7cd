from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.config.errors import BadConfigFile, InvalidProfileName, ProfileNotFound
from bai_manager.config.origin import Origin

if TYPE_CHECKING:
    from tests.config.conftest import Home

TWO = "[profiles.production]\nkind = 'cluster'\n[profiles.staging]\nkind = 'cluster'\n"


def test_the_flag_wins_over_the_variable_over_the_file_over_the_site(home: Home) -> None:
    home.site("default_profile = 'b'\n[profiles.a]\n[profiles.b]\n[profiles.c]\n[profiles.d]\n")
    chosen = [home.load()]
    config = home.config("\ndefault_profile = 'c'\n")
    chosen.append(home.load())
    home.environ["BAI_PROFILE"] = "d"
    chosen.append(home.load())
    chosen.append(home.load("a"))
    assert [(one.profile_name, one.profile_origin) for one in chosen] == [
        ("b", Origin("file", f"{home.site_file}:1")),
        ("c", Origin("file", f"{config}:2")),
        ("d", Origin("environment", "BAI_PROFILE")),
        ("a", Origin("flag", "--profile")),
    ]


def test_a_profile_that_nobody_names_is_refused_with_the_closest(home: Home) -> None:
    home.config(TWO)
    with pytest.raises(ProfileNotFound) as caught:
        home.load("prodution")
    assert caught.value.exit_code == 78
    assert caught.value.hint is not None
    assert "Did you mean production?" in caught.value.hint
    assert "--profile" in caught.value.message


def test_the_refusal_says_who_asked_for_the_profile(home: Home) -> None:
    file = home.config(f"default_profile = 'gone'\n{TWO}")
    with pytest.raises(ProfileNotFound, match=f"{file}:1"):
        home.load()
    home.environ["BAI_PROFILE"] = "absent"
    with pytest.raises(ProfileNotFound, match="BAI_PROFILE"):
        home.load()


def test_a_profile_that_only_has_secrets_exists(home: Home) -> None:
    home.credentials("[profiles.prod]\nsecret_key = 'x'\n")
    assert home.load("prod").profile_name == "prod"


@pytest.mark.parametrize("name", ["../../etc", "a/b", ".", "", "x" * 65, "a\nb", "a\x1b[31m"])
def test_a_name_that_is_no_folder_name_is_refused(home: Home, name: str) -> None:
    escaped = name.replace("\n", "\\n").replace("\x1b", "\\u001b")
    home.config(f'[profiles."{escaped}"]\nkind = "embedded"\n')
    with pytest.raises(InvalidProfileName):
        home.load(name)


def test_a_default_profile_that_is_no_name_is_refused(home: Home) -> None:
    home.config("default_profile = 7\n")
    with pytest.raises(BadConfigFile, match=r"config\.toml:1: default_profile"):
        home.load()


def test_a_mistake_in_another_profile_does_not_matter(home: Home) -> None:
    home.config(f"{TWO}\n[profiles.broken]\nkynd = 'cluster'\n")
    assert home.load("staging").settings.kind == "cluster"
