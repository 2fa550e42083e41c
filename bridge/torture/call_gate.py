"""A gate for calls: while its file exists, it holds one start before its time begins, and one
between its connection and its write.

A process that stops at these moments must not make the start when it continues. They last
microseconds, so a signal alone hardly ever meets them. The crash test closes the gate, waits until
both starts are held, stops the process, and opens the gate before it continues the process.

The file contains the moments at which a start is held.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.system.boot_clock import Deadline

#: In the body of a start that is started again only if no run of it is found.
RECONCILED_START: Final = re.compile(rb'"(seldom|sole)\d"')
BEFORE_SEND: Final = "send"  # the HTTP client has not got the call yet
BEFORE_WRITE: Final = "write"  # it has a connection
MOMENTS: Final = frozenset((BEFORE_SEND, BEFORE_WRITE))
POLL_SECONDS: Final = 0.01


class _MonotonicClock(threading.local):
    """The monotonic clock of each thread. `behind`: the seconds that it has not counted."""

    behind = 0.0


class _CallGate:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._mutex = threading.Lock()

    def hold(self, moment: str, data: bytes) -> bool:
        """Hold the first start that comes to a moment until the gate opens; return whether."""
        if not RECONCILED_START.search(data) or not self._take(moment):
            return False
        while self._file.exists():
            time.sleep(POLL_SECONDS)
        return True

    def _take(self, moment: str) -> bool:
        with self._mutex, suppress(FileNotFoundError), self._file.open("r+") as file:
            if moment not in file.read().split():
                file.write(f"{moment}\n")
                return True
        return False


def install_gate(file: Path) -> None:
    """Let all starts of this process pass the gate.

    The monotonic clock of a thread that is held before a write does not count the time until the
    gate opens, as if the machine was suspended. Call it before other modules import that clock.
    """
    gate = _CallGate(file)
    clock = _MonotonicClock()
    monotonic = time.monotonic
    time.monotonic = lambda: monotonic() - clock.behind
    from bridge.system.deadline_sockets import PlainSocket
    from bridge.system.http_client import HttpClient

    make_call = HttpClient.send
    write = PlainSocket.sendall

    def send(self: HttpClient, call: Call, deadline: Deadline) -> Answer | NoAnswer:
        gate.hold(BEFORE_SEND, call.body)
        return make_call(self, call, deadline)

    def sendall(self: PlainSocket, data: Any, *flags: Any) -> None:
        began = monotonic()
        if gate.hold(BEFORE_WRITE, data):
            clock.behind += monotonic() - began
        write(self, data, *flags)

    HttpClient.send = send  # type: ignore[method-assign]  # that is the gate
    PlainSocket.sendall = sendall  # type: ignore[method-assign]  # that is the gate


@contextmanager
def close_gate(file: Path) -> Iterator[None]:
    """Close the gate within the block."""
    file.touch()
    try:
        yield
    finally:
        file.unlink()


def read_moments(file: Path) -> set[str]:
    """Return the moments at which the gate holds a start."""
    with suppress(FileNotFoundError):
        return set(file.read_text().split())
    return set()


def holds_all(file: Path) -> bool:
    """Return whether the gate holds a start at each moment."""
    return read_moments(file) == MOMENTS
