"""A body that nothing reads is not waited for, and those of one listener leave room for others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from select import select

import pytest
from edges import EDGES
from serving import Bridge, children_of, exchange, free_port, head, read_answer, until

from bridge.core.units import MIB
from bridge.web.server.event_loop.connection import MAX_HELD_PAGE_BYTES
from bridge.web.server.event_loop.loop_edge import PAGE_BODY_BYTES

TOKEN = "a-long-enough-admin-token-of-a-test"
CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[tuple[Bridge, int]]:
    """Receivers with a public and a private listener; the public one has the flow API, too."""
    private = free_port()
    environ = {
        **EDGES["async"],
        "FLOWBRIDGE_ADMIN_TOKEN": TOKEN,
        "FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{private}",
        "FLOWBRIDGE_EXPOSE": "api",
    }
    timings = {"request_body_seconds": 600.0}  # longer than any test
    folder = tmp_path_factory.mktemp("two")
    with Bridge(folder, "web", environ=environ, timings=timings) as bridge:
        yield bridge, private


@pytest.mark.parametrize(
    ("listener", "method", "target", "status"),
    [
        ("public", "POST", "/healthz", 405),
        ("public", "GET", "/healthz", 200),
        ("public", "POST", "/nowhere", 404),
        ("public", "POST", "/forms/nowhere", 405),
        ("public", "POST", "/metrics", 404),
        ("public", "POST", "/console/login", 404),
        ("public", "POST", "/admin/v1/operations", 404),
        ("public", "POST", "/hooks/nowhere", 404),
        ("private", "POST", "/hooks/github", 404),
        ("private", "POST", "/healthz", 404),
        ("private", "POST", "/metrics", 405),
        ("private", "GET", "/console/login", 200),
        ("private", "GET", "/admin/v1/", 401),
        ("private", "POST", "/api/v1/get_inputs", 405),
        ("private", "POST", "/api/v1/nowhere", 404),
    ],
)
def test_a_body_that_nothing_reads_is_not_waited_for(
    two: tuple[Bridge, int], listener: str, method: str, target: str, status: int
) -> None:
    bridge, private = two
    port = private if listener == "private" else bridge.port
    answer = exchange(port, head(method, target, CHUNKED), b"100000\r\nbut no more")
    assert (answer.status, answer.headers["connection"]) == (status, "close")


def test_a_foreign_host_is_refused_by_the_head(two: tuple[Bridge, int]) -> None:
    _, private = two
    begin = head("POST", "/console/login", {**CHUNKED, "Host": "evil.example.com"})
    assert exchange(private, begin, b"100000\r\nbut no more").status == 421


def test_the_public_listener_begins_no_console(two: tuple[Bridge, int]) -> None:
    bridge, _ = two
    before = set(children_of(bridge.pid))
    for target in ("/console/login", "/console", "/admin/v1/"):
        assert bridge.get(target).status == 404
        assert set(children_of(bridge.pid)) <= before


def test_bodies_of_the_public_listener_leave_room_on_the_private_one(
    two: tuple[Bridge, int],
) -> None:
    bridge, private = two
    piece = b"%x\r\n%s" % (MAX_HELD_PAGE_BYTES, b"x" * MAX_HELD_PAGE_BYTES)
    begin = head("POST", "/api/v1/start_pipeline", CHUNKED)
    room = 2 * PAGE_BODY_BYTES // MIB  # of two receivers
    with ExitStack() as stack:
        connections = []
        for _ in range(room + 8):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), 60))
            connections.append(sock)
            with suppress(OSError):
                sock.sendall(begin + piece)
        until(lambda: len(select(connections, [], [], 0)[0]) >= 8, what="refusals")
        answered = select(connections, [], [], 0)[0]
        assert read_answer(answered[0]).status == 503
        for _ in range(20):
            assert bridge.post("/api/v1/start_pipeline", b"{}", port=private).status == 401
