"""A client of the admin API of a bridge. It follows no redirects and uses no proxy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote

import orjson

from bridge import __version__
from bridge.cli.remote.server_problems import Problem, explain_status, read_problem
from bridge.cli.remote.server_url import API_PATH, ServerUrl, is_loopback
from bridge.core.errors import BridgeError, InvalidRequest, NotFound
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import JSON
from bridge.services.records.json_record import UNREADABLE, UnreadableAnswer
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient, OpenAnswer

TIMEOUT_SECONDS: Final = 60.0  # of one request
MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024  # an event has a body of at most 25 MiB, escaped
MIN_WAIT_SECONDS: Final = 1.0  # before a request is sent again
MAX_WAIT_SECONDS: Final = 60.0  # of all waits for one answer, as Retry-After asks
MAX_PROBLEM_BYTES: Final = 64 * 1024
MAX_CURSOR_CHARS: Final = 100
PAGE_ITEMS: Final = 500
PAGE_REJECTS: Final = 20
WAIT_STATUSES: Final = (429, 503)
LONG_WAIT_SECONDS: Final = 3.0  # that are said
STREAM_WAIT_SECONDS: Final = 300.0  # for the next record: a search may read much between two
NDJSON: Final = "application/x-ndjson"
#: Query parameters: pairs of a name and a text.
Query = list[tuple[str, str]]


class ServerError(BridgeError):
    """The server could not be reached, refused the request, or is no bridge."""


class AdminClient:
    """Asks the admin API of one bridge, with one token that goes to no other host.

    `next_step`: what to do where the token is refused, None for a login.
    """

    def __init__(
        self,
        server: ServerUrl,
        token: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = lambda _: None,
        next_step: str | None = None,
    ) -> None:
        self.server = server
        self._next_step = next_step or f"flowbridge login {server}"
        self._token = token
        self._sleep = sleep
        self._say = say
        self._http = HttpClient(
            max_answer=MAX_ANSWER_BYTES,
            connections=1,
            # a name such as localhost may have an address of another machine
            peers=is_loopback if server.is_plain else None,
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, query: Query | None = None) -> dict[str, JSON]:
        """GET a path of the admin API and return its JSON object.

        `NotFound` where there is no such record, `InvalidRequest` for a parameter that is not
        valid, `ServerError` for anything else. Answers 429 and 503 are waited out.
        """
        return self._read(self._send("GET", path + _write_query(query or [])))

    def get_answer(self, path: str) -> tuple[Answer, dict[str, JSON]]:
        """GET a path, and return the answer with its headers, and its JSON object; see `get`."""
        answer = self._send("GET", path)
        return answer, self._read(answer)

    def get_bytes(self, path: str, most: int, query: Query | None = None) -> bytes:
        """GET a path whose answer is no JSON object, of at most about so many bytes; see `get`."""
        path += _write_query(query or [])
        return self._send("GET", path, most=most + MAX_PROBLEM_BYTES).body

    def post(self, path: str, body: JSON | None, headers: Mapping[str, str]) -> dict[str, JSON]:
        """POST JSON, or without a body, and return the JSON object of the answer; see `get`."""
        return self._read(self._send("POST", path, body, headers))

    def delete(self, path: str, headers: Mapping[str, str]) -> None:
        """DELETE a path of the admin API; see `get`."""
        self._send("DELETE", path, None, headers)

    def _read(self, answer: Answer) -> dict[str, JSON]:
        try:
            found = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise UnreadableAnswer(f"{self.server}: {UNREADABLE}")
        return found

    def list_pages(
        self, path: str, query: Query, before: str | None = None
    ) -> Iterator[dict[str, JSON]]:
        """Yield the pages of a list after the cursor `before`, until there is no further one.

        `UnreadableAnswer` also for a cursor that came before: the list would have no end.
        """
        used = {before}
        while True:
            more: Query = [] if before is None else [("before", before)]
            page = self.get(path, [*query, *more])
            following = page.get("next")
            items = page.get("items")
            is_list = isinstance(items, list) and all(isinstance(one, dict) for one in items)
            is_cursor = isinstance(following, str) and 0 < len(following) <= MAX_CURSOR_CHARS
            is_new = following is None or (is_cursor and following not in used)
            if not is_list or not is_new:
                raise UnreadableAnswer(f"{self.server}: {UNREADABLE}")
            yield page
            if following is None:
                return
            before = following
            used.add(before)

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
        most: int | None = None,
    ) -> Answer:
        call = replace(self._make_call(method, path, body, more), most=most)
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
        raise problem.add_hints(self._to_error(problem))

    def _to_error(self, problem: Problem) -> BridgeError:
        if problem.word in ("not_found", "ambiguous_id"):
            return NotFound(problem.detail)
        if problem.word in ("invalid_parameter", "cursor_of_another_list", "invalid_body"):
            lead = "" if problem.is_own else f"{self.server} refused the request: "
            return InvalidRequest(lead + problem.detail)
        if problem.word == "platform_failed":
            return BridgeError(problem.detail)
        next_step = f". Next: {self._next_step}" if problem.word == "unauthorized" else ""
        return ServerError(f"{self.server} refused: {problem.detail}{next_step}")


def _write_query(query: Query) -> str:
    pairs = [f"{name}={quote(value, safe='')}" for name, value in query]
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
