"""A live database, and the two recorded ones, as one comparable structure.

``oneshot.json`` and ``migrated.json`` are facts about release 25.17, revision ``dd15fd17f232``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NotRequired

    from sqlalchemy.ext.asyncio import AsyncConnection

RecordedShape = Literal["oneshot", "migrated"]


class Column(TypedDict):
    name: str
    type: str
    nullable: bool
    default: str | None


class ForeignKey(TypedDict):
    name: str
    columns: list[str]
    ref_table: str
    ref_columns: list[str]
    on_delete: str
    on_update: str


class Unique(TypedDict):
    name: str
    columns: list[str]


# ``def`` is the whole clause or statement: ``CHECK (…)``, ``CREATE INDEX …``.
Check = TypedDict("Check", {"name": str, "def": str})
Index = TypedDict("Index", {"name": str, "unique": bool, "def": str})


class Table(TypedDict):
    columns: list[Column]
    pk: list[str]
    pk_name: NotRequired[str]
    fks: list[ForeignKey]
    uniques: list[Unique]
    checks: list[Check]
    indexes: list[Index]


class Schema(TypedDict):
    """Tables and enums by name; columns in their order, everything else sorted by name."""

    alembic: list[str]
    enums: dict[str, list[str]]
    tables: dict[str, Table]


def recorded(shape: RecordedShape) -> Schema:
    """Return a recorded schema; its list of extensions (a property of the server) is left out."""
    schema = json.loads(Path(__file__).with_name(f"{shape}.json").read_text())
    del schema["extensions"]
    for table in schema["tables"].values():
        for kind in ("fks", "uniques", "checks", "indexes"):
            table[kind].sort(key=lambda entry: entry["name"])
    return cast("Schema", schema)


async def introspect(connection: AsyncConnection) -> Schema:
    """Return what is in the schema ``public``."""
    tables: dict[str, Table] = {}
    for row in await connection.execute(_COLUMNS):
        table = tables.setdefault(
            row.table_name,
            Table(columns=[], pk=[], fks=[], uniques=[], checks=[], indexes=[]),
        )
        table["columns"].append(
            Column(name=row.name, type=row.type, nullable=row.nullable, default=row.expression)
        )
    for row in await connection.execute(_CONSTRAINTS):
        table = tables[row.table_name]
        if row.kind == "p":
            table["pk"] = row.columns
            table["pk_name"] = row.name
        elif row.kind == "u":
            table["uniques"].append(Unique(name=row.name, columns=row.columns))
        elif row.kind == "c":
            table["checks"].append({"name": row.name, "def": row.definition})
        else:
            table["fks"].append(
                ForeignKey(
                    name=row.name,
                    columns=row.columns,
                    ref_table=row.ref_table,
                    ref_columns=row.ref_columns,
                    on_delete=_ACTIONS[row.on_delete],
                    on_update=_ACTIONS[row.on_update],
                )
            )
    for row in await connection.execute(_INDEXES):
        tables[row.table_name]["indexes"].append(
            {"name": row.name, "unique": row.is_unique, "def": row.definition}
        )
    return Schema(
        alembic=list(await connection.scalars(text("SELECT version_num FROM alembic_version"))),
        enums={row.name: row.labels for row in await connection.execute(_ENUMS)},
        tables=tables,
    )


def differences(expected: Schema, actual: Schema) -> list[str]:
    """Return one readable line per difference; none when the schemas are equal."""
    old, new = dict(_facts(expected)), dict(_facts(actual))
    return [
        f"{fact}: expected {old.get(fact)}, found {new.get(fact)}"
        for fact in sorted(old.keys() | new.keys())
        if old.get(fact) != new.get(fact)
    ]


def _facts(schema: Schema) -> Iterator[tuple[str, object]]:
    yield "alembic", schema["alembic"]
    for name, labels in schema["enums"].items():
        yield f"enum {name}", labels
    for name, table in schema["tables"].items():
        yield f"{name} column order", [column["name"] for column in table["columns"]]
        yield f"{name} primary key", (table.get("pk_name"), table["pk"])
        for column in table["columns"]:
            yield f"{name}.{column['name']}", column
        for entry in (*table["fks"], *table["uniques"], *table["checks"], *table["indexes"]):
            # A unique constraint and its index share a name.
            yield f"{name} {entry['name']} {sorted(entry)}", entry


_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

_COLUMNS = text("""
    SELECT c.relname AS table_name, a.attname AS name,
           format_type(a.atttypid, a.atttypmod) AS type,
           NOT a.attnotnull AS nullable, pg_get_expr(d.adbin, d.adrelid) AS expression
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
     ORDER BY c.relname, a.attnum
""")

_CONSTRAINTS = text("""
    SELECT t.relname AS table_name, k.conname AS name, k.contype AS kind,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
                   JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
                  ORDER BY u.place) AS columns,
           r.relname AS ref_table,
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (number, place)
                   JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number
                  ORDER BY u.place) AS ref_columns,
           k.confdeltype AS on_delete, k.confupdtype AS on_update,
           pg_get_constraintdef(k.oid) AS definition
      FROM pg_constraint k
      JOIN pg_class t ON t.oid = k.conrelid
      LEFT JOIN pg_class r ON r.oid = k.confrelid
     WHERE k.connamespace = 'public'::regnamespace AND k.contype IN ('p', 'u', 'c', 'f')
     ORDER BY k.conname COLLATE "C"
""")

_INDEXES = text("""
    SELECT t.relname AS table_name, c.relname AS name, i.indisunique AS is_unique,
           pg_get_indexdef(i.indexrelid) AS definition
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indexrelid
      JOIN pg_class t ON t.oid = i.indrelid
     WHERE t.relnamespace = 'public'::regnamespace
     ORDER BY c.relname COLLATE "C"
""")

_ENUMS = text("""
    SELECT t.typname AS name, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
      FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
     WHERE t.typnamespace = 'public'::regnamespace
     GROUP BY t.typname
""")
