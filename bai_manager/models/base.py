"""The one ``MetaData`` and the column types that hold in both shapes of the database.

The field knows two shapes of the same revision (``reference/schema-differences.txt``): created
in one go, or grown by migrations. The tables here describe the first; statements built from them
run on both, because

- an enum is written and compared as text of no declared type (`PgEnum`): its type may have
  another name over there;
- a column that is ``json`` here and ``jsonb`` or ``varchar`` there is an `EitherJson`;
- a column that exists in one shape only is left out, so never ``SELECT *``.

A table names the tables it refers to as strings, so importing one family imports no other; a join
across families therefore states its ``ON`` clause.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    MetaData,
    String,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.types import TypeDecorator, UserDefinedType

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

    from bai_manager.types.json import JsonValue

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Timestamp = DateTime(timezone=True)

# ``None`` is SQL NULL, never the JSON value ``null``.
Json: JSON[JsonValue] = JSON(none_as_null=True)
Jsonb: JSONB[JsonValue] = JSONB(none_as_null=True)


def uuid_key(name: str = "id") -> Column[UUID]:
    """Return a primary key column that the database fills when no value is given."""
    return Column(name, Uuid, primary_key=True, server_default=text("uuid_generate_v4()"))


def cascading(target: str) -> ForeignKey:
    """Return a reference that follows its target when that is renamed or deleted."""
    return ForeignKey(target, onupdate="CASCADE", ondelete="CASCADE")


class PgEnum(UserDefinedType[str]):
    """An enum column: its own type in DDL, text without a declared type everywhere else.

    Values are labels (``str`` or a ``StrEnum``); a list of them is given to ``column.in_(…)``.

    Never ``cast()`` to it, which would name the type, nor ``ORDER BY`` it, as the order of labels
    differs between the shapes. In a ``case()`` write ``literal("LOST", column.type)``, beside a
    branch that is the column itself.
    """

    cache_ok = True

    def __init__(self, name: str, *labels: str) -> None:
        self.name = name
        self.labels = labels

    def get_col_spec(self, **_: object) -> str:
        return self.name

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None]:  # noqa: ARG002
        return lambda label: None if label is None else str.__str__(label)


class EitherJson(TypeDecorator["JsonValue"]):
    """A JSON column whose type is not the same in both shapes.

    Written through an assignment cast, read as a Python value also where it is text. Only what
    ``json`` can do is offered (``[key]``, ``.astext``): it has neither equality nor ``@>``.
    """

    impl = JSON
    cache_ok = True

    def __init__(self, described: JSON[JsonValue]) -> None:
        super().__init__(none_as_null=True)
        self.described = described

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[JsonValue]:  # noqa: ARG002
        return self.described

    def process_result_value(self, value: JsonValue, dialect: Dialect) -> JsonValue:  # noqa: ARG002
        return json.loads(value) if isinstance(value, str) else value


class Unpadded(TypeDecorator[str]):
    """Text that is ``character(n)`` in one shape at least: read without the blanks it pads with."""

    impl = String
    cache_ok = True

    def __init__(self, described: String) -> None:
        super().__init__()
        self.described = described

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:  # noqa: ARG002
        return self.described

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else value.rstrip(" ")


class UrlText(TypeDecorator[str]):
    """A URL; 25.17 also stores the text ``None`` for none (``reference/value-types.md`` §1)."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value == "None" else value
