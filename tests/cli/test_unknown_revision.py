"""On a database of another release: what is known is read, with a warning, and nothing written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from tests.cli.conftest import Ask

KNOWN = "dd15fd17f232"


def _alter(database: str, *statements: str) -> None:
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _asked(database: str, question: str) -> object:
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row and row[0]


def test_an_unknown_revision_is_read_with_a_warning_and_never_written(
    change: Ask, database: str
) -> None:
    _alter(database, "UPDATE alembic_version SET version_num = 'feedc0ffee00'")
    listed = change("root", "user", "list", "-o", "name")
    assert (listed.code, "alice@example.com" in listed.out.split()) == (0, True), listed.err
    assert "revision feedc0ffee00" in listed.err
    assert KNOWN in listed.err
    for words in (
        ("domain", "create", "late"),
        ("--dry-run", "domain", "create", "late"),
        ("session", "destroy", "train-1", "--yes"),
    ):
        refused = change("root", *words, "-o", "json")
        assert refused.code == 78, (words, refused.err)
        error = json.loads(refused.err[refused.err.index('{"error"') :])["error"]
        assert error["details"] == {"revision": "feedc0ffee00", "supported": [KNOWN]}
        assert KNOWN in error["message"]
    assert _asked(database, "SELECT count(*) FROM domains WHERE name = 'late'") == 0
    assert _asked(database, "SELECT count(*) FROM audit_logs") == 0


def test_a_column_that_another_release_lacks_is_laid_to_its_revision(
    change: Ask, database: str
) -> None:
    _alter(
        database,
        "UPDATE alembic_version SET version_num = 'feedc0ffee00'",
        "ALTER TABLE domains RENAME COLUMN integration_id TO integration_name",
    )
    shown = change("root", "domain", "show", "default")
    assert shown.code == 78
    assert "feedc0ffee00" in shown.err
    assert "integration_id" in shown.err
