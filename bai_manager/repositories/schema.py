"""Which schema a database has, and how an empty one gets the schema of the release.

Cheap to import: the description of the tables (`bai_manager.models.all`) is loaded only to create.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from sqlalchemy import func, insert, select, text

from bai_manager.errors import Conflict
from bai_manager.models.alembic import alembic_version
from bai_manager.models.base import PgEnum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Dialect, MetaData
    from sqlalchemy.ext.asyncio import AsyncConnection

SCHEMA_REVISION: Final = "dd15fd17f232"
SUPPORTED_REVISIONS: Final = frozenset({SCHEMA_REVISION})

Shape: TypeAlias = Literal["empty", "oneshot", "migrated", "unknown"]

# Serialises creation between processes; beside the scheduler's 230 to 233.
_CREATION_LOCK: Final = 0x6261692D736368

# The type of one column tells the shapes apart (``reference/schema-differences.txt``).
_SHAPES: Final[dict[str, Shape]] = {"imagetype": "oneshot", "image_type": "migrated"}

_INSPECT: Final = text("""
    SELECT to_regclass('alembic_version') IS NOT NULL AS stamped,
           (SELECT atttypid::regtype::text FROM pg_attribute
             WHERE attrelid = to_regclass('images') AND attname = 'type') AS image_type,
           EXISTS (SELECT FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p'))
             AS occupied
""")

# The embedded PostgreSQL comes without contrib modules.
_UUID_FUNCTION: Final = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'uuid-ossp') THEN
    CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
  ELSE
    CREATE OR REPLACE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
      AS 'SELECT gen_random_uuid()';
  END IF;
END $$"""


class DatabaseNotEmpty(Conflict):
    """The schema was to be created where other tables are."""

    error_code = "backendai_setup_conflict"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What a database holds.

    ``revision`` is what it is stamped with (several, should that ever be, joined by commas).
    ``shape`` is ``empty`` without any table, ``unknown`` when the tables are not Backend.AI's.
    """

    revision: str | None
    shape: Shape

    @property
    def supported(self) -> bool:
        """Whether this program may write to it."""
        return self.revision in SUPPORTED_REVISIONS and self.shape in _SHAPES.values()


async def read_revision(connection: AsyncConnection) -> str | None:
    """What the database is stamped with, if it is; for every command, so it compiles nothing."""
    stamped = await connection.exec_driver_sql("SELECT to_regclass('alembic_version') IS NOT NULL")
    if not stamped.scalar_one():
        return None
    found = await connection.exec_driver_sql(
        "SELECT string_agg(version_num, ',') FROM alembic_version"
    )
    revision: str | None = found.scalar_one()
    return revision


async def schema_state(connection: AsyncConnection) -> SchemaState:
    """Look at the catalogue, and at the stamp if there is one; changes and locks nothing."""
    found = (await connection.execute(_INSPECT)).one()
    revision = await read_revision(connection) if found.stamped else None
    if not found.occupied:
        return SchemaState(revision=revision, shape="empty")
    return SchemaState(revision=revision, shape=_SHAPES.get(found.image_type, "unknown"))


async def create_schema(connection: AsyncConnection) -> None:
    """Create all types, tables, keys and indexes and the stamp, in the caller's transaction.

    Equal to ``reference/schema-25.17-oneshot.json``. Does nothing where a supported schema already
    is; processes that do it at the same time wait for the first to commit (which needs the usual
    isolation, READ COMMITTED, to be seen).

    Raises `DatabaseNotEmpty` where something else is.
    """
    await connection.execute(select(func.pg_advisory_xact_lock(_CREATION_LOCK)))
    state = await schema_state(connection)
    if state.supported:
        return
    if state.shape != "empty":
        raise DatabaseNotEmpty(
            f"The database already has tables (revision {state.revision or 'none'}), so the schema "
            f"{SCHEMA_REVISION} cannot be created in it.",
            hint="Name an empty database in the profile.",
            details={"revision": state.revision, "shape": state.shape},
        )
    from bai_manager.models.all import metadata  # noqa: PLC0415 - 53 tables only when needed

    script = ";\n".join(_statements(metadata, connection.dialect))
    await connection.exec_driver_sql(script, execution_options={"no_parameters": True})
    await connection.execute(insert(alembic_version).values(version_num=SCHEMA_REVISION))


def _statements(metadata: MetaData, dialect: Dialect) -> Iterator[str]:
    """Yield the DDL, foreign keys last: users and keypairs refer to each other."""
    from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable  # noqa: PLC0415

    tables = metadata.tables.values()
    yield _UUID_FUNCTION
    yield from _enum_types(metadata)
    for table in tables:
        bare = CreateTable(table, include_foreign_key_constraints=())
        yield str(bare.compile(dialect=dialect))
        for index in table.indexes:
            yield str(CreateIndex(index).compile(dialect=dialect))
    for table in tables:
        for key in table.foreign_key_constraints:
            yield str(AddConstraint(key, isolate_from_table=False).compile(dialect=dialect))


def _enum_types(metadata: MetaData) -> Iterator[str]:
    columns = (column for table in metadata.tables.values() for column in table.columns)
    enums = {column.type.name: column.type for column in columns if isinstance(column.type, PgEnum)}
    for name, enum in enums.items():
        labels = ", ".join(f"'{label}'" for label in enum.labels)
        yield f"CREATE TYPE {name} AS ENUM ({labels})"
