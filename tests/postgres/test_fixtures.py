from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import BaiHome, RunCli, Shape

MARKED = """
import pytest
def test_usual(): pass
@pytest.mark.cluster
def test_far(): pass
@pytest.mark.benchmark
def test_slow(): pass
"""
EACH_CHOICE = """
import sys
import pytest
for chosen in ([], ["-m", "benchmark"], ["-m", "cluster or benchmark"]):
    pytest.main([*sys.argv[1:], *chosen])
"""


def ask(url: str, statement: str) -> object:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row and row[0]


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_has_a_database_of_its_own(database: str, time: str) -> None:
    assert ask(database, "SELECT to_regclass('mine')") is None, time
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE mine ()")
    assert ask(database, "SELECT version_num FROM alembic_version") == "dd15fd17f232"


@pytest.mark.parametrize("time", ["first", "second"])
def test_no_test_finds_the_rows_of_another(database: str, time: str) -> None:
    assert ask(database, "SELECT count(*) FROM domains") == 0, time
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        connection.execute(
            "INSERT INTO domains (name, total_resource_slots, allowed_vfolder_hosts,"
            " allowed_docker_registries, dotfiles) VALUES ('mine', '{}', '{}', '{}', '')"
        )


def test_an_empty_database_has_no_tables(empty_database: str) -> None:
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert ask(empty_database, tables) == 0


def test_a_shaped_database_has_that_shape(shaped_database: str, shape: Shape) -> None:
    type_name = {"oneshot": "imagetype", "migrated": "image_type"}[shape]
    column = "SELECT atttypid::regtype::text FROM pg_attribute WHERE attname = 'type'"
    assert ask(shaped_database, f"{column} AND attrelid = 'images'::regclass") == type_name


def test_the_home_is_all_that_a_test_sees(bai_home: BaiHome, run_cli: RunCli) -> None:
    assert {name for name in bai_home.environment if name.startswith("BAI_")} == {"BAI_HOME"}
    assert sorted(bai_home.path.iterdir()) == [
        bai_home.cache,
        bai_home.config,
        bai_home.data,
        bai_home.state,
    ]
    assert "Usage" in run_cli("--help").stdout


def test_what_needs_a_cluster_or_measures_runs_only_when_chosen(tmp_path: Path) -> None:
    test_file = tmp_path / "test_marked.py"
    test_file.write_text(MARKED)
    plugins = ["-p", "tests.conftest", "-p", "no:xdist", "-p", "no:cacheprovider"]
    markers = ["-c", "/dev/null", "-o", "markers=cluster\nbenchmark", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", EACH_CHOICE, "--co", "-q", *plugins, *markers, str(test_file)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    found = [line for line in done.stdout.splitlines() if "tests collected" in line]
    assert [line[:3] for line in found] == ["1/3", "1/3", "2/3"], done.stdout
