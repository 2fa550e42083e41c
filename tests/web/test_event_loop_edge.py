"""Receivers on an event loop: what they do otherwise than those with threads, and what they must
do as those.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from serving import Bridge, exchange, github, head, read_answer, until
from slow_senders import SlowSenders, endless_body, endless_head, networks

from bridge.store.db.database import file_lock

pytestmark = pytest.mark.usefixtures("new_processes")

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}", max_body: 2 MiB}
  page: {provider: form, rate: 100/min and 100/min per address}
routes:
  - {name: everything, on: github, inputs: {body: "${body}"}, flow: local/echo}
"""
ENVIRON = {"FLOWBRIDGE_EDGE": "async"}
READ_TIME = 0.5


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    timings = {
        "request_head_seconds": 600.0,
        "request_body_seconds": 600.0,
        "metrics_cache_seconds": 0.0,
        "lock_watch_seconds": 600.0,  # this process holds the lock in a test
    }
    folder = tmp_path_factory.mktemp("loop")
    with Bridge(folder, "web", routes=ROUTES, timings=timings, environ=ENVIRON) as bridge:
        yield bridge


def whole(body: bytes = b"{}", **headers: str) -> bytes:
    given = {"Content-Length": str(len(body)), **headers, **github(body)}
    return head("POST", "/hooks/github", given) + body


@pytest.mark.parametrize("begin", [endless_head(), endless_body()], ids=["head", "body"])
def test_slow_senders_cost_no_thread_and_are_not_refused(web: Bridge, begin: bytes) -> None:
    with SlowSenders(web.port, begin, networks(100) * 3) as slow:
        until(lambda: slow.open == 300, what="connections")
        assert [web.event().status for _ in range(20)] == [202] * 20
        assert slow.answers == []


def test_requests_follow_each_other_on_a_connection_and_in_one_packet(web: Bridge) -> None:
    with socket.create_connection(("127.0.0.1", web.port), 60) as sock:
        for _ in range(3):
            sock.sendall(whole())
            assert read_answer(sock).status == 202
        before = web.count()
        sock.sendall(whole() + whole() + whole(Connection="close"))
        data = b""
        while piece := sock.recv(65536):
            data += piece
        assert data.count(b"HTTP/1.1 202 Accepted\r\n") == 3
        assert web.count() == before + 3


def test_a_sender_that_closes_its_end_gets_its_answer(web: Bridge) -> None:
    assert exchange(web.port, whole(), end=True).status == 202


def test_events_that_come_together_are_all_stored(web: Bridge) -> None:
    before = web.count()
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: web.event().status, range(200)))
    assert statuses == [202] * 200
    assert web.count() == before + 200


def test_a_refused_body_is_read_so_that_the_answer_arrives(web: Bridge) -> None:
    body = b"x" * 5_000_000
    answer = exchange(web.port, head("POST", "/hooks/github", {"Content-Length": "5000000"}), body)
    assert answer.status == 413


@pytest.mark.parametrize("size", [30_000, 40_000, 200 * 1024])
def test_a_body_of_any_size_is_stored_whole(web: Bridge, size: int) -> None:
    body = b'"' + b"x" * (size - 2) + b'"'
    answer = web.event(body)
    assert answer.status == 202
    assert web.found(answer.json["event_id"]).event.body == body


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/forms/page", 200),
        ("POST", "/healthz", 405),
        ("GET", "/metrics", 200),
        ("GET", "/hooks", 404),
    ],
)
def test_flask_answers_everything_else(web: Bridge, method: str, target: str, status: int) -> None:
    sent = head(method, target, {"Content-Length": "0", "Connection": "close"})
    answer = exchange(web.port, sent)
    assert answer.status == status
    assert answer.headers["server"] == "gunicorn"


def test_commits_and_the_lag_of_the_loop_are_measured(web: Bridge) -> None:
    assert web.event().status == 202
    names = (b"flowbridge_commit_seconds_count", b"flowbridge_loop_lag_seconds_count")
    until(
        lambda: all(name in web.get("/metrics").body for name in names),
        what="the histograms",
    )


def test_a_commit_that_waits_for_the_lock_holds_up_no_other_request(web: Bridge) -> None:
    """Another process holds it until the others have their answers."""
    assert web.event().status == 202
    requests = [
        (head("GET", "/healthz"), 200),
        (head("GET", "/nowhere"), 404),
        (head("POST", "/hooks/nowhere", {"Content-Length": "0"}), 404),
        (head("POST", "/api/v1/start_pipeline", {"Content-Length": "0"}), 401),
    ]
    with ExitStack() as stack:
        before = [stack.enter_context(connect(web.port)) for _ in range(8)]
        for sock in before:  # both receivers have some of them
            sock.sendall(whole())
            assert read_answer(sock).status == 202
        sender, *others = before
        with file_lock(web.database.path, "lock"):
            sender.sendall(whole())
            until(lambda: has_waiter(web.database.path), what="the commit")
            for sock in others:
                for sent, status in requests:
                    sock.sendall(sent)
                    answer = read_answer(sock)
                    assert answer.status == status
                    if answer.headers["connection"] == "close":
                        break
        assert read_answer(sender).status == 202


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 60)


def has_waiter(path: Path) -> bool:
    """Whether a process waits for the lock file beside a database."""
    inode = path.with_name(f"{path.name}.lock").stat().st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and line.split()[6].endswith(f":{inode}") for line in lines)


def test_a_page_and_a_webhook_share_a_connection(web: Bridge) -> None:
    with socket.create_connection(("127.0.0.1", web.port), 60) as sock:
        for _ in range(2):
            sock.sendall(head("GET", "/healthz"))
            assert read_answer(sock).status == 200
            sock.sendall(whole())
            assert read_answer(sock).status == 202


def test_slow_pages_do_not_hold_up_webhooks(web: Bridge) -> None:
    """More clients than threads of Flask send requests whose body never comes."""
    with SlowSenders(
        web.port,
        head("POST", "/api/v1/start_pipeline", {"Content-Length": "9"}),
        ["127.0.0.1"] * 20,
    ) as slow:
        until(lambda: slow.open == 20, what="connections")
        assert web.event().status == 202


def drip(sock: socket.socket, stop: threading.Event) -> None:
    """Send a byte now and then."""
    with suppress(OSError):
        while not stop.wait(0.05):
            sock.sendall(b"x")


def test_slow_requests_are_cut_off_and_the_end_waits_for_no_idle_connection(
    tmp_path: Path,
) -> None:
    timings = {"request_head_seconds": READ_TIME, "request_body_seconds": READ_TIME}
    with Bridge(tmp_path, "web", routes=ROUTES, timings=timings, environ=ENVIRON) as bridge:
        with socket.create_connection(("127.0.0.1", bridge.port), 60) as sock:
            sock.sendall(endless_head())
            assert read_answer(sock).status == 0, "closed without an answer"
        with socket.create_connection(("127.0.0.1", bridge.port), 60) as sock:
            sock.sendall(endless_body())
            assert read_answer(sock).json["error"] == "cut_short"
        begun = head("POST", "/hooks/github", {"Content-Length": "9", **github(b"")})
        with socket.create_connection(("127.0.0.1", bridge.port), 60) as sock:
            sock.sendall(begun)
            assert read_answer(sock).json["error"] == "cut_short"
        for begin, statuses in ((endless_head(), (0,)), (endless_body(), (400,))):
            stop = threading.Event()
            with socket.create_connection(("127.0.0.1", bridge.port), 60) as sock:
                sock.sendall(begin)
                thread = threading.Thread(target=drip, args=(sock, stop))
                thread.start()
                try:
                    assert read_answer(sock).status in statuses
                finally:
                    stop.set()
                    thread.join()
        with socket.create_connection(("127.0.0.1", bridge.port), 60) as idle:
            idle.sendall(whole())
            assert read_answer(idle).status == 202
            began = time.monotonic()
            assert bridge.stop() == 0
            assert time.monotonic() - began < 6


def test_a_receiver_that_is_full_accepts_again_when_connections_close(tmp_path: Path) -> None:
    sizes = {"bridge.web.server.event_loop.worker.MAX_CONNECTIONS": 4}
    with Bridge(tmp_path, "web", routes=ROUTES, timings=sizes, environ=ENVIRON) as bridge:
        idle = [socket.create_connection(("127.0.0.1", bridge.port), 60) for _ in range(30)]
        for one in idle:
            one.close()
        assert bridge.event().status == 202


def test_an_unknown_edge_is_refused(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path, "web", routes=ROUTES, environ={"FLOWBRIDGE_EDGE": "uwsgi"})
    code, said = bridge.run()
    assert code != 0 and "FLOWBRIDGE_EDGE: 'uwsgi' is not an edge; allowed: async, flask" in said


def test_clients_that_close_before_their_answers_stop_no_other(web: Bridge) -> None:
    """Commits have requests of clients that are gone, and of others that wait."""

    def send_and_close(number: int) -> None:
        with connect(web.port) as sock:
            sock.sendall(whole(b'{"gone": %d}' % number, Connection="close"))

    def send_and_wait(number: int) -> int:
        return web.event(b'{"waits": %d}' % number).status

    before = len(web.stderr)
    with ThreadPoolExecutor(16) as pool:
        statuses = []
        for number in range(400):
            pool.submit(send_and_close, number)
            if number % 4 == 0:
                statuses.append(pool.submit(send_and_wait, number))
        assert [status.result() for status in statuses] == [202] * 100
    assert "internal_error" not in web.stderr[before:]
