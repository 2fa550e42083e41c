"""Form submissions: fields typed by the source's JSON Schema, and what is wrong with each. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bridge.model import JSON
from bridge.routes import Validator

_INTEGER = re.compile(r"[+-]?\d{1,18}\Z")
_NUMBER = re.compile(r"[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})([eE][+-]?\d{1,2})?\Z")
_TRUE = frozenset({"on", "true", "yes", "1"})  # "on" is what a browser sends for a ticked box
_FALSE = frozenset({"off", "false", "no", "0", ""})


def type_fields(fields: Mapping[str, JSON], schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return `fields` with each value as the type its schema names, where the text can be read as that type.

    What cannot be read stays text, and the schema then says so. A field that the schema wants as an array is a list even when
    it came once; an empty field that is not required is left out, as a form cannot leave a text field out.
    """
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return dict(fields)
    required = schema.get("required") or ()
    typed: dict[str, JSON] = {}
    for name, value in fields.items():
        wanted = _type_of(properties.get(name))
        if value == "" and name not in required and wanted != "string":
            continue
        typed[name] = _array(value, properties[name]) if wanted == "array" else _scalar(value, wanted)
    for name, rule in properties.items():
        if name not in fields and _type_of(rule) == "boolean" and name in required:
            typed[name] = False  # a box that is not ticked is not sent at all
    return typed


def _type_of(rule: Any) -> str | None:
    """The first type that is not null of a property's schema."""
    kinds = rule.get("type") if isinstance(rule, Mapping) else None
    if isinstance(kinds, list):
        kinds = next((kind for kind in kinds if kind != "null"), None)
    return kinds if isinstance(kinds, str) else None


def _array(value: JSON, rule: Mapping[str, Any]) -> list[JSON]:
    items = value if isinstance(value, list) else [value]
    return [_scalar(item, _type_of(rule.get("items"))) for item in items]


def _scalar(value: JSON, wanted: str | None) -> JSON:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if wanted == "integer" and _INTEGER.match(text):
        return int(text)
    if wanted == "number" and _NUMBER.match(text):
        return int(text) if _INTEGER.match(text) else float(text)
    if wanted == "boolean" and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    return value


def field_errors(fields: Mapping[str, JSON], schema: Validator) -> dict[str, str]:
    """Return what is wrong with each field, by its name; a fault that belongs to no field is under ``""``."""
    errors: dict[str, str] = {}
    for path, message in schema.errors(fields):
        missing = re.match(r"'([^']{1,200})' is a required property", message)
        name = missing[1] if missing and path == "$" else _first(path)
        errors.setdefault(name, "this field is required" if missing else message)
    return errors


def _first(path: str) -> str:
    """The top-level field that a JSON path such as `$.items[0]` or `$['first name']` leads into."""
    found = re.match(r"\$(?:\.([^.\[]+)|\['([^']+)'\])", path)
    return (found[1] or found[2]) if found else ""
