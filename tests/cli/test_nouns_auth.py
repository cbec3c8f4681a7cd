"""``bai-manager auth``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Ask, Cluster, Home, Typed


def test_whoami_says_who_acts_and_through_what(ask: Ask, cluster: Cluster) -> None:
    done = ask("alice", "auth", "whoami", "-o", "json")
    alice = cluster.world.alice
    assert done.code == 0
    assert json.loads(done.out) == {
        "user_id": str(alice.user_id),
        "email": "alice@example.com",
        "username": "alice",
        "role": "user",
        "domain_name": "default",
        "access_key": alice.access_key,
        "resource_policy": "default",
        "projects": ["default"],
        "profile": "local",
    }


def test_whoami_is_titles_and_values_for_a_person(ask: Ask) -> None:
    lines = ask("root", "auth", "whoami", "-o", "table").out.splitlines()
    assert lines[0].split() == ["User", "root@example.com"]
    assert ["Role", "superadmin"] in [line.split() for line in lines]


def test_whoami_prints_the_access_key_as_the_name(ask: Ask, cluster: Cluster) -> None:
    done = ask("bob", "auth", "whoami", "-o", "name")
    assert done.out == f"{cluster.world.bob.access_key}\n"


def test_a_superadmin_may_act_as_somebody_else(ask: Ask, cluster: Cluster) -> None:
    words = ("auth", "whoami", "-o", "json", "--as", cluster.world.bob.access_key)
    assert json.loads(ask("root", *words).out)["email"] == "bob@example.com"
    assert ask("alice", *words).code == 4


def test_the_secret_key_is_never_printed(ask: Ask, cluster: Cluster) -> None:
    for form in ("table", "json", "tsv", "yaml"):
        done = ask("alice", "auth", "whoami", "-o", form, "--trace")
        assert cluster.world.alice.secret_key.reveal() not in done.out + done.err


def test_a_wrong_secret_key_is_denied(typed: Typed, cluster: Cluster) -> None:
    wrong = cluster.environ("alice") | {"BAI_SECRET_KEY": "x" * 40}
    done = typed("auth", "whoami", env=wrong)
    assert (done.code, done.out) == (4, "")


def test_without_a_key_pair_the_configuration_is_wrong(typed: Typed, cluster: Cluster) -> None:
    done = typed("auth", "whoami", env={"BAI_DATABASE_DSN": cluster.dsn})
    assert done.code == 78
    assert "BAI_ACCESS_KEY" in done.err


def test_a_database_out_of_reach_is_exit_code_6(typed: Typed, cluster: Cluster) -> None:
    nowhere = {"BAI_DATABASE_DSN": "postgresql://bai@localhost/x?host=%2Fnowhere"}
    done = typed("auth", "whoami", env=cluster.environ("alice") | nowhere)
    assert (done.code, done.out) == (6, "")


def test_init_makes_its_superadmin_the_one_who_acts(typed: Typed, initialised_home: Home) -> None:
    done = typed("auth", "whoami", "-o", "json", env=initialised_home.environ)
    found = json.loads(done.out)
    assert (found["email"], found["role"]) == ("admin@localhost", "superadmin")
