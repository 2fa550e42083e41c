"""What the worker, the flow host and the processes of runs say to each other, and how."""

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

MOST: Final = 64 * 1024**2  # bytes of one frame
#: The kinds of frames that a run's keeper sends.
BEGUN = b"b"
LOG = b"l"
ENDED = b"e"
KILL: Final = b"k"  # what it is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A run as it is handed over. `inputs` is JSON text; `files` are (name, path, size) of those
    that an input names.

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
class Ended:
    """How a run ended. `files` are (name, sha256, size) of those it kept; `traceback` is for our
    own log.
    """

    state: LocalState
    outputs: dict[str, JSON] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    files: list[tuple[str, str, int]] = field(default_factory=list)
    traceback: str | None = None


def ended_of(text: bytes) -> Ended:
    """Read what a keeper has sent as ENDED."""
    found = orjson.loads(text)
    return Ended(
        **found
        | {
            "state": LocalState(found["state"]),
            "files": [tuple(one) for one in found["files"]],
        }
    )


def in_memory(name: str, content: bytes = b"", flags: int = 0) -> int:
    """Return a file of that content that has no name on any disk."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | flags)
    written = 0
    while written < len(content):
        written += os.write(descriptor, content[written:])
    return descriptor


def content(descriptor: int) -> bytes:
    """Return all that is in such a file, wherever it was last written."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def pair(kind: socket.SocketKind) -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets of this machine."""
    return socket.socketpair(socket.AF_UNIX, kind)


def give(sock: socket.socket, message: bytes, descriptors: Sequence[int] = ()) -> None:
    """Send a message of a few bytes with open files."""
    socket.send_fds(sock, [message], list(descriptors))


def take(sock: socket.socket) -> tuple[bytes, list[int]]:
    """Receive what `give` sent; empty where the other end is gone. The files are ours now, and not
    for programs we start.
    """
    message, descriptors, _, _ = socket.recv_fds(sock, 4096, 4)
    for one in descriptors:
        os.set_inheritable(one, False)
    return message, list(descriptors)


def frame(kind: bytes, text: bytes = b"") -> bytes:
    """Return a message as a stream carries it."""
    return len(text).to_bytes(4, "big") + kind + text


class Frames:
    """Puts together what comes in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Add what was received; give each frame that is whole. ValueError for one that is too
        large.
        """
        self._buffer += data
        while len(self._buffer) >= 5:
            end = 5 + int.from_bytes(self._buffer[:4], "big")
            if end > MOST:
                raise ValueError(f"a frame of {end} bytes")
            if len(self._buffer) < end:
                return
            yield bytes(self._buffer[4:5]), bytes(self._buffer[5:end])
            del self._buffer[:end]
