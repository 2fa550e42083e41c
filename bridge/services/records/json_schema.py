"""Parts of JSON Schemas. Pure."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
FLAG: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
ANY: Final[Schema] = {}
OBJECT: Final[Schema] = {"type": "object"}
COUNT_BY_NAME: Final[Schema] = {"type": "object", "additionalProperties": COUNT}
TEXT_BY_NAME: Final[Schema] = {"type": "object", "additionalProperties": TEXT}


def nullable(schema: Schema) -> Schema:
    """Return a schema that also allows null."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    kinds = schema["type"]
    schema = {**schema, "type": [*(kinds if isinstance(kinds, list) else [kinds]), "null"]}
    return {**schema, "enum": [*schema["enum"], None]} if "enum" in schema else schema


def record(**properties: Schema) -> Schema:
    """Return the schema of an object with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def list_of(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def word(*words: str) -> Schema:
    """Return the schema of one of these words."""
    return {"type": "string", "enum": list(words)}


def ref(name: str) -> Schema:
    """Return a reference to the schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(name: str, **more: Schema) -> Schema:
    """Return the schema of a page of records. `more`: further keys."""
    extent = {"next": nullable(TEXT), "complete": FLAG, "looked_until": nullable(TIME)}
    return record(items=list_of(ref(name)), **extent, **more)


def with_screen(schema: Schema) -> Schema:
    """Return the schema of a record that may have the key `screen`."""
    return with_optional(schema, screen=OBJECT)


def with_optional(schema: Schema, **properties: Schema) -> Schema:
    """Return the schema of a record that may have these keys too."""
    return {**schema, "properties": {**schema["properties"], **properties}}


#: What differs in a delivery.
DIFF: Final = list_of(record(op=TEXT, path=TEXT, before=ANY, after=ANY))
