"""Errors that a server answered: those of the admin API, and those of anything else. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bridge.core.errors import BridgeError, InvalidRequest, NotFound
from bridge.core.http_messages import Answer

MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024  # an event has a body of at most 25 MiB, escaped
MAX_DETAIL_CHARS: Final = 2000  # of an error of the server that are shown


class ServerError(BridgeError):
    """The server could not be reached, refused the request, or is no bridge."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error that the server answered: the word of its type, and its sentence.

    `is_own`: the sentence is that which the command prints on the bridge's own machine. `hints`:
    what was probably meant, and what is allowed.
    """

    word: str
    detail: str
    is_own: bool = False
    hints: tuple[str, ...] = ()

    def make_error(self, lead: str = "") -> BridgeError:
        """Return the exception of a command, with the hints as its notes, which are not printed.

        `lead` stands before a sentence that is about the form of a request.
        """
        if self.word in ("not_found", "ambiguous_id"):
            error: BridgeError = NotFound(self.detail)
        elif self.word in ("invalid_parameter", "cursor_of_another_list", "invalid_body"):
            error = InvalidRequest(self.detail if self.is_own else lead + self.detail)
        else:
            error = BridgeError(self.detail)
        return self.add_hints(error)

    def add_hints(self, error: BridgeError) -> BridgeError:
        """Return an exception with the hints as its notes."""
        for hint in self.hints:
            error.add_note(hint)
        return error


def read_problem(answer: Answer) -> Problem | None:
    """Return the error of the admin API, None where something else answered."""
    try:
        document = None if answer.truncated else orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    return describe_problem(document)


def describe_problem(document: Any) -> Problem | None:
    """Return the error of the API in a JSON document, None where it is none."""
    try:
        word = str(document["type"]).rpartition(":")[2]
        sentence = str(document["detail"])
        listed = document.get("errors") or ()
        errors = [(_place(error), str(error["detail"])) for error in listed]
        hints = tuple(hint for error in listed for hint in _list_hints(error))
    except (KeyError, TypeError, AttributeError):
        return None
    if not errors or (len(errors) == 1 and _is_own(sentence, *errors[0])):
        return Problem(word, (errors[0][1] if errors else sentence)[:MAX_DETAIL_CHARS], True, hints)
    details = "; ".join(f"{place}: {detail}" for place, detail in errors)
    lead = "not valid" if sentence.startswith("not valid: ") else sentence  # it names the places
    return Problem(word, f"{lead}: {details}"[:MAX_DETAIL_CHARS], hints=hints)


def _list_hints(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was probably meant by the value of an error, and what is allowed."""
    if error.get("near"):
        yield f"{_place(error)}: did you mean {error['near']}?"[:MAX_DETAIL_CHARS]
    if error.get("allowed"):
        allowed = ", ".join(str(value) for value in error["allowed"])
        yield f"{_place(error)}: allowed are {allowed}"[:MAX_DETAIL_CHARS]


def _place(error: Mapping[str, Any]) -> str:
    """Return the parameter of an error, or its place in the body."""
    return str(error.get("param") or error.get("pointer"))


def _is_own(sentence: str, place: str, detail: str) -> bool:
    """Return whether an error is a sentence about names, and not about the form of a request."""
    return detail == sentence or place.startswith(("/filters/", "/how/"))


def explain_status(answer: Answer) -> str:
    """Return why an answer of something else than the admin API is no use."""
    if 300 <= answer.status < 400:
        return (
            f"answered {answer.status}, a redirect, which is not followed: the token goes to no"
            " other address"
        )
    if answer.status == 404:
        return (
            "has no admin API: it is served on the private listener, which has port 8081 if"
            " flowbridge runs as a service"
        )
    if answer.status == 421:
        return (
            "does not accept this host name: add it to FLOWBRIDGE_CONSOLE_HOSTS of the bridge, or"
            " use an SSH tunnel"
        )
    return f"answered {answer.status}"
