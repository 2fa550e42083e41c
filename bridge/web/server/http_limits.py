"""Limits and error answers of HTTP, which are the same on every edge."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

#: The limits of a request head, as gunicorn names them.
HEAD_LIMITS: Final[Mapping[str, int]] = {
    "limit_request_line": 8190,
    "limit_request_fields": 100,
    "limit_request_field_size": 8190,
}
#: Parse errors that are not answered with 400, by the names of their classes in every parser.
PARSE_ERROR_STATUSES: Final[Mapping[str, HTTPStatus]] = {
    "LimitRequestLine": HTTPStatus.REQUEST_URI_TOO_LONG,
    "LimitRequestHeaders": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "UnsupportedTransferCoding": HTTPStatus.NOT_IMPLEMENTED,
    "ExpectationFailed": HTTPStatus.EXPECTATION_FAILED,
}
#: The answer to malformed HTTP; it has nothing of the request.
MALFORMED_REQUEST: Final = b'{"error":"bad_request","message":"malformed HTTP request"}'
HEARTBEAT_SECONDS: Final = 0.9  # between two heartbeats for the parent, which expects one a second
LINGER_SECONDS: Final = 2.0  # for a peer to close its end after the answer
# bytes that are still read from a peer: a whole refused body, so that the answer arrives
LINGER_BYTES: Final = 32 * 1024 * 1024
