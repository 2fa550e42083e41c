"""Form submissions: fields typed by the source's JSON Schema. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bridge.core.model import JSON

_INTEGER = re.compile(r"[+-]?\d{1,18}\Z")
_NUMBER = re.compile(r"[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})([eE][+-]?\d{1,2})?\Z")
_TRUE = frozenset({"on", "true", "yes", "1"})  # "on" is what a browser sends for a ticked box
_FALSE = frozenset({"off", "false", "no", "0", ""})

_BY_VALUE = {bool: "boolean", int: "integer", float: "number", str: "string"}


def type_fields(fields: Mapping[str, JSON], schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return `fields` with each text converted to the type in the schema.

    A text that cannot be converted stays a text, which the schema then rejects. A field of type
    array is a list even if it was sent once. An empty field that is not required is left out:
    browsers send empty text fields.
    """
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return dict(fields)
    required = schema.get("required") or ()
    typed: dict[str, JSON] = {}
    for name, value in fields.items():
        field_type = _type_of(properties.get(name))
        if (
            value == ""
            and name not in required
            and (field_type != "string" or _rejects_empty(properties[name]))
        ):
            continue
        typed[name] = _typed(value, properties.get(name))
    for name, rule in properties.items():
        if name not in fields and _type_of(rule) == "boolean" and name in required:
            typed[name] = False  # browsers do not send a box that is not ticked
    return typed


def _rejects_empty(rule: Mapping[str, Any]) -> bool:
    """Return whether the schema of a text rejects an empty one; then empty means no answer."""
    return (
        any(word in rule for word in ("format", "pattern", "enum", "const"))
        or rule.get("minLength", 0) > 0
    )


def _type_of(rule: Any) -> str | None:
    """Return the first type other than null in a property's schema.

    Without `type`, return the type of its `const` or `enum` values.
    """
    kinds = rule.get("type") if isinstance(rule, Mapping) else None
    if kinds is None and isinstance(rule, Mapping):
        listed = rule.get("enum", [rule["const"]] if "const" in rule else [])
        types = {type(constant) for constant in listed} if isinstance(listed, list) else set()
        return _BY_VALUE.get(types.pop()) if len(types) == 1 else None
    if isinstance(kinds, list):
        kinds = next((kind for kind in kinds if kind != "null"), None)
    return kinds if isinstance(kinds, str) else None


def _typed(value: JSON, rule: Any) -> JSON:
    field_type = _type_of(rule)
    if field_type == "array":
        return [
            _typed(item, rule.get("items"))
            for item in (value if isinstance(value, list) else [value])
        ]
    if field_type == "object" and isinstance(value, dict):
        return type_fields(value, rule)
    return _scalar(value, field_type)


def file_fields(properties: Mapping[str, JSON]) -> list[str]:
    """Return the properties that are files: `format: binary`, alone or as items of an array."""
    items = {
        name: rule.get("items") if _type_of(rule) == "array" else rule
        for name, rule in properties.items()
    }
    return [
        name
        for name, rule in items.items()
        if isinstance(rule, Mapping) and rule.get("format") == "binary"
    ]


def _scalar(value: JSON, field_type: str | None) -> JSON:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if field_type == "integer" and _INTEGER.match(text):
        return int(text)
    if field_type == "number" and _NUMBER.match(text):
        return int(text) if _INTEGER.match(text) else float(text)
    if field_type == "boolean" and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    return value
