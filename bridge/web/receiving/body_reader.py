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
SMALL_BODY_BYTES = 256 * 1024  # of each body, for which a third of the budget is reserved
CUT_SHORT = "the body ended early, took too long or is not framed correctly"


class BodyReader:
    """The budget of body bytes that a process reads at once.

    With `is_shared`, one network may hold a quarter of it, and all bodies together two thirds
    beyond their first `SMALL_BODY_BYTES`. A single body may be larger than either.
    """

    def __init__(self, limit: int | None = None, *, is_shared: bool = False) -> None:
        self._limit = limit or IN_FLIGHT
        self._is_shared = is_shared
        self.held = 0
        self._large = 0  # bytes of bodies beyond their first `SMALL_BODY_BYTES`
        self._networks: dict[str | None, int] = {}
        self._mutex = threading.Lock()

    def share(self, network: str | None = None) -> BodyShare:
        """Return the share of one body; `network`: of its sender, None where it has no limit."""
        return BodyShare(self, network)

    @contextmanager
    def body(
        self, environ: Mapping[str, Any], max_bytes: int, network: str | None = None
    ) -> Iterator[bytes]:
        """Yield the whole body, and hold its share of the budget until the request ends.

        Raises `Refused` if it cannot be read.
        """
        share = self.share(network)
        chunks: list[bytes] = []
        try:
            try:
                declared = _declared(environ, max_bytes)
                left = READ_BYTES if declared is None else declared
                while left > 0:
                    step = min(READ_BYTES, left)
                    share.add(step)
                    chunk = environ["wsgi.input"].read(step)
                    chunks.append(chunk)
                    if declared is not None:
                        left -= len(chunk)
                        if len(chunk) < step:
                            raise _cut_short()
                    elif len(chunk) < step:
                        break
                    elif sum(map(len, chunks)) > max_bytes:
                        raise _too_large(max_bytes)
            except (OSError, ParseException) as error:
                raise _cut_short() from error
            whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            if len(whole) > max_bytes:
                raise _too_large(max_bytes)
            yield whole
        finally:
            share.release()

    def resize(self, share: BodyShare, size: int) -> None:
        """Change how many bytes a share has. Raises `Refused` if there are not so many left."""
        with self._mutex:
            others = self.held - share.size
            others_large = self._large - _count_large(share.size)
            others_near = self._networks.get(share.network, 0) - share.size
            is_full = others + size > self._limit or (
                self._is_shared
                and (
                    _exceed(others_large, _count_large(size), self._limit * 2 // 3)
                    or (share.network is not None and _exceed(others_near, size, self._limit // 4))
                )
            )
            if is_full and size > share.size:
                raise Refused(
                    503,
                    "busy",
                    "the server is receiving too much data at once; send it again",
                    headers={"Retry-After": "5"},
                )
            self.held = others + size
            self._large = others_large + _count_large(size)
            self._networks[share.network] = others_near + size
            if not self._networks[share.network]:
                del self._networks[share.network]
            share.size = size


class BodyShare:
    """The bytes of one body in a budget."""

    def __init__(self, budget: BodyReader, network: str | None) -> None:
        self._budget = budget
        self.network = network
        self.size = 0  # `BodyReader.resize` changes it

    def add(self, size: int) -> None:
        """Take bytes of the budget. Raises `Refused` if there are not so many left."""
        self._budget.resize(self, self.size + size)

    def release(self) -> None:
        """Give all of them back."""
        if self.size:
            self._budget.resize(self, 0)


def _count_large(size: int) -> int:
    """Return how many bytes of a body count as those of a large one."""
    return max(0, size - SMALL_BODY_BYTES)


def _exceed(others: int, size: int, limit: int) -> bool:
    """Return whether a body is too much beside others."""
    return others > 0 < size and others + size > limit


def _declared(environ: Mapping[str, Any], max_bytes: int) -> int | None:
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
    if int(text) > max_bytes:
        raise _too_large(max_bytes)
    return int(text)


def _too_large(max_bytes: int) -> Refused:
    return Refused(
        413,
        "too_large",
        f"the body is larger than {max_bytes} bytes",
        headers={"Connection": "close"},
    )


def _cut_short() -> Refused:
    return Refused(400, "cut_short", CUT_SHORT, headers={"Connection": "close"})
