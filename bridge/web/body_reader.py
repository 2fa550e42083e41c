"""Reads request bodies within limits: of each body, and of all that are read at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gunicorn.http.errors import ParseException

from bridge.core.errors import Refused

READ_BYTES = 64 * 1024  # bytes read at a time
IN_FLIGHT = 96 * 1024 * 1024  # bytes of bodies being read at once in a process
CUT_SHORT = "the body ended early, took too long or is not framed correctly"


class BodyReader:
    """The budget of body bytes that a process reads at once."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit or IN_FLIGHT
        self._held = 0
        self._mutex = threading.Lock()

    @contextmanager
    def body(self, environ: Mapping[str, Any], most: int) -> Iterator[bytes]:
        """Yield the whole body, and hold its share of the budget until the request ends.

        Raises `Refused` if it cannot be read.
        """
        held = 0
        chunks: list[bytes] = []
        try:
            try:
                declared = _declared(environ, most)
                left = READ_BYTES if declared is None else declared
                while left > 0:
                    step = min(READ_BYTES, left)
                    self.reserve(step)
                    held += step
                    chunk = environ["wsgi.input"].read(step)
                    chunks.append(chunk)
                    if declared is not None:
                        left -= len(chunk)
                        if len(chunk) < step:
                            raise _cut_short()
                    elif len(chunk) < step:
                        break
                    elif sum(map(len, chunks)) > most:
                        raise _too_large(most)
            except (OSError, ParseException) as error:
                raise _cut_short() from error
            whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            if len(whole) > most:
                raise _too_large(most)
            yield whole
        finally:
            if held:
                self.reserve(-held)

    def reserve(self, size: int) -> None:
        """Take bytes of the budget, or return them if `size` is negative.

        Raises `Refused` if there are not so many left.
        """
        with self._mutex:
            if size > 0 and self._held + size > self._limit:
                raise Refused(
                    503,
                    "busy",
                    "the server is receiving too much data at once; send it again",
                    headers={"Retry-After": "5"},
                )
            self._held += size


def _declared(environ: Mapping[str, Any], most: int) -> int | None:
    """Return the Content-Length, None for a chunked body.

    Raises `Refused` if it is too large, or if the body has another transfer coding.
    """
    codings = environ.get("HTTP_TRANSFER_ENCODING", "chunked")
    if codings.strip().lower() != "chunked":
        raise Refused(
            501,
            "bad_request",
            "of the transfer codings only chunked is decoded",
            headers={"Connection": "close"},
        )
    text = environ.get("CONTENT_LENGTH") or ""
    if not text:
        return None if environ.get("wsgi.input_terminated") else 0
    if not text.isascii() or not text.isdigit():
        raise Refused(400, "bad_request", "the Content-Length is not a number")
    if int(text) > most:
        raise _too_large(most)
    return int(text)


def _too_large(most: int) -> Refused:
    return Refused(
        413, "too_large", f"the body is larger than {most} bytes", headers={"Connection": "close"}
    )


def _cut_short() -> Refused:
    return Refused(400, "cut_short", CUT_SHORT, headers={"Connection": "close"})
