"""Requests of strangers, however many, write few lines to the log."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from serving import Bridge, exchange, free_port, until

from bridge.system.logs import LINE_RATE

RECEIVERS = 2  # at most; each has a limit of its own
FLOOD = (RECEIVERS + 1) * LINE_RATE.count
ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  shop: {provider: github, secret: s3cret}
  files: {provider: dropbox, secret: s3cret}
  open: {provider: hmac, insecure: true}
routes:
  - {name: open, on: open, inputs: {a: 1}, flow: local/echo}
"""
TOKEN = "a-long-enough-admin-token-of-a-test"


@pytest.fixture(scope="module")
def private() -> int:
    return free_port()


@pytest.fixture(scope="module")
def bridge(
    tmp_path_factory: pytest.TempPathFactory,
    edge: dict[str, str],
    private: int,
    new_processes: None,
) -> Iterator[Bridge]:
    """Receivers, on each edge."""
    environ = {
        **edge,
        "FLOWBRIDGE_ADMIN_TOKEN": TOKEN,
        "FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{private}",
    }
    folder = tmp_path_factory.mktemp("limited")
    with Bridge(folder, "web", routes=ROUTES, environ=environ) as bridge:
        yield bridge


def count_lines(bridge: Bridge) -> Counter[str]:
    """Return the number of lines of each event, once an event stored after them has its line."""
    before = bridge.stderr.count('"event":"event"')
    assert bridge.post("/hooks/open", b"{}").status == 202
    until(lambda: bridge.stderr.count('"event":"event"') > before, what="the last line")
    return Counter(line["event"] for line in bridge.log)


@pytest.mark.parametrize(
    ("method", "path", "status", "event"),
    [
        ("POST", "/hooks/nowhere", 404, "unknown_source"),
        ("POST", "/hooks/shop", 401, "rejected"),
        ("GET", "/hooks/files?challenge=x", 200, "handshake"),
    ],
)
def test_a_flood_to_hooks_writes_few_lines(
    bridge: Bridge, method: str, path: str, status: int, event: str
) -> None:
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}"
    for _ in range(FLOOD):
        assert exchange(bridge.port, request.encode()).status == status
    assert LINE_RATE.count <= count_lines(bridge)[event] <= RECEIVERS * LINE_RATE.count


def test_malformed_requests_write_few_lines(bridge: Bridge) -> None:
    for _ in range(FLOOD):
        with socket.create_connection(("127.0.0.1", bridge.port), 60) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\na b: c\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 400")
    assert (
        LINE_RATE.count <= count_lines(bridge)["malformed_request"] <= RECEIVERS * LINE_RATE.count
    )


@pytest.mark.parametrize(
    ("target", "event", "statuses"),
    [
        ("/admin/v1/", "admin_request", {401, 429}),
        ("/console/login", "console_request", {200}),
        ("/api/v1/get_inputs", "api_refused", {401}),
    ],
)
def test_requests_without_a_token_write_few_lines(
    bridge: Bridge, private: int, target: str, event: str, statuses: set[int]
) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{private}\r\nConnection: close\r\n\r\n"
    for _ in range(FLOOD):
        assert exchange(private, request.encode()).status in statuses
    assert LINE_RATE.count <= count_lines(bridge)[event] <= RECEIVERS * LINE_RATE.count
