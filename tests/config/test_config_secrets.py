from __future__ import annotations

import pickle
import traceback
from typing import TYPE_CHECKING

import pytest

from bai_manager.config.errors import InvalidSetting
from bai_manager.config.keys import known_keys

if TYPE_CHECKING:
    from tests.config.conftest import Home

CREDENTIALS = """
[profiles.local]
secret_key = "hunter2-key"
admin_password = "hunter2-admin"
database.dsn = "postgresql://me:hunter2-dsn@db/backend"
etcd.password = "hunter2-etcd"
valkey.password = "hunter2-valkey"
prometheus.password = "hunter2-prometheus"
prometheus.token = "hunter2-token"
storage.nfs.secret = "hunter2-storage"
"""


def test_the_example_holds_every_secret_there_is(home: Home) -> None:
    home.credentials(CREDENTIALS)
    held = {name for name, value in home.load().items() if str(value) == "***"}
    known = {key.name.replace("NAME", "nfs") for key in known_keys().values() if key.is_secret}
    assert held == known


def test_no_secret_shows_in_any_form_of_a_configuration(home: Home) -> None:
    home.credentials(CREDENTIALS)
    config = home.load()
    settings = config.settings
    forms = [
        repr(config),
        str(config),
        f"{settings!r} {settings}",
        settings.model_dump_json(),
        repr(settings.model_dump()),
        repr(config.layers.stack),
        repr(list(config.items())),
        str({name: str(value) for name, value in config.items()}),
    ]
    assert [form for form in forms if "hunter2" in form] == []


def test_a_configuration_with_secrets_cannot_be_pickled(home: Home) -> None:
    home.credentials(CREDENTIALS)
    with pytest.raises(TypeError, match="not written anywhere"):
        pickle.dumps(home.load().settings.model_dump())


@pytest.mark.parametrize(
    "line",
    [
        "database.dsn = 'mysql://me:hunter2@db/x'",
        "database.dsn = ['hunter2']",
        "database.dsn = 'postgresql://me:12/hunter2@db/x'",
        "database.dsn = 'postgresql://me:hun@ter2@db/hunter2'",
        "database.dsn = 'postgresql://me:hunter2/x@db/x'",
        "database.dsn = 'postgresql://me:hunter2\u2100@db/x'",
        "secret_key = ['hunter2']",
        "secret_key = {a = 'hunter2'}",
        "kind = 'hunter2'\nsecret_key = 'hunter2'",
    ],
)
def test_no_error_shows_a_secret_even_in_its_traceback(home: Home, line: str) -> None:
    home.credentials(f"[profiles.local]\n{line}\n")
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever error it is
        home.load()
    shown = "".join(traceback.format_exception(caught.value))
    message = f"{caught.value} {getattr(caught.value, 'hint', '')} {caught.value.args}"
    if not line.startswith("kind"):
        assert "hunter2" not in shown + message
    assert "secret_key = 'hunter2'" not in shown + message


def test_an_empty_secret_is_refused(home: Home) -> None:
    file = home.credentials("[profiles.local]\nsecret_key = ''\n")
    with pytest.raises(InvalidSetting, match=f"{file}:2: secret_key is not valid"):
        home.load()
