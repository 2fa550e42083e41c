"""JSON Schemas of the bodies of requests to the admin API, by name.

A body has no keys but those of its schema. References to other schemas are not followed.
"""

from __future__ import annotations

from typing import Final

from bridge.web.admin.schema_parts import Schema

REQUEST_SCHEMAS: Final[dict[str, Schema]] = {}


def body_schema(*required: str, **properties: Schema) -> Schema:
    """Return the schema of an object with these keys, of which some are required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
