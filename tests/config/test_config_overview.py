from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.config import read_files
from bai_manager.config.overview import (
    ProfileSummary,
    misspelt_variables,
    profile_summaries,
    without_password,
)
from bai_manager.types.credentials import Secret

if TYPE_CHECKING:
    from tests.config.conftest import Home


def test_every_profile_is_summed_up_even_a_broken_one(home: Home) -> None:
    file = home.config("default_profile = 'prod'\n[profiles.prod]\n[profiles.bad]\nkynd = 'x'\n")
    home.credentials("[profiles.prod.database]\ndsn = 'postgresql://me:hunter2@db:5432/bai'\n")
    home.environ["BAI_DATABASE_DSN"] = "postgresql://elsewhere/x"
    found = profile_summaries(read_files(home.environ, site_file=home.site_file), home.environ)
    assert found == [
        ProfileSummary(name="bad", default=False, problem=f"{file}:4: there is no setting 'kynd'"),
        ProfileSummary(
            name="local",
            default=False,
            kind="embedded",
            database=str(home.paths.data_dir),
        ),
        ProfileSummary(
            name="prod", default=True, kind="cluster", database="postgresql://me@db:5432/bai"
        ),
    ]


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:hunter2@h:1/d", "postgresql://u@h:1/d"),
        ("postgresql://u:hun%40ter2@[::1]:5/d", "postgresql://u@[::1]:5/d"),
        (
            "postgresql://h/d?user=u&password=hunter2&sslmode=require",
            "postgresql://h/d?user=u&sslmode=require",
        ),
        ("postgresql:///d?host=/run/pg&passfile=hunter2", "postgresql:///d?host=/run/pg"),
        ("postgresql://u:hunter2@h1:1,h2:2/d", "postgresql://u@h1:1,h2:2/d"),
        ("postgresql://:hunter2@h/d", "postgresql://h/d"),
    ],
)
def test_a_database_address_is_shown_without_its_password(dsn: str, shown: str) -> None:
    assert without_password(Secret(dsn)) == shown


def test_only_variables_that_are_nearly_ours_are_taken_for_mistakes() -> None:
    environ = dict.fromkeys(
        [
            "BAI_SECRETKEY",
            "BAI_HOMES",
            "BAI_SECRET_KEY_FIL",
            "BAI_SECRET_KEY",
            "BAI_SECRET_KEY_FILE",
            "BAI_HOME",
            "BAI_CLUSTER_ETCD_URL",
            "BAI_CLUSTER_STORAGE_SECRET",
            "BAI_STORAGE_NFS_SECRET",
            "AI_SECRET_KEY",
        ],
        "x",
    )
    assert misspelt_variables(environ) == {
        "BAI_SECRETKEY": "BAI_SECRET_KEY",
        "BAI_HOMES": "BAI_HOME",
        "BAI_SECRET_KEY_FIL": "BAI_SECRET_KEY_FILE",
    }
