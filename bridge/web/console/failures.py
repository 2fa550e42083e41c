"""The errors of the console, as its error pages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from werkzeug.exceptions import HTTPException

from bridge.api.problems import ApiProblem
from bridge.core.errors import InvalidRequest, StoreError
from bridge.system.logs import get_logger

log = get_logger()

#: The heading of an error page, by its status.
HEADINGS: Final[Mapping[int, str]] = {
    400: "This request is not valid",
    401: "You are not logged in",
    403: "This is not permitted",
    404: "There is no such page",
    405: "This method is not allowed",
    409: "Several records match",
    413: "This request is too large",
    429: "Too many requests",
    502: "The platform gave no usable answer",
    503: "flowbridge is busy",
}
#: What a person can do, where the error itself has no more to say.
ADVICE: Final[Mapping[int, str]] = {
    404: "The search above finds a record by its id, or by the beginning of it.",
    413: "A form of the console has at most 64 KiB, and the text of the playground 1 MiB.",
}
OTHER_HEADING: Final = "An unexpected error occurred"
STORE_HEADING: Final = "The store cannot be read"
#: The heading of a problem of the admin API that is not that of its status.
HEADINGS_BY_WORD: Final[Mapping[str, str]] = {
    "store_unavailable": STORE_HEADING,
    "operation_conflict": "The operation does not allow this now",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error: its status, a heading and a sentence, and `details`, a line each.

    `is_retried`: its page tries again by itself, as far as it has a script.
    """

    status: int
    detail: str
    heading: str = ""
    details: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    is_retried: bool = False

    @property
    def title(self) -> str:
        """The heading of its page."""
        return self.heading or HEADINGS.get(self.status, OTHER_HEADING)

    @property
    def is_temporary(self) -> bool:
        """Whether the same request can succeed a little later."""
        return self.status == 503


class PageRefused(Exception):
    """A request that the console does not answer with its page."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.detail)


def refuse(status: int, detail: str, headers: Mapping[str, str] | None = None) -> PageRefused:
    """Return the exception for a status with a sentence."""
    return PageRefused(Failure(status=status, detail=detail, headers=dict(headers or {})))


def find_failure(error: Exception, request_id: str) -> Failure:
    """Return what an error page shows of an exception; unforeseen ones are logged."""
    if isinstance(error, PageRefused):
        return error.failure
    if isinstance(error, ApiProblem):
        return Failure(
            status=error.type.status,
            heading=HEADINGS_BY_WORD.get(error.type.word, ""),
            detail=as_sentence(error.detail),
            details=[
                invalid_value.detail
                for invalid_value in error.errors
                if invalid_value.detail != error.detail
            ],
            headers=error.headers,
            is_retried=error.type.word == "store_unavailable",
        )
    if isinstance(error, InvalidRequest):
        return Failure(status=400, detail=as_sentence(str(error)))
    if isinstance(error, StoreError):
        log.limited().error("console_request_failed", id=request_id, error=str(error))
        return Failure(
            status=503,
            heading=STORE_HEADING,
            detail="flowbridge status shows why.",
            headers={"Retry-After": "1"},
            is_retried=True,
        )
    if isinstance(error, HTTPException) and error.code is not None:
        return Failure(status=error.code, detail=ADVICE.get(error.code, ""))
    log.limited().error("internal_error", exc_info=error, id=request_id)
    return Failure(status=500, detail=f"The log has the details, with the request {request_id}.")


def as_sentence(text: str) -> str:
    """Return a text with a full stop, and a capital letter unless it begins with a name."""
    first = text.partition(" ")[0].rstrip(",:")
    is_word = first.isalpha() and first != "flowbridge"
    text = text[:1].upper() + text[1:] if is_word else text
    return text if text.endswith((".", "?", "!", ":")) else f"{text}."
