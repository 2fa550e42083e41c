"""Errors of the API: one row for each type, answered as `application/problem+json`.

The format is RFC 9457: https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bridge.core.errors import BridgeError
from bridge.core.json_values import escape_step
from bridge.core.model import JSON
from bridge.core.scopes import Scope, explain_missing_scope
from bridge.routing.functions.signature import shorten
from bridge.services.records.json_record import (
    COUNT,
    NAME,
    NAME_OR_NULL,
    OWN_TEXT,
    OWN_TEXT_OR_NULL,
    JsonRecord,
    Key,
    ValueType,
    list_of,
    public,
    unparsed,
)

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:flowbridge:problem:"
MAX_SHOWN_CHARS: Final = 60  # of a value or a name of the body in a message


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A type of error: its word in `type`, its status and its title."""

    word: str
    status: int
    title: str


PROBLEM_TYPES: Final = {
    problem_type.word: problem_type
    for problem_type in (
        ProblemType("invalid_parameter", 400, "A parameter is not valid"),
        ProblemType("cursor_of_another_list", 400, "The cursor belongs to another list"),
        ProblemType("malformed_body", 400, "The body cannot be read"),
        ProblemType("invalid_body", 400, "The body is not valid"),
        ProblemType("unauthorized", 401, "The token is missing, unknown, expired or removed"),
        ProblemType("missing_scope", 403, "The token lacks a scope"),
        ProblemType("not_found", 404, "There is no such resource"),
        ProblemType("method_not_allowed", 405, "The method is not allowed"),
        ProblemType("not_acceptable", 406, "The resource has no such representation"),
        ProblemType("ambiguous_id", 409, "Several records match the id"),
        ProblemType("operation_conflict", 409, "The state of the operation does not allow this"),
        ProblemType("count_changed", 409, "Another number of items matches"),
        ProblemType("idempotency_key_reused", 409, "The key belongs to another request"),
        ProblemType("outcome_unknown", 409, "Whether the first request did anything is not known"),
        ProblemType("too_large", 413, "The body is too large"),
        ProblemType("unsupported_media_type", 415, "The body has another media type"),
        ProblemType("rate_limited", 429, "There were too many requests"),
        ProblemType("internal_error", 500, "An unexpected error occurred"),
        ProblemType("platform_failed", 502, "The platform gave no usable answer"),
        ProblemType("busy", 503, "All places for readers are taken"),
        ProblemType("store_unavailable", 503, "The store cannot be read"),
    )
}

TOO_MANY_WAIT: Final = "too many requests wait for a platform, for changes or for a slow reader"


@dataclass(frozen=True, slots=True)
class InvalidValue:
    """An error of one value of a request.

    `parameter`: its name, or `pointer`: its place in the body, as in RFC 6901. `near`: the value
    that was probably meant. `allowed`: the values that are allowed.
    """

    parameter: str | None
    pointer: str | None
    detail: str
    near: str | None = None
    allowed: Sequence[str | int] = ()


def parameter_error(
    parameter: str, detail: str, near: str | None = None, allowed: Sequence[str] = ()
) -> InvalidValue:
    """Return the error of a parameter."""
    return InvalidValue(parameter, None, detail, near, allowed)


def body_error(
    pointer: str, detail: str, near: str | None = None, allowed: Sequence[str | int] = ()
) -> InvalidValue:
    """Return the error of a value of the body."""
    return InvalidValue(None, pointer, detail, near, allowed)


class ApiProblem(BridgeError):
    """An error that the admin API answers. `detail` never quotes a payload or a token."""

    def __init__(
        self,
        word: str,
        detail: str,
        *,
        errors: Sequence[InvalidValue] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.type = PROBLEM_TYPES[word]
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        super().__init__(f"{word}: {detail}")

    def as_json(self, request_id: str) -> dict[str, JSON]:
        """Return the body of the answer."""
        return PROBLEM.write(self, instance=request_id)


_VALUES: Final = list_of(public(ValueType({"type": ["string", "integer"]})))
_INVALID_VALUE: Final = JsonRecord(
    "",
    InvalidValue,
    Key("param", NAME_OR_NULL, "parameter"),
    Key("pointer", NAME_OR_NULL),
    Key("detail", OWN_TEXT),
    Key("near", OWN_TEXT_OR_NULL),
    Key("allowed", _VALUES),
)
PROBLEM: Final[JsonRecord[ApiProblem]] = JsonRecord(
    "Problem",
    unparsed,
    Key("type", NAME, get=lambda problem: f"{TYPE_PREFIX}{problem.type.word}"),
    Key("title", OWN_TEXT, get=attrgetter("type.title")),
    Key("status", COUNT, get=attrgetter("type.status")),
    Key("detail", OWN_TEXT),
    Key("instance", NAME, is_given=True),
    Key("errors", list_of(_INVALID_VALUE.type)),
)


def invalid_body(errors: Sequence[InvalidValue]) -> ApiProblem:
    """Return the problem of a body with these errors."""
    places = ", ".join(dict.fromkeys(error.pointer or "the body" for error in errors))
    return ApiProblem("invalid_body", f"not valid: {places}", errors=errors)


def to_pointer(*steps: str | int) -> str:
    """Return keys and indexes as a JSON pointer, with each name shortened."""
    return "".join("/" + escape_step(shorten(str(step), MAX_SHOWN_CHARS)) for step in steps)


def report_busy(detail: str, retry_seconds: int = 1) -> ApiProblem:
    """Return the problem of a place that is taken, with the seconds after which to try again."""
    return ApiProblem("busy", detail, headers={"Retry-After": str(retry_seconds)})


def report_missing_scope(subject: str, scope: Scope, held_scopes: Iterable[Scope]) -> ApiProblem:
    """Return the problem of a token that has only the scopes `held_scopes`."""
    return ApiProblem("missing_scope", explain_missing_scope(subject, scope, held_scopes))
