"""Finds the keys and words of a JSON Schema that a document does not use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

_CHOICES = ("anyOf", "oneOf", "allOf")


def find_unused(schema: Mapping[str, Any], document: Any) -> list[str]:
    """Return the places of keys and words in a schema that are nowhere in a document."""
    return sorted(
        {*_list_places(schema, schema, "#", [])} - {*_list_used(schema, schema, "#", document)}
    )


def _resolve(root: Mapping[str, Any], node: Mapping[str, Any], place: str) -> tuple[Any, str]:
    while "$ref" in node:
        place = node["$ref"]
        node = root
        for step in place.split("/")[1:]:
            node = node[step]
    return node, place


def _list_places(
    root: Mapping[str, Any], node: Mapping[str, Any], place: str, seen: list[str]
) -> Iterator[str]:
    """Yield the place of each key, and of each word that a value may be."""
    node, place = _resolve(root, node, place)
    if place in seen:
        return
    seen.append(place)
    for word in (*node.get("enum", ()), *([node["const"]] if "const" in node else ())):
        yield f"{place}={word}"
    for name, value in node.get("properties", {}).items():
        yield f"{place}.{name}"
        yield from _list_places(root, value, f"{place}.{name}", seen)
    for inner, value in _list_inner(node):
        yield from _list_places(root, value, f"{place}{inner}", seen)


def _list_inner(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the schemas of other values at, and in, the value of a schema."""
    for word in _CHOICES:
        yield from ((f"|{number}", value) for number, value in enumerate(node.get(word, ())))
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), Mapping):
            yield f"[{word}]", node[word]


def _list_used(
    root: Mapping[str, Any], node: Mapping[str, Any], place: str, value: Any
) -> Iterator[str]:
    """Yield the same of those that a value has."""
    node, place = _resolve(root, node, place)
    if isinstance(value, str | int) and value in (*node.get("enum", ()), node.get("const")):
        yield f"{place}={value}"
    keys = node.get("properties", {})
    if isinstance(value, Mapping):
        for name in keys.keys() & value.keys():
            yield f"{place}.{name}"
            yield from _list_used(root, keys[name], f"{place}.{name}", value[name])
    for inner, schema in _list_inner(node):
        if inner.startswith("|"):
            at = {"$defs": root.get("$defs", {}), **schema}
            values = [value] if Draft202012Validator(at).is_valid(value) else []
        elif inner == "[items]":
            values = value if isinstance(value, list) else []
        else:
            is_mapping = isinstance(value, Mapping)
            values = [value[name] for name in value if name not in keys] if is_mapping else []
        for one in values:
            yield from _list_used(root, schema, f"{place}{inner}", one)
