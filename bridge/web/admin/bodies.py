"""Bodies of requests to the admin API: read within limits, parsed, and checked by their schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final

import orjson
from werkzeug.wrappers import Request

from bridge.core.errors import Refused
from bridge.core.json_limits import exceeds_depth, exceeds_values
from bridge.core.json_pointers import escape_step
from bridge.core.typos import find_close_name
from bridge.routing.functions.signature import shorten, type_of
from bridge.routing.schemas.messages import Failure
from bridge.routing.schemas.validator import Validator, compile_schema
from bridge.web.admin import limits
from bridge.web.admin.problems import AdminProblem, BodyError, ParameterError
from bridge.web.admin.request_schemas import BODY_DEPTHS, REQUEST_SCHEMAS
from bridge.web.body_reader import BodyReader

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
MAX_KEY_CHARS: Final = 255
MEDIA_TYPE: Final = "application/json"
MAX_ERRORS: Final = 100  # of a body in an answer
MAX_SHOWN_CHARS: Final = 60  # of a value or a name of the body in a message
PROBLEMS_BY_STATUS: Final = {400: "malformed_body", 413: "too_large", 503: "busy"}


def receive_body(request: Request, reader: BodyReader, schema_name: str | None) -> bytes:
    """Return the bytes of a body of the right type, once they have arrived.

    Raises `AdminProblem`.
    """
    if schema_name is not None:
        _check_media_type(request)
    try:
        with reader.body(request.environ, limits.MAX_BODY_BYTES) as raw:
            return raw
    except Refused as error:
        raise AdminProblem(
            PROBLEMS_BY_STATUS[error.status], error.message, headers=error.headers
        ) from None


def parse_body(raw: bytes, schema_name: str | None) -> Any:
    """Return the value of a body, which its schema allows; without a schema it must be empty.

    Raises `AdminProblem` with all errors of the body.
    """
    if schema_name is None:
        return _check_empty(raw)
    body = _parse(raw, BODY_DEPTHS.get(schema_name, limits.MAX_BODY_DEPTH))
    check_body(body, schema_name)
    return body


def check_body(body: Any, schema_name: str) -> None:
    """Raise `AdminProblem` with every error of a body by its schema."""
    errors = find_errors(body, REQUEST_SCHEMAS[schema_name], _compile(schema_name))
    if errors:
        raise invalid_body(errors)


def find_errors(value: Any, document: Mapping[str, Any], validator: Validator) -> list[BodyError]:
    """Return the errors of a value by a schema, and by the validator that was made of it.

    At most `MAX_ERRORS`: a small body may have an error for each of its keys.
    """
    errors: dict[tuple[str, str], BodyError] = {}
    for failure in validator.failures(value):  # of missing keys, each names all
        for one in islice(_describe(failure, document), MAX_ERRORS):
            errors.setdefault((one.pointer, one.detail), one)
    found = errors.values() or _find_null_characters(value, "")
    return list(islice(found, MAX_ERRORS))


def invalid_body(errors: list[BodyError]) -> AdminProblem:
    """Return the problem of a body with these errors."""
    places = ", ".join(dict.fromkeys(one.pointer or "the body" for one in errors))
    return AdminProblem("invalid_body", f"not valid: {places}", errors=errors)


def to_pointer(*steps: str | int) -> str:
    """Return keys and indexes as a JSON pointer, with each name shortened."""
    return "".join("/" + escape_step(shorten(str(step), MAX_SHOWN_CHARS)) for step in steps)


@cache
def _compile(schema_name: str) -> Any:
    return compile_schema(REQUEST_SCHEMAS[schema_name], fast=False)


def _check_media_type(request: Request) -> None:
    encoding = request.headers.get("Content-Encoding", "identity")
    if request.mimetype != MEDIA_TYPE or encoding.lower() != "identity":
        raise AdminProblem(
            "unsupported_media_type", f"send `Content-Type: {MEDIA_TYPE}` and no Content-Encoding"
        )


def _check_empty(raw: bytes) -> None:
    if raw:
        raise AdminProblem("malformed_body", "send no body: this request takes none")


def _parse(raw: bytes, most_levels: int) -> Any:
    if exceeds_depth(raw, most_levels):
        raise AdminProblem("malformed_body", f"the JSON nests deeper than {most_levels} levels")
    if exceeds_values(raw):
        raise AdminProblem("malformed_body", "the JSON has too many values")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise AdminProblem("malformed_body", f"the body is not JSON: {error}") from None


def _find_null_characters(value: Any, pointer: str) -> Iterator[BodyError]:
    """Yield an error for each text with a null character, which no database stores."""
    if isinstance(value, str) and "\0" in value:
        yield BodyError(pointer, "it contains a null character")
    elif isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for step, one in items:
            yield from _find_null_characters(one, pointer + to_pointer(step))


def _describe(failure: Failure, document: Mapping[str, Any]) -> Iterator[BodyError]:
    """Yield the errors of a failed check, one for each name that is unknown or missing."""
    if failure.keyword == "required":
        for name in failure.names:
            yield BodyError(to_pointer(*failure.steps, name), "it is missing")
    elif failure.keyword == "additionalProperties":
        known = list(_find_schema(document, failure.steps).get("properties", ()))
        for name in failure.names:
            near = find_close_name(name[:MAX_SHOWN_CHARS], known)
            meant = f"; did you mean {near}?" if near else ""
            yield BodyError(
                to_pointer(*failure.steps, name), f"there is no such key{meant}", near, known
            )
    elif failure.keyword == "enum" and isinstance(failure.limit, list):
        allowed = [str(one) for one in failure.limit]
        near = find_close_name(_show(failure.value), allowed)
        detail = f"{_show(failure.value)!r} is not one of {', '.join(allowed)}"
        yield BodyError(to_pointer(*failure.steps), detail, near, allowed)
    else:
        write = _MESSAGES.get(failure.keyword)
        detail = write(failure) if write else f"it does not fit `{failure.keyword}`"
        yield BodyError(to_pointer(*failure.steps), detail)


def _find_schema(document: Mapping[str, Any], steps: tuple[str | int, ...]) -> Mapping[str, Any]:
    for step in steps:
        document = (
            document.get("items", {}) if isinstance(step, int) else document["properties"][step]
        )
    return document


def _show(value: Any) -> str:
    return shorten(value, MAX_SHOWN_CHARS) if isinstance(value, str) else type_of(value)


def _types(wanted: Any) -> str:
    return " or ".join([wanted] if isinstance(wanted, str) else wanted)


_MESSAGES: Final[Mapping[str, Callable[[Failure], str]]] = {
    "type": lambda one: f"it is of the type {type_of(one.value)}, not {_types(one.limit)}",
    "minimum": lambda one: f"it is less than {one.limit}",
    "maximum": lambda one: f"it is greater than {one.limit}",
    "minLength": lambda one: f"it has {len(one.value)} characters; allowed are {one.limit} or more",
    "maxLength": lambda one: f"it has {len(one.value)} characters; allowed are at most {one.limit}",
    "minItems": lambda one: f"it has {len(one.value)} items; allowed are {one.limit} or more",
    "maxItems": lambda one: f"it has {len(one.value)} items; allowed are at most {one.limit}",
    "uniqueItems": lambda _: "it has an item twice",
    "pattern": lambda one: f"it does not fit the pattern {one.limit}",
}


def read_key(request: Request) -> str | None:
    """Return the `Idempotency-Key` of a request, null without one. Raises `AdminProblem`."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not (
        0 < len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()
    ):
        error = ParameterError(
            IDEMPOTENCY_KEY, f"a key has 1 to {MAX_KEY_CHARS} printable ASCII characters"
        )
        raise AdminProblem("invalid_parameter", f"not valid: {IDEMPOTENCY_KEY}", errors=[error])
    return key
