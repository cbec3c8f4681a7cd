"""The JSON Schema of what ``-o json`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.types.jsonable import jsonschema_of

if TYPE_CHECKING:
    from bai_manager.types.json import JsonObject

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(result_type: type, *, many: bool = False) -> JsonObject:
    """Describe one object of ``result_type``, or with ``many`` the array a list prints."""
    schema = jsonschema_of(result_type)
    if many:
        schema = {"type": "array", "items": schema}
    return {"$schema": DIALECT, "title": result_type.__name__, **schema}
