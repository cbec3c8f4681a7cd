"""The JSON Schema of results."""

from __future__ import annotations

from bai_manager.cli.output.schema import DIALECT, json_schema
from tests.cli.output_samples import Job


def test_one_object() -> None:
    schema = json_schema(Job)
    assert (schema["$schema"], schema["title"], schema["type"]) == (DIALECT, "Job", "object")
    assert schema["required"] == ["id", "name", "status", "size", "created_at", "slots"]


def test_a_list_is_an_array_of_them() -> None:
    schema = json_schema(Job, many=True)
    one = json_schema(Job)
    del one["$schema"]
    assert schema == {"$schema": DIALECT, "title": "Job", "type": "array", "items": one}
