from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bai_manager.config.keys import RESERVED_VARIABLES, known_keys
from bai_manager.config.origin import DEFAULT, Origin
from bai_manager.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.config.conftest import Home

DSN = "postgresql://bai:hunter2@db.example.org/backend"


def test_without_files_the_local_profile_is_embedded(home: Home) -> None:
    config = home.load()
    assert (config.profile_name, config.settings.kind) == ("local", "embedded")
    assert config.profile_origin == DEFAULT
    assert config.settings.database.dsn is None
    assert config.settings.database.autostart is True


def test_each_layer_covers_the_one_below(home: Home) -> None:
    seen = [(home.load().settings.defaults.output, home.load().origin("defaults.output"))]
    site = home.site("[profiles.local.defaults]\noutput = 'yaml'\n")
    seen.append((home.load().settings.defaults.output, home.load().origin("defaults.output")))
    config = home.config("# mine\n[profiles.local.defaults]\noutput = 'csv'\n")
    seen.append((home.load().settings.defaults.output, home.load().origin("defaults.output")))
    home.environ["BAI_OUTPUT"] = "tsv"
    seen.append((home.load().settings.defaults.output, home.load().origin("defaults.output")))
    loaded = home.load(output="json")
    seen.append((loaded.settings.defaults.output, loaded.origin("defaults.output")))
    assert seen == [
        (None, Origin("default")),
        ("yaml", Origin("file", f"{site}:2")),
        ("csv", Origin("file", f"{config}:3")),
        ("tsv", Origin("environment", "BAI_OUTPUT")),
        ("json", Origin("flag", "--output")),
    ]


def test_layers_are_merged_key_by_key_within_a_group(home: Home) -> None:
    home.site("[profiles.local.etcd]\nurl = 'http://site:2379'\nnamespace = 'site'\n")
    home.config("[profiles.local.etcd]\nnamespace = 'mine'\n")
    home.environ["BAI_ETCD_USER"] = "me"
    etcd = home.load().settings.etcd
    assert (etcd.url, etcd.namespace, etcd.user) == ("http://site:2379", "mine", "me")


def test_the_environment_covers_the_credentials_file(home: Home) -> None:
    file = home.credentials("[profiles.local]\nsecret_key = 'from the file'\n")
    assert str(home.load().origin("secret_key")) == f"{file}:2"
    home.environ["BAI_SECRET_KEY"] = "from the environment"
    config = home.load()
    assert config.settings.secret_key is not None
    assert config.settings.secret_key.reveal() == "from the environment"
    assert config.origin("secret_key") == Origin("environment", "BAI_SECRET_KEY")


def test_an_empty_variable_counts_as_not_set(home: Home) -> None:
    home.config("[profiles.local]\naccess_key = 'AKIAFILE'\n")
    home.environ["BAI_ACCESS_KEY"] = ""
    assert home.load().settings.access_key == "AKIAFILE"


def test_other_variables_with_our_prefix_are_left_alone(home: Home) -> None:
    home.environ |= {"BAI_CLUSTER_ROOT": "/x", "BAI_STORAGE__SECRET": "x"}
    assert home.load().settings.storage == {}


def test_every_setting_has_its_own_variable() -> None:
    variables = [key.variable for key in known_keys().values()]
    assert len(set(variables)) == len(variables)
    assert not RESERVED_VARIABLES & set(variables)


def test_every_setting_says_what_it_is_for() -> None:
    assert [key.name for key in known_keys().values() if not key.help] == []


@pytest.mark.parametrize("dsn", [DSN, "postgres:///x", "postgresql://u:p@h1:1,h2:2/d"])
def test_a_database_address_means_a_cluster(home: Home, dsn: str) -> None:
    home.environ["BAI_DATABASE_DSN"] = dsn
    assert home.load().settings.kind == "cluster"


def test_an_embedded_profile_with_a_database_address_is_refused(home: Home) -> None:
    file = home.config("[profiles.local]\nkind = 'embedded'\n")
    home.environ["BAI_DATABASE_DSN"] = DSN
    with pytest.raises(ConfigurationError) as caught:
        home.load()
    assert f"{file}:2" in caught.value.message
    assert "BAI_DATABASE_DSN" in caught.value.message
    assert "hunter2" not in caught.value.message


def test_a_variable_names_a_storage_proxy_of_the_files(home: Home) -> None:
    home.config("[profiles.local.storage.'nfs-1.lab']\nmanager_url = 'http://nfs:6022'\n")
    home.environ |= {"BAI_STORAGE_NFS_1_LAB_SECRET": "s1", "BAI_STORAGE_NEW_PATH": "/srv"}
    config = home.load()
    secret = config.settings.storage["nfs-1.lab"].secret
    assert secret is not None
    assert secret.reveal() == "s1"
    assert str(config.origin("storage.nfs-1.lab.secret")) == "BAI_STORAGE_NFS_1_LAB_SECRET"
    assert str(config.settings.storage["new"].path) == "/srv"


def test_items_names_every_setting_once(home: Home) -> None:
    home.config("[profiles.local.storage.x]\nverify_tls = false\n")
    names = [name for name, _ in home.load().items()]
    assert len(set(names)) == len(names)
    fixed = {name for name in known_keys() if "NAME" not in name}
    assert set(names) - fixed == {
        f"storage.x.{field}"
        for field in (
            "manager_url",
            "client_url",
            "secret",
            "verify_tls",
            "ca_file",
            "listing_limit",
            "path",
        )
    }


def test_a_missing_setting_says_how_to_set_it(home: Home) -> None:
    home.config("[profiles.prod]\nkind = 'cluster'\n")
    error = home.load("prod").missing("database.dsn")
    assert error.exit_code == 78
    assert error.hint == (
        "bai-manager config set database.dsn --profile prod, or set BAI_DATABASE_DSN"
    )


def test_the_process_environment_is_not_looked_at(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCESS_KEY", "stray")
    monkeypatch.setenv("KIND", "cluster")
    monkeypatch.setenv("BAI_ACCESS_KEY", "stray")
    assert home.load().settings.access_key is None
    assert home.load().settings.kind == "embedded"


def test_the_commands_are_imported_without_pydantic() -> None:
    code = (
        "import sys, bai_manager.cli.config, bai_manager.config.store\n"
        "print({'pydantic', 'tomlkit', 'pydantic_settings', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "set()\n"
