"""Input schemas of tools, and requests from arguments: made from rows of the table of endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.api.bodies import find_errors
from bridge.api.endpoint import Endpoint
from bridge.api.parameters import BEFORE, LIMIT, SCREEN, Parameter
from bridge.api.problems import InvalidValue
from bridge.cli.agents.proposals import RefusedCall
from bridge.cli.bridge.request_parts import quote_id
from bridge.cli.bridge.transport import Query
from bridge.core.json_values import write_json
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.routing.schemas.validator import compile_schema
from bridge.services.records.json_schema import Schema
from bridge.web.admin.openapi import PART_DOC, find_path_parts

PAGE_ITEMS: Final = 20  # of a list, by default: less than for programs
MAX_ARGUMENTS_BYTES: Final = 512 * 1024
MAX_PART_CHARS: Final = 200  # of an id or a name
SKIP: Final = "skip"
FLAG_WORDS: Final = ["true", "false"]
NAME_DOC: Final = "The name, as the list has it."
_SKIP: Final[Schema] = {
    "type": "integer",
    "description": "Leave out so many items at the beginning: for those that an answer cut off.",
    "minimum": 0,
    "default": 0,
}
#: JSON type -> the keywords that only concern it.
_KEYWORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "array": ("items", "minItems", "maxItems"),
    "string": ("minLength", "maxLength"),
    "object": ("properties", "required", "additionalProperties"),
}


def build_schema(endpoint: Endpoint, scopes: frozenset[Scope], *, is_list: bool) -> Schema:
    """Return the schema of the arguments of an endpoint.

    Parameters that the scopes do not permit are left out. `is_list`: the answer has `items`.
    """
    parts = find_path_parts(endpoint.path)
    properties = {name: _describe_part(name) for name in parts}
    required = list(parts)
    for parameter in shown_parameters(endpoint, scopes):
        properties[parameter.name] = _describe(parameter)
        required += [parameter.name] * parameter.is_required
    if endpoint.body is not None:
        body = endpoint.body.schema
        properties |= body["properties"]
        required += body["required"]
    if is_list and not has_cursor(endpoint):
        properties[SKIP] = _SKIP
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def shown_parameters(endpoint: Endpoint, scopes: frozenset[Scope]) -> list[Parameter]:
    """Return the parameters that an agent may use."""
    return [
        parameter
        for parameter in endpoint.parameters
        if parameter.name != SCREEN.name
        and not (parameter.reads_contents and Scope.BODIES not in scopes)
    ]


def has_cursor(endpoint: Endpoint) -> bool:
    """Return whether the list of an endpoint goes on behind any record that is named."""
    names = {parameter.name for parameter in endpoint.parameters}
    return endpoint.streams and BEFORE.name in names


def check_arguments(schema: Schema, arguments: Mapping[str, JSON]) -> None:
    """Raise `RefusedCall` with every error of the arguments, and what was probably meant."""
    if len(write_json(dict(arguments))) > MAX_ARGUMENTS_BYTES:
        raise RefusedCall(f"Refused: the arguments have more than {MAX_ARGUMENTS_BYTES:,} bytes.")
    errors = find_errors(arguments, schema, compile_schema(schema, fast=False))
    if errors:
        details = "; ".join(_describe_error(error) for error in errors)
        allowed = ", ".join(schema["properties"]) or "none"
        raise RefusedCall(f"Refused: {details}. The arguments of this tool: {allowed}.")


def write_path(endpoint: Endpoint, arguments: Mapping[str, JSON]) -> str:
    """Return the path of a request, with the ids of the arguments."""
    path = endpoint.path
    for name in find_path_parts(path):
        path = path.replace(f"{{{name}}}", quote_id(str(arguments[name])))
    return path


def write_query(endpoint: Endpoint, arguments: Mapping[str, JSON]) -> Query:
    """Return the query of a request; a list has few items by default."""
    query: Query = []
    for parameter in endpoint.parameters:
        value = arguments.get(parameter.name, PAGE_ITEMS if parameter.name == LIMIT.name else None)
        for text in value if isinstance(value, list) else [value]:
            if text is not None:
                query.append((parameter.name, _write_value(text)))
    return query


def write_body(endpoint: Endpoint, arguments: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the body of a request."""
    parts = find_path_parts(endpoint.path)
    return {name: value for name, value in arguments.items() if name not in parts}


def write_portable_schema(schema: Schema) -> Schema:
    """Return a schema with one type for each value, as clients of some models need it.

    Several types become `anyOf`, each with the keywords that belong to it.
    """
    written = {key: _write_part(key, value) for key, value in schema.items()}
    types = written.get("type")
    if not isinstance(types, list):
        return written
    parts = [{"type": type_name} | _keywords_of(type_name, written) for type_name in types]
    taken = {key for part in parts for key in part}
    return {"anyOf": parts} | {key: value for key, value in written.items() if key not in taken}


def _write_part(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: write_portable_schema(schema) for name, schema in value.items()}
    if key == "anyOf":
        return [write_portable_schema(schema) for schema in value]
    is_schema = key in ("items", "additionalProperties") and isinstance(value, dict)
    return write_portable_schema(value) if is_schema else value


def _keywords_of(kind: str, schema: Schema) -> Schema:
    return {key: schema[key] for key in _KEYWORDS.get(kind, ()) if key in schema}


def _describe_error(error: InvalidValue) -> str:
    detail = f"{(error.pointer or '').removeprefix('/') or 'the arguments'}: {error.detail}"
    meant = f"did you mean {error.near}?"
    return detail if error.near is None or meant in detail else f"{detail}; {meant}"


def _describe_part(name: str) -> Schema:
    return {
        "type": "string",
        "description": PART_DOC if name == "id" else NAME_DOC,
        "minLength": 1,
        "maxLength": MAX_PART_CHARS,
    }


def _write_value(value: Any) -> str:
    """Return the text of a value. Raises `UnicodeError` for one that cannot be sent."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text.encode()
    return text


def _describe(parameter: Parameter) -> Schema:
    schema: Schema = dict(parameter.schema)
    if schema.get("enum") == FLAG_WORDS:
        schema = {"type": "boolean"}
    if parameter.name == LIMIT.name:
        schema["default"] = min(PAGE_ITEMS, schema["maximum"])
    if parameter.max_count > 1:
        schema["maxItems"] = parameter.max_count
    return {"description": parameter.doc, **schema}
