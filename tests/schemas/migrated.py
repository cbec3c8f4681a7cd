"""The shape of a database that grew up through migrations, as one script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.schemas.introspect import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.schemas.introspect import ForeignKey, Schema, Table

_UUID_FUNCTION = """
CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql VOLATILE
  AS 'SELECT gen_random_uuid()'"""


# PostgreSQL prints ``status NOT IN (…)`` in a way that it does not read back as the same.
_DEPARSED_NOT_IN = re.compile(r"\((\w+)\)::text <> ALL \(\(ARRAY\[(.*)\]\)::text\[\]\)")


def build_sql() -> str:
    """Return a script that makes an empty database equal to ``migrated.json``, stamp included.

    To be run without parameters, in one go.
    """
    return ";\n".join(_statements(recorded("migrated"))) + ";\n"


def _statements(schema: Schema) -> Iterator[str]:
    yield _UUID_FUNCTION
    for name, labels in schema["enums"].items():
        quoted = ", ".join(f"'{label}'" for label in labels)
        yield f"CREATE TYPE {name} AS ENUM ({quoted})"
    for name, table in schema["tables"].items():
        yield _create_table(name, table)
        constraints = {table.get("pk_name"), *(unique["name"] for unique in table["uniques"])}
        for index in table["indexes"]:
            if index["name"] not in constraints:
                yield _DEPARSED_NOT_IN.sub(r"\1 NOT IN (\2)", index["def"])
    for name, table in schema["tables"].items():
        for key in table["fks"]:
            yield _add_foreign_key(name, key)
    for revision in schema["alembic"]:
        yield f"INSERT INTO alembic_version VALUES ('{revision}')"  # noqa: S608 - as recorded


def _create_table(name: str, table: Table) -> str:
    parts = [
        f'"{column["name"]}" {column["type"]}'
        + ("" if column["nullable"] else " NOT NULL")
        + ("" if column["default"] is None else f" DEFAULT {column['default']}")
        for column in table["columns"]
    ]
    if table["pk"]:
        parts.append(f"CONSTRAINT {table['pk_name']} PRIMARY KEY ({_quoted(table['pk'])})")
    parts += [
        f"CONSTRAINT {unique['name']} UNIQUE ({_quoted(unique['columns'])})"
        for unique in table["uniques"]
    ]
    parts += [f"CONSTRAINT {check['name']} {check['def']}" for check in table["checks"]]
    return f'CREATE TABLE "{name}" ({", ".join(parts)})'


def _add_foreign_key(table: str, key: ForeignKey) -> str:
    return (
        f'ALTER TABLE "{table}" ADD CONSTRAINT {key["name"]}'
        f" FOREIGN KEY ({_quoted(key['columns'])})"
        f' REFERENCES "{key["ref_table"]}" ({_quoted(key["ref_columns"])})'
        f" ON DELETE {key['on_delete']} ON UPDATE {key['on_update']}"
    )


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
