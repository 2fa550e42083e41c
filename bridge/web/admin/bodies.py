"""Bodies of requests over HTTP: read within limits, and parsed."""

from __future__ import annotations

from typing import Any, Final

import orjson
from werkzeug.wrappers import Request

from bridge.api.bodies import RequestBody, check_body
from bridge.api.problems import ApiProblem, parameter_error
from bridge.core.errors import Refused
from bridge.core.json_values import exceeds_depth, exceeds_values
from bridge.web.admin import limits
from bridge.web.receiving.body_reader import BodyReader

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
MAX_KEY_CHARS: Final = 255
MEDIA_TYPE: Final = "application/json"
PROBLEMS_BY_STATUS: Final = {400: "malformed_body", 413: "too_large", 503: "busy"}


def receive_body(request: Request, reader: BodyReader, body: RequestBody | None) -> bytes:
    """Return the bytes of a body of the right type, once they have arrived.

    Raises `ApiProblem`.
    """
    if body is not None:
        _check_media_type(request)
    try:
        with reader.body(request.environ, limits.MAX_BODY_BYTES) as raw:
            return raw
    except Refused as error:
        raise ApiProblem(
            PROBLEMS_BY_STATUS[error.status], error.message, headers=error.headers
        ) from None


def parse_body(raw: bytes, body: RequestBody | None) -> Any:
    """Return the value of a body, which its schema allows; without a schema it must be empty.

    Raises `ApiProblem` with all errors of the body.
    """
    if body is None:
        return _check_empty(raw)
    value = _parse(raw, body.depth)
    check_body(value, body)
    return value


def _check_media_type(request: Request) -> None:
    encoding = request.headers.get("Content-Encoding", "identity")
    if request.mimetype != MEDIA_TYPE or encoding.lower() != "identity":
        raise ApiProblem(
            "unsupported_media_type", f"send `Content-Type: {MEDIA_TYPE}` and no Content-Encoding"
        )


def _check_empty(raw: bytes) -> None:
    if raw:
        raise ApiProblem("malformed_body", "send no body: this request takes none")


def _parse(raw: bytes, most_levels: int) -> Any:
    if exceeds_depth(raw, most_levels):
        raise ApiProblem("malformed_body", f"the JSON nests deeper than {most_levels} levels")
    if exceeds_values(raw):
        raise ApiProblem("malformed_body", "the JSON has too many values")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiProblem("malformed_body", f"the body is not JSON: {error}") from None


def read_key(request: Request) -> str | None:
    """Return the `Idempotency-Key` of a request, null without one. Raises `ApiProblem`."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not (
        0 < len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()
    ):
        error = parameter_error(
            IDEMPOTENCY_KEY, f"a key has 1 to {MAX_KEY_CHARS} printable ASCII characters"
        )
        raise ApiProblem("invalid_parameter", f"not valid: {IDEMPOTENCY_KEY}", errors=[error])
    return key
