"""Form submissions of a bridge elsewhere: read whole from its admin API before any is printed."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final

import orjson

from bridge.cli.remote.client import MAX_ANSWER_BYTES, AdminClient, Query, ServerError
from bridge.core.errors import BridgeError
from bridge.core.sizes import MIB
from bridge.services.exports import ExportedSubmission, parse_submission
from bridge.services.parsed_records import UNREADABLE, UnreadableAnswer
from bridge.system.http_client import BrokenAnswer

PATH: Final = "/submissions"
MAX_STORED_BYTES: Final = 8 * 1024 * MIB
MEMORY_BYTES: Final = 8 * MIB  # beyond it, submissions are in a temporary file


@contextmanager
def store_submissions(
    client: AdminClient, query: Query, *, max_bytes: int = MAX_STORED_BYTES
) -> Iterator[StoredSubmissions]:
    """Read a whole stream into a temporary file, and yield its submissions.

    `ServerError` where the stream does not come to its end.
    """
    with tempfile.SpooledTemporaryFile(MEMORY_BYTES) as file:
        try:
            starts = _store_lines(file, client, query, max_bytes)
        except OSError as error:
            raise BridgeError(
                f"the submissions do not fit into {tempfile.gettempdir()}: {error.strerror}"
            ) from error
        yield StoredSubmissions(file, starts)


def _store_lines(
    file: IO[bytes], client: AdminClient, query: Query, max_bytes: int
) -> Sequence[int]:
    """Write the lines of a stream to a file, and return where each starts."""
    starts = array("Q")
    size = 0
    for line in read_lines(client, PATH, query):
        if size + len(line) > max_bytes:
            raise BridgeError(
                f"there are more than {max_bytes // MIB:,} MiB of submissions: select fewer with"
                " --since and other filters"
            )
        _parse(line)
        starts.append(size)
        file.write(line)
        size += len(line)
    return starts


class StoredSubmissions:
    """Submissions in a file, newest first, which are read from the oldest on, several times."""

    left_out = 0  # the bridge does not count them

    def __init__(self, file: IO[bytes], starts: Sequence[int]) -> None:
        self._file = file
        self._starts = starts

    def __iter__(self) -> Iterator[ExportedSubmission]:
        """Yield the submissions, oldest first."""
        for start in reversed(self._starts):
            self._file.seek(start)
            yield _parse(self._file.readline())


def read_lines(client: AdminClient, path: str, query: Query) -> Iterator[bytes]:
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
            raise ServerError(
                f"the answer of {client.server} is incomplete after {count} records, so nothing is"
                f" printed: {error}. Run the command again"
            ) from None


def _parse(line: bytes) -> ExportedSubmission:
    try:
        shape = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise UnreadableAnswer(UNREADABLE) from None
    return parse_submission(shape)
