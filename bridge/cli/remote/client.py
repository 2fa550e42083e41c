"""A client of the admin API of a bridge. It follows no redirects and uses no proxy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import orjson

from bridge import __version__
from bridge.cli.bridge.transport import PAGE_ITEMS, Query, Shape, follow_pages
from bridge.cli.remote.server_problems import (
    MAX_ANSWER_BYTES,
    Problem,
    ServerError,
    explain_status,
    read_problem,
)
from bridge.cli.remote.server_url import API_PATH, ServerUrl, is_loopback
from bridge.core.advice import name_command
from bridge.core.errors import BridgeError, InvalidRequest
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import JSON
from bridge.services.operations.execution import name_actor
from bridge.services.records.json_record import UNREADABLE, UnreadableAnswer
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient, OpenAnswer

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import OperationDriver
    from bridge.services.exports import SubmissionList

TIMEOUT_SECONDS: Final = 60.0  # of one request
MIN_WAIT_SECONDS: Final = 1.0  # before a request is sent again
MAX_WAIT_SECONDS: Final = 60.0  # of all waits for one answer, as Retry-After asks
MAX_PROBLEM_BYTES: Final = 64 * 1024
WAIT_STATUSES: Final = (429, 503)
LONG_WAIT_SECONDS: Final = 3.0  # that are said
STREAM_WAIT_SECONDS: Final = 300.0  # for the next record: a search may read much between two
NDJSON: Final = "application/x-ndjson"
#: Problems whose sentence is for the person who gave the command.
KNOWN_PROBLEMS: Final = (
    "not_found",
    "ambiguous_id",
    "invalid_parameter",
    "cursor_of_another_list",
    "invalid_body",
    "platform_failed",
)
ACTOR_VARIABLE: Final = "FLOWBRIDGE_ACTOR"


class AdminClient:
    """Asks the admin API of one bridge, with one token that goes to no other host.

    `next_step`: what to do where the token is refused, None for a login. `actor_prefix` stands
    before the name of the actor that is recorded with a change.
    """

    poll_seconds = 1.0

    def __init__(
        self,
        server: ServerUrl,
        token: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = lambda _: None,
        next_step: str | None = None,
        actor_prefix: str = "",
    ) -> None:
        self.server = server
        self._actor_prefix = actor_prefix
        self._next_step = next_step or name_command("login", str(server)).line
        self._token = token
        self._sleep = sleep
        self._say = say
        self._http = HttpClient(
            max_answer=MAX_ANSWER_BYTES,
            connections=1,
            # a name such as localhost may have an address of another machine
            peers=is_loopback if server.is_plain else None,
        )

    @property
    def url(self) -> str:
        """The URL of the private listener, or of a proxy before it."""
        return self.server.origin

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, query: Query | None = None) -> Shape:
        """GET a path of the admin API and return its JSON object.

        `NotFound` where there is no such record, `InvalidRequest` for a parameter that is not
        valid, `ServerError` for anything else. Answers 429 and 503 are waited out.
        """
        return self._read(self._send("GET", path + _write_query(query or [])))

    def get_answer(self, path: str) -> tuple[Answer, Shape]:
        """GET a path, and return the answer with its headers, and its JSON object; see `get`."""
        answer = self._send("GET", path)
        return answer, self._read(answer)

    def get_bytes(self, path: str, max_bytes: int, query: Query | None = None) -> bytes:
        """GET a path whose answer is no JSON object, of at most about so many bytes; see `get`."""
        path += _write_query(query or [])
        return self._send("GET", path, max_bytes=max_bytes + MAX_PROBLEM_BYTES).body

    def post(self, path: str, body: JSON | None = None) -> Shape:
        """POST JSON, or without a body, and return the JSON object of the answer; see `get`."""
        return self._read(self._send("POST", path, body, self._name_actor()))

    def delete(self, path: str) -> None:
        """DELETE a path of the admin API; see `get`."""
        self._send("DELETE", path, None, self._name_actor())

    def _name_actor(self) -> dict[str, str]:
        """Return the header with the actor of this machine."""
        actor = self._actor_prefix + name_actor(os.environ.get(ACTOR_VARIABLE, ""))
        header = actor.encode().decode("latin-1") if actor.isprintable() else ""
        return {"X-Flowbridge-Actor": header} if header else {}

    def _read(self, answer: Answer) -> Shape:
        try:
            shape = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            shape = None
        if not isinstance(shape, dict):
            raise UnreadableAnswer(f"{self.server}: {UNREADABLE}")
        return shape

    def list_pages(
        self,
        path: str,
        query: Query,
        limit: int,
        *,
        page_limit: int = PAGE_ITEMS,
        before: str | None = None,
    ) -> Iterator[Shape]:
        """Yield the pages of a list; the last may have more items than `limit` leaves."""
        try:
            yield from follow_pages(self.get, path, query, limit, page_limit, before)
        except UnreadableAnswer:
            raise UnreadableAnswer(f"{self.server}: {UNREADABLE}") from None

    @contextmanager
    def open_submissions(self, query: Query) -> Iterator[SubmissionList]:
        """Yield the form submissions, oldest first."""
        from bridge.cli.remote.submissions import open_submissions

        with open_submissions(self, query) as submissions:
            yield submissions

    def drive(self, body: Mapping[str, JSON]) -> OperationDriver:
        """Return how a worker of the bridge carries out an operation."""
        from bridge.cli.bridge.client import Bridge
        from bridge.cli.remote.operations import RemoteOperations

        return RemoteOperations(Bridge(self), body)

    def explain_unset(self, source: str | None) -> Iterator[str]:  # noqa: ARG002 - of the protocol
        """Yield nothing: the status names secrets that are not set."""
        return iter(())

    def find_mode_place(self, route: str) -> str | None:  # noqa: ARG002 - of the protocol
        """Return None: the files are on the bridge's machine."""
        return None

    def read_learned_secret(self, source: str) -> None:
        """Return None: no secret leaves the bridge's machine."""

    def explain_empty(self, what: str, source: str | None = None) -> str:  # noqa: ARG002 - of the protocol
        """Return that nothing is stored there."""
        return f"No {what} on {self.server} yet."

    @contextmanager
    def open_stream(self, path: str, query: Query) -> Iterator[OpenAnswer]:
        """GET a whole list as NDJSON, and yield the answer to read; errors are those of `get`."""
        call = self._make_call("GET", path + _write_query(query), accept=NDJSON)
        left = MAX_WAIT_SECONDS
        while True:
            with self._http.open(call, STREAM_WAIT_SECONDS) as answer:
                if isinstance(answer, OpenAnswer):
                    if answer.headers.get("content-type", "").partition(";")[0] != NDJSON:
                        raise UnreadableAnswer(f"{self.server}: {UNREADABLE}")
                    yield answer
                    return
                checked, left = self._wait_or_check(answer, left)
            if checked is not None:
                raise UnreadableAnswer(f"{self.server}: {UNREADABLE}")

    def _send(
        self,
        method: str,
        path: str,
        body: JSON | None = None,
        more: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        call = replace(self._make_call(method, path, body, more), most=max_bytes)
        left = MAX_WAIT_SECONDS
        while True:
            answer, left = self._wait_or_check(
                self._http.send(call, Deadline.after(TIMEOUT_SECONDS)), left
            )
            if answer is not None:
                return answer

    def _make_call(
        self,
        method: str,
        path: str,
        body: JSON | None = None,
        more: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> Call:
        headers = {
            **(more or {}),
            **({} if body is None else {"Content-Type": "application/json"}),
            "Authorization": f"Bearer {self._token}",
            "Accept": accept,
            "User-Agent": f"flowbridge/{__version__}",
        }
        return Call(
            method=method,
            url=f"{self.server.origin}{API_PATH}{path}",
            headers=headers,
            body=b"" if body is None else orjson.dumps(body),
        )

    def _wait_or_check(self, answer: Answer | NoAnswer, left: float) -> tuple[Answer | None, float]:
        """Return a good answer, or wait as a busy server asks; with the seconds left for waits."""
        if isinstance(answer, NoAnswer):
            raise ServerError(f"{self.server} cannot be reached: {answer.reason}")
        wait = _read_wait(answer)
        if wait is None or wait > left:
            return self._check(answer), left
        if wait > LONG_WAIT_SECONDS:
            self._say(f"{self.server} is busy; waiting {wait:.0f} s, as it asks")
        self._sleep(wait)
        return None, left - wait

    def _check(self, answer: Answer) -> Answer:
        if answer.status in (200, 201, 202, 204):
            if answer.truncated:
                raise ServerError(
                    f"{self.server} sent an incomplete answer, or one of over"
                    f" {MAX_ANSWER_BYTES // 1024 // 1024} MiB"
                )
            return answer
        problem = read_problem(answer)
        if problem is None:
            raise ServerError(f"{self.server} {explain_status(answer)}")
        raise self._to_error(problem)

    def _to_error(self, problem: Problem) -> BridgeError:
        if problem.word in KNOWN_PROBLEMS:
            return problem.make_error(f"{self.server} refused the request: ")
        next_step = f". Next: {self._next_step}" if problem.word == "unauthorized" else ""
        return problem.add_hints(ServerError(f"{self.server} refused: {problem.detail}{next_step}"))


def _write_query(query: Query) -> str:
    """Return a query string. `InvalidRequest` for a text that is not valid Unicode."""
    pairs = []
    for name, text in query:
        try:
            pairs.append(f"{name}={quote(text, safe='')}")
        except UnicodeError:
            raise InvalidRequest(f"--{name}: with --server it must be valid UTF-8") from None
    return f"?{'&'.join(pairs)}" if pairs else ""


def _read_wait(answer: Answer) -> float | None:
    """Return the seconds that the server asks to wait for, None where it does not ask."""
    text = answer.headers.get("retry-after", "").strip()
    if answer.status not in WAIT_STATUSES or not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return max(float(text), MIN_WAIT_SECONDS)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), MIN_WAIT_SECONDS)
    except (ValueError, OverflowError):
        return None
