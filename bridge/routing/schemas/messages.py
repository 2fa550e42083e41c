"""Messages about invalid values, which quote only short values. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.routing.functions.signature import shorten, type_of

MAX_MESSAGE = 200  # characters
MAX_VALUE = 60  # characters of a value in a message
MAX_PATH = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed check: the path of the value, the keyword and its `limit`, and the value.

    `names`: the missing properties (`required`, `dependentRequired`) or the unknown ones
    (`additionalProperties`).
    """

    steps: tuple[str | int, ...]
    keyword: str
    limit: Any
    value: Any
    names: tuple[str, ...] = ()


def to_failure(error: Any) -> Failure:
    """Convert a jsonschema ValidationError; of alternatives, that of the nearest one."""
    keyword = error.validator or ""
    if keyword in ("anyOf", "oneOf") and error.context:
        if all(alternative.validator in ("const", "enum") for alternative in error.context):
            return Failure(tuple(error.absolute_path), "enum", None, error.instance)
        return to_failure(_nearest(error))
    names: list[str] = []
    if keyword == "required" and isinstance(error.validator_value, list):
        names = [name for name in error.validator_value if name not in error.instance]
    elif keyword == "dependentRequired":
        dependencies = (
            names for name, names in error.validator_value.items() if name in error.instance
        )
        names = [
            name for required in dependencies for name in required if name not in error.instance
        ]
    elif keyword == "additionalProperties" and "patternProperties" not in error.schema:
        names = [name for name in error.instance if name not in error.schema.get("properties", ())]
    return Failure(
        tuple(error.absolute_path), keyword, error.validator_value, error.instance, tuple(names)
    )


def describe(error: Any) -> tuple[str, str]:
    """Return (JSON path, message) of a jsonschema ValidationError."""
    write = _MESSAGES.get(error.validator)
    message = write(error) if write else str(error.message)
    if write is None and error.validator not in _OWN:
        message = f"does not fit `{error.validator}`" if error.validator else "is not allowed here"
    return json_path(error.absolute_path), shorten(message, MAX_MESSAGE)


def json_path(steps: Any) -> str:
    """Return keys and indexes as a JSON path: `$.items[0]['first name']`."""
    text = "$"
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,59}", step):
            text += f".{step}"
        else:
            name = shorten(step, MAX_VALUE).replace("\\", "\\\\").replace("'", "\\'")
            text += f"['{name}']"
    return shorten(text, MAX_PATH)


def _value(value: Any) -> str:
    """Return a short scalar as text; of anything else only the type."""
    if not isinstance(value, (list, dict)):
        text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
        if len(text) <= MAX_VALUE:
            return text
    return type_of(value)


def _values(values: Any) -> str:
    return ", ".join(_value(value) for value in values)


def _types(types: Any) -> str:
    return " or ".join([types] if isinstance(types, str) else types)


def _required(error: Any) -> str:
    match = re.match(r"'(.*)' is a required property", error.message, re.DOTALL)
    return (
        f"'{shorten(match[1], MAX_VALUE)}' is a required property"
        if match
        else "a required property is missing"
    )


def _nearest(error: Any) -> Any:
    """Return the error of the alternative that matches deepest."""
    return min(
        error.context,
        key=lambda alternative: (-len(alternative.absolute_path), str(alternative.schema_path)),
    )


def _alternatives(error: Any) -> str:
    if not error.context:
        return "fits more than one of the schemas of which it must fit one"
    path, message = describe(_nearest(error))
    here = json_path(error.absolute_path)
    return f"fits none of the allowed schemas; nearest: {message}" + (
        f" (at {path})" if path != here else ""
    )


# their messages are in `keywords`
_OWN = frozenset({"pattern", "additionalProperties", "uniqueItems"})
_MESSAGES: dict[str, Callable[[Any], str]] = {
    "type": lambda e: f"{_value(e.instance)} is not of type {_types(e.validator_value)}",
    "required": _required,
    "enum": lambda e: f"{_value(e.instance)} is not one of {_values(e.validator_value)}",
    "const": lambda e: f"{_value(e.instance)} is not {_value(e.validator_value)}",
    "format": lambda e: f"{_value(e.instance)} is not a valid {e.validator_value}",
    "minimum": lambda e: f"{_value(e.instance)} is less than the minimum of {e.validator_value}",
    "maximum": lambda e: f"{_value(e.instance)} is greater than the maximum of {e.validator_value}",
    "exclusiveMinimum": lambda e: f"{_value(e.instance)} is not greater than {e.validator_value}",
    "exclusiveMaximum": lambda e: f"{_value(e.instance)} is not less than {e.validator_value}",
    "multipleOf": lambda e: f"{_value(e.instance)} is not a multiple of {e.validator_value}",
    "minLength": lambda e: (
        f"is too short: {len(e.instance)} characters, at least {e.validator_value}"
    ),
    "maxLength": lambda e: (
        f"is too long: {len(e.instance)} characters, at most {e.validator_value}"
    ),
    "minItems": lambda e: f"has too few elements: {len(e.instance)}, at least {e.validator_value}",
    "maxItems": lambda e: f"has too many elements: {len(e.instance)}, at most {e.validator_value}",
    "minProperties": lambda e: (
        f"has too few properties: {len(e.instance)}, at least {e.validator_value}"
    ),
    "maxProperties": lambda e: (
        f"has too many properties: {len(e.instance)}, at most {e.validator_value}"
    ),
    "contains": lambda _: (
        "has no element, or not the right number of elements, that `contains` asks for"
    ),
    "dependentRequired": lambda _: "lacks a property that another of its properties requires",
    "unevaluatedProperties": lambda _: "has properties that no schema allows",
    "unevaluatedItems": lambda _: "has elements that no schema allows",
    "items": lambda _: "has more elements than are allowed",
    "additionalItems": lambda _: "has more elements than are allowed",
    "propertyNames": lambda _: "has a property whose name is not allowed",
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "not": lambda _: "fits a schema that it must not fit",
}
