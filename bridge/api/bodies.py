"""Bodies of requests: the rows that describe them, and the check by their JSON Schema.

A body has no keys but those of its schema. References to other schemas are not followed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.api.parameters import MAX_NAME_CHARS, Parameter
from bridge.api.problems import MAX_SHOWN_CHARS, InvalidValue, body_error, invalid_body, to_pointer
from bridge.core.typos import find_close_name
from bridge.routing.functions.signature import shorten, type_of
from bridge.services.records.json_schema import Schema

if TYPE_CHECKING:
    from bridge.routing.schemas.messages import Failure
    from bridge.routing.schemas.validator import Validator

MAX_DEPTH: Final = 20
MAX_FILTER_CHARS: Final = 1000
MAX_ERRORS: Final = 100  # of a body in an answer
MAX_CONFIG_FILES: Final = 50
#: Headers of the answer to a request that was sent before with its `Idempotency-Key`.
REPLAYED: Final = {"Idempotent-Replayed": "true"}

#: The other files of a routes.yaml that is sent.
CONFIG_FILES: Final[Schema] = {
    "type": "object",
    "description": "The other files, by their path under the folder of routes.yaml.",
    "additionalProperties": {"type": "string"},
    "maxProperties": MAX_CONFIG_FILES,
}


@dataclass(frozen=True, slots=True, eq=False)
class RequestBody:
    """The body that a request has: its name in the OpenAPI document, its schema, and how deep it
    may nest.
    """

    name: str
    schema: Schema
    depth: int = MAX_DEPTH


def body_schema(*required: str, **properties: Schema) -> Schema:
    """Return the schema of an object with these keys, of which some are required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def text(max_chars: int = MAX_NAME_CHARS) -> Schema:
    """Return the schema of a text that is not empty."""
    return {"type": "string", "minLength": 1, "maxLength": max_chars}


def texts(max_items: int) -> Schema:
    """Return the schema of a list of at most so many texts."""
    return {"type": "array", "items": text(), "maxItems": max_items}


def filters_schema(filters: tuple[Parameter, ...]) -> Schema:
    """Return the schema of an object with these filters of a list."""
    return body_schema(**{parameter.name: _filter(parameter) for parameter in filters})


def _filter(parameter: Parameter) -> Schema:
    if parameter.max_count == 1:
        return {**text(MAX_FILTER_CHARS), "description": parameter.doc}
    return {
        "type": ["string", "array"],
        "description": parameter.doc,
        "items": text(MAX_FILTER_CHARS),
        "maxItems": parameter.max_count,
    }


def check_body(value: Any, body: RequestBody) -> None:
    """Raise `ApiProblem` with every error of a body by its schema."""
    errors = find_errors(value, body.schema, _compile(body))
    if errors:
        raise invalid_body(errors)


def digest_body(body: Any) -> str:
    """Return a digest of a body, the same for each order of its keys."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def find_errors(
    value: Any, document: Mapping[str, Any], validator: Validator
) -> list[InvalidValue]:
    """Return the errors of a value by a schema, and by the validator that was made of it.

    At most `MAX_ERRORS`: a small body may have an error for each of its keys.
    """
    errors: dict[tuple[str | None, str], InvalidValue] = {}
    for failure in validator.failures(value):  # of missing keys, each names all
        for error in islice(_describe(failure, document), MAX_ERRORS):
            errors.setdefault((error.pointer, error.detail), error)
    reported = errors.values() or _find_null_characters(value, "")
    return list(islice(reported, MAX_ERRORS))


@cache
def _compile(body: RequestBody) -> Validator:
    from bridge.routing.schemas.validator import compile_schema  # only requests with a body need it

    return compile_schema(body.schema, fast=False)


def _find_null_characters(value: Any, pointer: str) -> Iterator[InvalidValue]:
    """Yield an error for each text with a null character, which no database stores."""
    if isinstance(value, str) and "\0" in value:
        yield body_error(pointer, "it contains a null character")
    elif isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for step, member in items:
            yield from _find_null_characters(member, pointer + to_pointer(step))


def _describe(failure: Failure, document: Mapping[str, Any]) -> Iterator[InvalidValue]:
    """Yield the errors of a failed check, one for each name that is unknown or missing."""
    if failure.keyword == "required":
        for name in failure.names:
            yield body_error(to_pointer(*failure.steps, name), "it is missing")
    elif failure.keyword == "additionalProperties":
        property_names = list(_find_schema(document, failure.steps).get("properties", ()))
        for name in failure.names:
            near = find_close_name(name[:MAX_SHOWN_CHARS], property_names)
            meant = f"; did you mean {near}?" if near else ""
            yield body_error(
                to_pointer(*failure.steps, name),
                f"there is no such key{meant}",
                near,
                property_names,
            )
    elif failure.keyword == "enum" and isinstance(failure.limit, list):
        allowed = [str(choice) for choice in failure.limit]
        near = find_close_name(_show(failure.value), allowed)
        detail = f"{_show(failure.value)!r} is not one of {', '.join(allowed)}"
        yield body_error(to_pointer(*failure.steps), detail, near, allowed)
    else:
        write = _MESSAGES.get(failure.keyword)
        detail = write(failure) if write else f"it does not fit `{failure.keyword}`"
        yield body_error(to_pointer(*failure.steps), detail)


def _find_schema(document: Mapping[str, Any], steps: tuple[str | int, ...]) -> Mapping[str, Any]:
    for step in steps:
        document = (
            document.get("items", {}) if isinstance(step, int) else document["properties"][step]
        )
    return document


def _show(value: Any) -> str:
    return shorten(value, MAX_SHOWN_CHARS) if isinstance(value, str) else type_of(value)


def _types(expected: Any) -> str:
    return " or ".join([expected] if isinstance(expected, str) else expected)


_MESSAGES: Final[Mapping[str, Callable[[Failure], str]]] = {
    "type": lambda failure: (
        f"it is of the type {type_of(failure.value)}, not {_types(failure.limit)}"
    ),
    "minimum": lambda failure: f"it is less than {failure.limit}",
    "maximum": lambda failure: f"it is greater than {failure.limit}",
    "minLength": lambda failure: (
        f"it has {len(failure.value)} characters; allowed are {failure.limit} or more"
    ),
    "maxLength": lambda failure: (
        f"it has {len(failure.value)} characters; allowed are at most {failure.limit}"
    ),
    "minItems": lambda failure: (
        f"it has {len(failure.value)} items; allowed are {failure.limit} or more"
    ),
    "maxItems": lambda failure: (
        f"it has {len(failure.value)} items; allowed are at most {failure.limit}"
    ),
    "uniqueItems": lambda _: "it has an item twice",
    "pattern": lambda failure: f"it does not fit the pattern {failure.limit}",
}
