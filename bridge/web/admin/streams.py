"""Streams of whole lists as NDJSON: one JSON object a line, and a broken answer where one fails."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from werkzeug.wrappers import Request, Response

from bridge.api.context import ApiContext
from bridge.api.endpoint import Chunks
from bridge.api.problems import TOO_MANY_WAIT, ApiProblem, report_busy
from bridge.core.json_values import write_json
from bridge.core.model import JSON
from bridge.system.cpu_affinity import switch_often
from bridge.system.logs import get_logger
from bridge.web.admin import limits

JSON_TYPE: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

log = get_logger()


class StreamSeats:
    """Places of the streams of a receiver, and one stream for each token on a machine."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._places = threading.BoundedSemaphore(limits.MAX_STREAMS)

    @contextmanager
    def take(self, token_key: str) -> Iterator[None]:
        """Hold a place and the token's stream. Raises `ApiProblem` if one of them is taken."""
        with self._context.hold_lock(f"admin stream {token_key}") as is_held:
            if not is_held:
                raise _report_busy("a token has one stream at once")
            if not self._places.acquire(blocking=False):
                raise _report_busy(f"at most {limits.MAX_STREAMS} streams are served at once")
            try:
                with self._context.wait_in_place() as may_wait:
                    if not may_wait:
                        raise _report_busy(TOO_MANY_WAIT)
                    yield
            finally:
                self._places.release()


def _report_busy(detail: str) -> ApiProblem:
    return report_busy(detail, limits.STREAM_RETRY_SECONDS)


def wants_stream(request: Request, *, can_stream: bool) -> bool:
    """Return whether a client prefers NDJSON. Raises `ApiProblem` if that is not possible."""
    if request.accept_mimetypes.best_match((JSON_TYPE, NDJSON)) != NDJSON:
        return False
    if not can_stream:
        raise ApiProblem("not_acceptable", f"only lists answer {NDJSON}")
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        raise ApiProblem(
            "not_acceptable",
            "a stream needs HTTP/1.1, which shows a client that an answer is broken off; a proxy"
            " may have to be set up for it",
        )
    return True


def stream_response(lines: Iterator[bytes], seats: ExitStack) -> Response:
    """Return the answer that streams lines. It holds its seats until it ends."""
    response = Response(lines, content_type=NDJSON)
    response.headers["Cache-Control"] = "no-store"
    response.call_on_close(seats.pop_all().close)
    return response


def write_lines(
    chunks: Chunks, environ: Mapping[str, Any], about: Mapping[str, JSON]
) -> Iterator[bytes]:
    """Yield the lines of a stream by chunks, the first of which is read before this returns.

    `about` is for the log. A failure later than that breaks the answer off, and so does the end of
    the receiver: the last chunk of HTTP is then missing.
    """
    first = _read_chunk(chunks) or ()
    return _write(first, chunks, _make_end_check(environ), about)


def _read_chunk(chunks: Chunks) -> Sequence[JSON] | None:
    with switch_often():
        return next(chunks, None)


def _write(
    first: Sequence[JSON], chunks: Chunks, is_ending: Callable[[], bool], about: Mapping[str, JSON]
) -> Iterator[bytes]:
    began = time.monotonic()
    rows = 0
    outcome = "disconnected"
    items = first
    try:
        while True:
            yield b"".join(write_json(item) + b"\n" for item in items)
            rows += len(items)
            following = _read_chunk(chunks)
            if following is None:
                outcome = "complete"
                return
            if is_ending():
                raise BrokenPipeError(errno.EPIPE, "the receiver ends")
            items = following
    except Exception as error:
        outcome = "ended" if isinstance(error, BrokenPipeError) else "failed"
        if outcome == "failed":
            log.error("admin_stream_failed", exc_info=error, **about)
        # gunicorn then closes the connection without the last chunk, and logs nothing.
        raise BrokenPipeError(errno.EPIPE, "the stream is broken off") from None
    finally:
        seconds = round(time.monotonic() - began, 1)
        log.info("admin_stream_ended", **about, rows=rows, outcome=outcome, seconds=seconds)


def _make_end_check(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Return the function that tells whether the receiver of a request is to end."""
    answers = getattr(environ.get("gunicorn.socket"), "answers", None)
    return lambda: answers is not None and answers.is_ending
