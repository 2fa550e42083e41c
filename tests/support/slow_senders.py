"""Senders that begin requests and never end them: as many as are wanted, from as many networks,
each again when it is cut off.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from serving import github, head

PAUSE_SECONDS = 0.2  # between two bytes of a sender, and until one that was cut off comes again


def networks(count: int) -> list[str]:
    """Return an address of the loopback in each of so many networks (/24)."""
    return [f"127.{7 + at // 250}.{1 + at % 250}.9" for at in range(count)]


def endless_head() -> bytes:
    """Return the beginning of a head, which goes on byte by byte and never ends."""
    return b"POST /hooks/github HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: "


def endless_body() -> bytes:
    """Return the head of a request whose body comes byte by byte."""
    return head("POST", "/hooks/github", {"Content-Length": "1000000", **github(b"")})


@dataclass
class Sender:
    """One sender: its address, its connection, when it does something next."""

    address: str
    sock: socket.socket | None = None
    due: float = 0.0


@dataclass
class SlowSenders:
    """A context with slow senders in the background. `answers` are the first lines, with
    `Retry-After`, of what they were answered.
    """

    port: int
    begin: bytes
    addresses: Sequence[str]
    answers: list[str] = field(default_factory=list)

    def __enter__(self) -> SlowSenders:
        self._stop = threading.Event()
        self._senders = [Sender(address) for address in self.addresses]
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for sender in self._senders:
            self._drop(sender)
        self._selector.close()

    @property
    def open(self) -> int:
        """How many have a connection now."""
        return sum(sender.sock is not None for sender in self._senders)

    def _run(self) -> None:
        while not self._stop.is_set():
            now = time.monotonic()
            for sender in self._senders:
                if sender.due <= now:
                    sender.due = now + PAUSE_SECONDS
                    with suppress(OSError):
                        self._go_on(sender)
            for key, _ in self._selector.select(0.02):
                self._hear(key.data)

    def _go_on(self, sender: Sender) -> None:
        if sender.sock is not None:
            sender.sock.send(b"x")
            return
        sock = socket.create_connection(
            ("127.0.0.1", self.port), 30, source_address=(sender.address, 0)
        )
        sock.sendall(self.begin)
        sock.setblocking(False)
        sender.sock = sock
        self._selector.register(sock, selectors.EVENT_READ, sender)

    def _hear(self, sender: Sender) -> None:
        assert sender.sock is not None
        said = b""
        with suppress(BlockingIOError, ConnectionError):
            said = sender.sock.recv(65536)
        if said:
            line, _, rest = said.decode("latin-1").partition("\r\n")
            self.answers.append(
                f"{line} {'Retry-After' if 'Retry-After: ' in rest else ''}".strip()
            )
        self._drop(sender)

    def _drop(self, sender: Sender) -> None:
        if sender.sock is not None:
            self._selector.unregister(sender.sock)
            sender.sock.close()
            sender.sock = None
