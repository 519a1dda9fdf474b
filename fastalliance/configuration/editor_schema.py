"""The JSON Schema of configurations, for completion and checks in editors."""

from __future__ import annotations

from typing import Any

from fastalliance.configuration.schema import Configuration

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration file.

    Examples
    --------
    >>> json_schema()["properties"]["seed"]["maximum"] == 2**64 - 1
    True
    """
    schema = Configuration.model_json_schema(mode="validation")
    for section in (schema, *schema["$defs"].values()):
        for field in section["properties"].values():
            field.pop("title", None)  # only the name again, in capitals
    return {"$schema": DIALECT, **schema, "title": "fastalliance configuration"}
