"""The console and the admin API have a process of their own while they are used."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from scheduling import lowered, needs_slices, read_scheduling
from serving import (
    Answer,
    Bridge,
    children_of,
    exchange,
    free_port,
    github,
    head,
    read_answer,
    until,
)

from bridge.system.cpu_affinity import count_processors
from bridge.system.priority import SLICE_NANOSECONDS
from bridge.web.server.console_process import NICENESS

pytestmark = pytest.mark.usefixtures("new_processes")

TOKEN = "a-long-enough-admin-token-of-a-test"
BODY = b'{"after": "a page"}'


@pytest.fixture
def private() -> int:
    return free_port()


@contextmanager
def run(folder: Path, private: int, **timings: float) -> Iterator[Bridge]:
    """Run receivers with a private listener."""
    environ = {
        "FLOWBRIDGE_ADMIN_TOKEN": TOKEN,
        "FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{private}",
    }
    with Bridge(folder, "web", environ=environ, timings=timings) as bridge:
        yield bridge


def list_children(bridge: Bridge) -> set[int]:
    """Return the receivers and the process that reads routes.yaml, once all have begun."""
    number = 1 + min(2, count_processors())

    def all_of_them() -> set[int]:
        found = set(children_of(bridge.pid))
        return found if len(found) == number else set()

    return until(all_of_them, what="the receivers")


def open_console(bridge: Bridge, private: int) -> int:
    """Open a page of the console, and return the process that answers for it."""
    before = list_children(bridge)
    assert bridge.get("/console/login", port=private).status == 200
    (console,) = set(children_of(bridge.pid)) - before
    return console


def is_gone(pid: int) -> bool:
    """Return whether a process has ended, and its parent knows."""
    return not Path(f"/proc/{pid}").exists()


def test_it_answers_and_ends_when_nothing_uses_it(private: int, tmp_path: Path) -> None:
    with run(tmp_path, private, restart_idle_seconds=2.0) as bridge:
        before = list_children(bridge)
        console = open_console(bridge, private)

        def has_ended() -> bool:
            assert bridge.event().status == 202  # senders notice nothing
            return is_gone(console)

        until(has_ended, what="the end of the console process")
        assert list_children(bridge) == before
        assert open_console(bridge, private) != console
        assert "console_process_ends" in bridge.stderr
        assert "SIGKILL" not in bridge.stderr


def test_receivers_run_before_it(private: int, tmp_path: Path) -> None:
    needs_slices()
    with run(tmp_path, private) as bridge:
        others = list_children(bridge)
        page = read_scheduling(open_console(bridge, private))
        found = [read_scheduling(pid) for pid in others]
        assert {lowered(one.nice, NICENESS) for one in found} == {page.nice}
        assert all(one.slice_nanoseconds < SLICE_NANOSECONDS for one in found)
        assert page.slice_nanoseconds == SLICE_NANOSECONDS


@pytest.mark.skipif(count_processors() == 1, reason="there is no other processor")
@pytest.mark.parametrize(("edge", "processors"), [("async", count_processors()), ("flask", 1)])
def test_only_receivers_with_busy_threads_keep_to_a_processor(
    edge: str, processors: int, tmp_path: Path
) -> None:
    with Bridge(tmp_path, "web", environ={"FLOWBRIDGE_EDGE": edge}) as bridge:
        others = list_children(bridge)

        def receivers() -> bool:
            """Return whether all but the process that reads routes.yaml are as they should be."""
            found = [len(os.sched_getaffinity(pid)) for pid in others]
            return sorted(found) == [processors] * (len(found) - 1) + [count_processors()]

        until(receivers, what="receivers on their processors")


def test_another_one_follows_a_crash(private: int, tmp_path: Path) -> None:
    with run(tmp_path, private) as bridge:
        before = list_children(bridge)
        console = open_console(bridge, private)
        os.kill(console, signal.SIGKILL)
        until(lambda: is_gone(console), what="the end of the process")
        other = open_console(bridge, private)
        assert set(children_of(bridge.pid)) == before | {other}


def test_another_one_answers_when_it_hangs(private: int, tmp_path: Path) -> None:
    request = head("GET", "/console/login")
    with run(tmp_path, private, console_stall_seconds=3.0) as bridge, ExitStack() as opened:
        before = list_children(bridge)
        earlier, *later = (
            opened.enter_context(socket.create_connection(("127.0.0.1", private), 30))
            for _ in range(5)
        )
        earlier.sendall(request)
        assert read_answer(earlier).status == 200
        (console,) = set(children_of(bridge.pid)) - before
        os.kill(console, signal.SIGSTOP)
        for client in (earlier, *later):
            client.sendall(request)
        assert bridge.event().status == 202  # senders notice nothing
        assert [read_answer(client).status for client in later] == [200] * len(later)
        assert read_answer(earlier).status == 0, "the process had this connection"
        assert is_gone(console)
        (other,) = set(children_of(bridge.pid)) - before
        assert other != console
        assert "console_process_killed" in bridge.stderr


def test_pages_are_refused_where_no_descriptor_is_free(private: int, tmp_path: Path) -> None:
    request = head("GET", "/console/login")
    with run(tmp_path, private) as bridge, ExitStack() as opened:
        console = open_console(bridge, private)
        soft, hard = resource.prlimit(console, resource.RLIMIT_NOFILE)
        used = [int(file.name) for file in Path(f"/proc/{console}/fd").iterdir()]
        resource.prlimit(console, resource.RLIMIT_NOFILE, (1 + max(used), hard))

        def ask() -> Answer:
            client = socket.create_connection(("127.0.0.1", private), 30)
            opened.enter_context(client).sendall(request)
            return read_answer(client)

        refused = next(answer for answer in (ask() for _ in range(100)) if answer.status != 200)
        assert (refused.status, refused.json["error"]) == (503, "busy")
        assert int(refused.headers["retry-after"]) > 0
        # What the process itself had open may have become free meanwhile: then a page takes it.
        until(lambda: {ask().status for _ in range(5)} == {503}, what="refusals alone")
        assert "accept_failed" in bridge.stderr
        resource.prlimit(console, resource.RLIMIT_NOFILE, (soft, hard))
        assert ask().status == 200
        assert not is_gone(console)


def test_one_connection_serves_pages_and_webhooks(tmp_path: Path) -> None:
    environ = {"FLOWBRIDGE_ADMIN_TOKEN": TOKEN}
    with (
        Bridge(tmp_path, "web", environ=environ) as bridge,
        closing(http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=60)) as connection,
    ):

        def ask(method: str, path: str, body: bytes = b"", **headers: str) -> Any:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            answer.read()
            return answer

        assert ask("POST", "/hooks/github", BODY, **github(BODY)).status == 202
        used = connection.sock
        for _ in range(2):
            assert ask("GET", "/console/login").status == 200
            assert connection.sock is used, "the connection is kept for more pages"
        answer = ask("POST", "/hooks/github", BODY, **github(BODY, "another"))
        assert answer.status == 202
        assert answer.headers["Connection"] == "close", "a receiver answers the next one"
        assert ask("POST", "/hooks/github", BODY, **github(BODY, "a third")).status == 202
        assert bridge.count() == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - all interfaces
def test_the_listener_decides_what_is_answered(host: str, private: int, tmp_path: Path) -> None:
    environ = {
        "FLOWBRIDGE_ADMIN_TOKEN": TOKEN,
        "FLOWBRIDGE_PRIVATE_BIND": f"{host}:{private}",
    }
    with Bridge(tmp_path, "web", environ=environ) as bridge:
        assert bridge.get("/console/login").status == 404
        assert bridge.get("/metrics").status == 404
        assert bridge.get("/console/login", port=private).status == 200
        assert bridge.get("/metrics", port=private).status == 200
        assert bridge.post("/hooks/github", BODY, github(BODY), port=private).status == 404


def test_a_request_in_pieces_is_answered(private: int, tmp_path: Path) -> None:
    body = b'{"action": "replay", "filter": {"nothing": "known"}}'
    sent = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    request = head("POST", "/admin/v1/operations", sent) + body
    with run(tmp_path, private) as bridge:
        whole = exchange(private, request)
        assert whole.status == 400, whole
        for cut in (5, 40, len(request) - len(body), len(request) - 7):
            with socket.create_connection(("127.0.0.1", private), 60) as sock:
                sock.sendall(request[:cut])
                assert bridge.event().status == 202
                sock.sendall(request[cut:])
                answer = read_answer(sock)
            assert (answer.status, answer.json["title"]) == (400, whole.json["title"]), cut


def test_a_begun_page_is_answered_at_the_end(private: int, tmp_path: Path) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "9"}
    request = head("POST", "/console/login", headers)
    with run(tmp_path, private) as bridge:
        before = list_children(bridge)
        with socket.create_connection(("127.0.0.1", private), 60) as sock:
            sock.sendall(request + b"tok")
            assert bridge.get("/console/login", port=private).status == 200
            (console,) = set(children_of(bridge.pid)) - before
            assert bridge.process is not None
            bridge.process.send_signal(signal.SIGTERM)
            sock.sendall(b"en=abc")
            assert read_answer(sock).status in (400, 401, 403)
        assert bridge.process.wait(60) == 0
        assert "SIGKILL" not in bridge.stderr
        assert is_gone(console)
