"""Form submissions of a bridge elsewhere, read from its admin API.

They are printed as they arrive, or first stored where they are read several times.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Final, Protocol

import orjson

from bridge.cli.bridge.transport import Query
from bridge.cli.remote.server_problems import MAX_ANSWER_BYTES, ServerError
from bridge.cli.remote.server_url import ServerUrl
from bridge.core.errors import BridgeError
from bridge.core.units import MIB
from bridge.services.exports import ExportedSubmission
from bridge.services.records.json_record import UNREADABLE, UnreadableAnswer
from bridge.services.records.submission_records import SUBMISSION
from bridge.system.http_client import BrokenAnswer, OpenAnswer

PATH: Final = "/submissions"
MAX_STORED_BYTES: Final = 8 * 1024 * MIB
MEMORY_BYTES: Final = 8 * MIB  # beyond it, submissions are in a temporary file


class StreamClient(Protocol):
    """A client of the admin API that reads streams."""

    server: ServerUrl

    def open_stream(self, path: str, query: Query) -> AbstractContextManager[OpenAnswer]:
        """GET a whole list as NDJSON, and yield the answer to read."""


@contextmanager
def open_submissions(
    client: StreamClient, query: Query, *, max_bytes: int = MAX_STORED_BYTES
) -> Iterator[RemoteSubmissions]:
    """Open the submissions that a query selects, oldest first. Nothing is read before it is used.

    Reading them raises `ServerError` where the stream does not come to its end.
    """
    with tempfile.SpooledTemporaryFile(MEMORY_BYTES) as file:
        yield RemoteSubmissions(client, [*query, ("order", "oldest")], file, max_bytes)


class RemoteSubmissions:
    """Submissions, oldest first: as they arrive, or from a file, several times."""

    left_out = 0  # the bridge does not count them

    def __init__(self, client: StreamClient, query: Query, file: IO[bytes], max_bytes: int) -> None:
        self._client = client
        self._query = query
        self._file = file
        self._max_bytes = max_bytes
        self._is_stored = False

    def read_once(self) -> Iterator[ExportedSubmission]:
        """Yield the submissions as they arrive."""
        return map(_parse, read_lines(self._client, PATH, self._query, are_printed=True))

    def __iter__(self) -> Iterator[ExportedSubmission]:
        """Yield the submissions, all of which are stored before the first."""
        if not self._is_stored:
            self._store()
        self._file.seek(0)
        return map(_parse, self._file)

    def _store(self) -> None:
        try:
            size = 0
            for line in read_lines(self._client, PATH, self._query, are_printed=False):
                size += len(line)
                if size > self._max_bytes:
                    raise BridgeError(
                        f"there are more than {self._max_bytes // MIB:,} MiB of submissions: select"
                        " fewer with --since and other filters, or use --as jsonl"
                    )
                _parse(line)
                self._file.write(line)
        except OSError as error:
            raise BridgeError(
                f"the submissions do not fit into {tempfile.gettempdir()}: {error.strerror}"
            ) from error
        self._is_stored = True


def read_lines(
    client: StreamClient, path: str, query: Query, *, are_printed: bool
) -> Iterator[bytes]:
    """Yield the lines of a stream. `ServerError` where it does not come to its end."""
    rest = bytearray()
    count = 0
    with client.open_stream(path, query) as answer:
        try:
            for piece in answer.read_pieces():
                rest += piece
                if b"\n" not in piece:
                    if len(rest) > MAX_ANSWER_BYTES:
                        raise UnreadableAnswer(f"{client.server}: {UNREADABLE}")
                    continue
                *lines, last = bytes(rest).split(b"\n")
                for line in lines:
                    count += 1
                    yield line + b"\n"
                rest = bytearray(last)
            if rest:
                raise BrokenAnswer("its last line is incomplete")
        except BrokenAnswer as error:
            what = f"only the first {count} were printed" if are_printed else "nothing is printed"
            raise ServerError(
                f"the answer of {client.server} is incomplete after {count} records, so {what}:"
                f" {error}. Run the command again"
            ) from None


def _parse(line: bytes) -> ExportedSubmission:
    try:
        shape = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise UnreadableAnswer(UNREADABLE) from None
    return SUBMISSION.parse(shape)
