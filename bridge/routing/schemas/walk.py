"""Walk a JSON Schema: its subschemas, references and identifiers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urldefrag, urljoin

from bridge.core.errors import CompileError

Path = tuple[str | int, ...]

_ONE = frozenset(
    [
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    ]
)
_LIST = frozenset(["allOf", "anyOf", "items", "oneOf", "prefixItems"])
_MAP = frozenset(
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"]
)
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
MAX_PARTS = 20_000  # schemas within one document
MAX_DEPTH = 60


def iterate_schemas(
    document: Any, path: Path = (), base: str = ""
) -> Iterator[tuple[Path, dict[str, Any], str]]:
    """Yield (path, schema, base URI) of `document` and its subschemas.

    Raises CompileError if it is too big.
    """
    stack: list[tuple[Path, Any, str]] = [(path, document, base)]
    count = 0
    while stack:
        path, schema, base = stack.pop()
        if not isinstance(schema, dict):
            continue
        count += 1
        if count > MAX_PARTS or len(path) > 2 * MAX_DEPTH:
            raise CompileError([(path[: 2 * MAX_DEPTH], "the schema is too big or nests too deep")])
        if isinstance(schema.get("$id"), str):
            base = urljoin(base, schema["$id"])
        yield path, schema, base
        for key, value in schema.items():
            if key in _ONE and isinstance(value, dict):
                stack.append(((*path, key), value, base))
            elif key in _LIST and isinstance(value, list):
                stack.extend(((*path, key, index), each, base) for index, each in enumerate(value))
            elif key in _MAP and isinstance(value, dict):
                stack.extend(((*path, key, name), each, base) for name, each in value.items())


def iterate_references(document: Any, base: str) -> Iterator[tuple[Path, str, str]]:
    """Yield (path, reference, absolute URI without fragment) of every reference."""
    for path, schema, here in iterate_schemas(document, base=base):
        for key in REFERENCES:
            if isinstance(schema.get(key), str):
                yield (*path, key), schema[key], urldefrag(urljoin(here, schema[key]))[0]


def find_identifiers(document: Any, base: str) -> set[str]:
    """Return the absolute URIs of the `$id`s in `document`."""
    return {
        urldefrag(here)[0]
        for _, schema, here in iterate_schemas(document, base=base)
        if isinstance(schema.get("$id"), str)
    }
