"""The protocol between the worker, the forkserver and the processes of runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from bridge.core.local_runs import LocalState
from bridge.core.model import JSON
from bridge.core.timings import TIMINGS

MAX_FRAME_BYTES: Final = 64 * 1024**2
#: Kinds of frames from a run's supervisor to the worker.
FRAME_BEGUN = b"b"
FRAME_LOG = b"l"
FRAME_ENDED = b"e"
FRAME_KILL: Final = b"k"  # from the worker to the supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """A run to start. `inputs` is JSON text; `files` are (name, path, size) of each input's files.

    `environ` is added to the environment of its process. `stop_seconds`: between SIGTERM and
    SIGKILL.
    """

    run_id: str
    flow: str
    inputs: str
    data: str
    body: str | None = None
    files: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)
    time_limit: float
    stop_seconds: float = TIMINGS.flow_stop_seconds
    memory: int
    environ: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """The end of a run. `files` are (name, sha256, size) of the files that it saved.

    `traceback` is for our own log.
    """

    state: LocalState
    outputs: dict[str, JSON] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    files: list[tuple[str, str, int]] = field(default_factory=list)
    traceback: str | None = None


def parse_run_end(text: bytes) -> RunEnd:
    """Parse the content of an ENDED frame."""
    fields = orjson.loads(text)
    return RunEnd(
        **fields
        | {
            "state": LocalState(fields["state"]),
            "files": [tuple(file) for file in fields["files"]],
        }
    )


def create_memory_file(name: str, content: bytes = b"", flags: int = 0) -> int:
    """Return the descriptor of an anonymous file in memory with this content."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | flags)
    written = 0
    while written < len(content):
        written += os.write(descriptor, content[written:])
    return descriptor


def read_file(descriptor: int) -> bytes:
    """Return all bytes of an open file, whatever its position."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def socket_pair(kind: socket.SocketKind) -> tuple[socket.socket, socket.socket]:
    """Return two connected Unix sockets."""
    return socket.socketpair(socket.AF_UNIX, kind)


def send_files(sock: socket.socket, message: bytes, descriptors: Sequence[int] = ()) -> None:
    """Send a short message with open files."""
    socket.send_fds(sock, [message], list(descriptors))


def receive_files(sock: socket.socket) -> tuple[bytes, list[int]]:
    """Receive a message of `send_files`; it is empty if the other end is closed.

    Programs that we start do not inherit the received files.
    """
    try:
        message, descriptors, _, _ = socket.recv_fds(sock, 4096, 4)
    except ConnectionResetError:  # the other end closed without reading our last message
        return b"", []
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return message, list(descriptors)


def encode_frame(kind: bytes, text: bytes = b"") -> bytes:
    """Return a frame: its length, kind and content."""
    return len(text).to_bytes(4, "big") + kind + text


class FrameDecoder:
    """Decoder of frames in a byte stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Add bytes and yield each complete frame. Raise ValueError if one is too large."""
        self._buffer += data
        while len(self._buffer) >= 5:
            end = 5 + int.from_bytes(self._buffer[:4], "big")
            if end > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {end} bytes")
            if len(self._buffer) < end:
                return
            yield bytes(self._buffer[4:5]), bytes(self._buffer[5:end])
            del self._buffer[:end]
