"""A loopback server that misbehaves as told. `FakePlatform`, which behaves, is here by name too."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fake_platform import FakePlatform, FakeRun, Start

__all__ = ["FakePlatform", "FakeRun", "Misbehaving", "Received", "Start"]


@contextmanager
def refusing() -> Iterator[int]:
    """Yield a port at which all connections are refused: it is bound, so that nobody else is given
    it, and nobody listens.
    """
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@dataclass
class Received:
    """One request as it came; `connection` counts from 1."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Closed(Exception):
    """Raised by a reply: the connection ends here."""


Reply = Callable[[socket.socket, "Misbehaving"], None]


def _head(status: int, headers: dict[str, str]) -> bytes:
    return (
        f"HTTP/1.1 {status} Scripted\r\n"
        + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        + "\r\n"
    ).encode("latin-1")


def _body(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def respond(status: int = 200, body: Any = b"", headers: dict[str, str] | None = None) -> Reply:
    """A well-formed answer; keeps the connection open."""
    payload = _body(body)

    def reply(sock: socket.socket, server: Misbehaving) -> None:
        sock.sendall(
            _head(status, {"Content-Length": str(len(payload)), **(headers or {})}) + payload
        )
        if (headers or {}).get("Connection") == "close":
            raise Closed

    return reply


def redirect(location: str, status: int = 307) -> Reply:
    return respond(status, b"", {"Location": location})


def slow_headers(seconds: float, then: Reply | None = None) -> Reply:
    """Waits before the first byte."""

    def reply(sock: socket.socket, server: Misbehaving) -> None:
        server.stopping.wait(seconds)
        (then or respond())(sock, server)

    return reply


def drip(payload: bytes, every: float = 0.05) -> Reply:
    """Sends raw bytes one at a time: each one resets a plain socket timeout."""

    def reply(sock: socket.socket, server: Misbehaving) -> None:
        for byte in payload:
            sock.sendall(bytes((byte,)))
            if server.stopping.wait(every):
                break
        raise Closed

    return reply


def drip_headers(every: float = 0.05, count: int = 10_000) -> Reply:
    return drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * count, every)


def drip_body(status: int = 200, every: float = 0.05, length: int = 10_000) -> Reply:
    slowly = drip(b"x" * length, every)

    def reply(sock: socket.socket, server: Misbehaving) -> None:
        sock.sendall(_head(status, {"Content-Length": str(length)}))
        slowly(sock, server)

    return reply


def drop(sock: socket.socket, server: Misbehaving) -> None:
    """Read the request, then close without a word."""
    raise Closed


def reset(sock: socket.socket, server: Misbehaving) -> None:
    """Read the request, then send RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Closed


def garbage(payload: bytes = b"\x00\xffthis is no HTTP\r\n\r\n") -> Reply:
    def reply(sock: socket.socket, server: Misbehaving) -> None:
        sock.sendall(payload)
        raise Closed

    return reply


def cut_off(status: int = 200, body: Any = b'{"run_id": "abc', missing: int = 100) -> Reply:
    """Promise more by Content-Length than is sent."""
    payload = _body(body)
    return garbage(_head(status, {"Content-Length": str(len(payload) + missing)}) + payload)


def withhold(start: bytes, rest: bytes) -> Reply:
    """Send the start of an answer, and its rest once more arrives on the connection."""

    def reply(sock: socket.socket, server: Misbehaving) -> None:
        sock.sendall(start)
        if server._receive(sock) is not None:
            sock.sendall(rest)
        raise Closed

    return reply


def huge(size: int, status: int = 200) -> Reply:
    def reply(sock: socket.socket, server: Misbehaving) -> None:
        sock.sendall(_head(status, {"Content-Length": str(size)}))
        for _ in range(size // 65536 + 1):
            sock.sendall(b"x" * 65536)

    return reply


def chunked(
    *pieces: bytes, status: int = 200, end: bool = True, headers: dict[str, str] | None = None
) -> Reply:
    def reply(sock: socket.socket, server: Misbehaving) -> None:
        sock.sendall(_head(status, {"Transfer-Encoding": "chunked", **(headers or {})}))
        for piece in pieces:
            sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        if not end:
            raise Closed
        sock.sendall(b"0\r\n\r\n")

    return reply


def then_close(first: Reply) -> Reply:
    """Answer as if the connection stayed open, then close it: what a keep-alive timeout looks
    like.
    """

    def reply(sock: socket.socket, server: Misbehaving) -> None:
        first(sock, server)
        raise Closed

    return reply


class Misbehaving:
    """Answers each path by its script, one reply a request; the last one repeats. An unscripted
    path is 200 with no body.
    """

    def __init__(self, *, context: Any = None) -> None:
        self.received: list[Received] = []
        self.stopping = threading.Event()
        self.connections = 0
        self.closed = threading.Semaphore(0)  #: released once for every connection that ended
        self.drop_connections = 0  #: accept this many and close them unread
        self._scripts: dict[str, list[Reply]] = {}
        self._sockets: list[socket.socket] = []
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def script(self, path: str, *replies: Reply) -> str:
        """Set the replies of `path` and return its URL."""
        self._scripts[path] = list(replies)
        return self.url + path

    def __enter__(self) -> Misbehaving:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._sockets):
            with suppress(OSError):  # it is closed
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(2)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.drop_connections:
                self.drop_connections -= 1
                sock.close()
                continue
            thread = threading.Thread(
                target=self._serve, args=(sock, self.connections), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            sock.settimeout(60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(sock)
            with (
                self._context.wrap_socket(sock, server_side=True) if self._context else sock
            ) as stream:
                self._sockets.append(stream)
                while (request := self._read(stream, number)) is not None:
                    self.received.append(request)
                    script = self._scripts.get(request.path) or [respond()]
                    reply = script.pop(0) if len(script) > 1 else script[0]
                    reply(stream, self)
        except (Closed, OSError):
            pass
        finally:
            sock.close()
            self.closed.release()

    def _read(self, sock: socket.socket, number: int) -> Received | None:
        data = b""
        while b"\r\n\r\n" not in data:
            if (piece := self._receive(sock)) is None:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)
        }
        while len(body) < int(headers.get("content-length", "0")):
            if (piece := self._receive(sock)) is None:
                return None
            body += piece
        method, target, _ = line.split(" ")
        path, _, query = target.partition("?")
        return Received(method, path, query, headers, body, number)

    def _receive(self, sock: socket.socket) -> bytes | None:
        return None if self.stopping.is_set() else sock.recv(65536) or None
