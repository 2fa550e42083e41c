"""The gate of the crash test holds a start before its time begins, and another before its write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from servers import Misbehaving, respond
from serving import until
from stepped_clocks import Clocks, clocks

from bridge.core.http_messages import Answer, Call
from bridge.system import boot_clock
from bridge.system.boot_clock import Deadline
from bridge.system.deadline_sockets import PlainSocket
from bridge.system.http_client import HttpClient
from bridge.torture import call_gate
from bridge.torture.nodes import Node

__all__ = ["clocks"]
CALL_SECONDS = 600.0
STOP_SECONDS = 3600.0


class Starts:
    """Starts of a flow by one client, each in its thread."""

    def __init__(self, server: Misbehaving) -> None:
        self.server = server
        self.behind: dict[
            str, float
        ] = {}  # route -> by which its thread's monotonic clock is behind
        self._url = server.script("/start", respond(200))
        self._pool = ThreadPoolExecutor(8)
        self._client = HttpClient()

    def begin(self, route: str) -> Future[bool]:
        """Start the flow of a route; the result is whether the server got the start."""
        call = Call(method="POST", url=self._url, body=b'{"route":"%s"}' % route.encode())
        return self._pool.submit(self._send, route, call, Deadline.after(CALL_SECONDS))

    def _send(self, route: str, call: Call, deadline: Deadline) -> bool:
        answer = self._client.send(call, deadline)
        self.behind[route] = boot_clock.boot_seconds() - time.monotonic()
        return isinstance(answer, Answer) or answer.sent

    def received(self) -> set[str]:
        """Return the routes whose starts the server got."""
        return {request.body.decode().split('"')[3] for request in self.server.received}

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()
        self._client.close()


@pytest.fixture
def gate(tmp_path: Path, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a gate in this process, where a stop is a step of all clocks."""
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + clocks.later)
    for owner, name in ((HttpClient, "send"), (PlainSocket, "sendall")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # so that it is set back
    file = tmp_path / "gate"
    call_gate.install_gate(file)
    return file


@pytest.fixture
def starts(gate: Path) -> Iterator[Starts]:
    with Misbehaving() as server:
        running = Starts(server)
        yield running
        gate.unlink(missing_ok=True)
        running.close()


def hold_two(gate: Path, starts: Starts) -> tuple[Future[bool], Future[bool]]:
    """Begin two starts, one after the other, and wait until the gate holds both."""
    first = starts.begin("seldom1")
    until(lambda: call_gate.read_moments(gate) == {"send"}, what="the first start is held")
    second = starts.begin("sole2")
    until(lambda: call_gate.holds_all(gate), what="both are held")
    return first, second


def test_two_starts_are_held_until_the_gate_opens(gate: Path, starts: Starts) -> None:
    with call_gate.close_gate(gate):
        both = hold_two(gate, starts)
        assert starts.begin("held").result() and starts.begin("seldom3").result()
        assert starts.received() == {"held", "seldom3"}
        assert starts.server.connections == 2, "the second one in the gate is connected"
        assert not any(start.done() for start in both)
    assert all(start.result() for start in both)
    assert starts.received() == {"held", "seldom3", "seldom1", "sole2"}
    with call_gate.close_gate(gate):
        hold_two(gate, starts)


def test_an_open_gate_holds_no_start(gate: Path, starts: Starts) -> None:
    assert starts.begin("seldom1").result()
    assert not gate.exists() and call_gate.read_moments(gate) == set()


def test_the_monotonic_clock_of_the_second_start_does_not_count_the_stop(
    gate: Path, starts: Starts, clocks: Clocks
) -> None:
    before = boot_clock.boot_seconds() - time.monotonic()
    with call_gate.close_gate(gate):
        both = hold_two(gate, starts)
        clocks.later += STOP_SECONDS
    assert [start.result() for start in both] == [False, False]
    assert starts.behind["sole2"] - before >= STOP_SECONDS
    assert (
        abs(starts.behind["seldom1"] - before)
        < 1
        > abs(boot_clock.boot_seconds() - time.monotonic() - before)
    )


def count_from_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time of a call begin when the client gets it."""
    call = HttpClient._call
    monkeypatch.setattr(
        HttpClient,
        "_call",
        lambda self, request, deadline, most: call(
            self, request, Deadline.after(deadline.seconds), most
        ),
    )


def count_by_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot_clock, "boot_seconds", time.monotonic)


@pytest.mark.parametrize(
    ("weaken", "late"),
    [
        (lambda _: None, set()),
        (count_from_the_call, {"seldom1"}),
        (count_by_the_monotonic_clock, {"sole2"}),
    ],
    ids=["as it is", "from the call", "by the monotonic clock"],
)
def test_each_moment_finds_its_own_late_start(
    gate: Path,
    starts: Starts,
    clocks: Clocks,
    monkeypatch: pytest.MonkeyPatch,
    weaken: Callable[[pytest.MonkeyPatch], None],
    late: set[str],
) -> None:
    weaken(monkeypatch)
    with call_gate.close_gate(gate):
        first, second = hold_two(gate, starts)
        clocks.later += STOP_SECONDS
    assert (first.result(), second.result()) == ("seldom1" in late, "sole2" in late)
    assert starts.received() == late


@pytest.mark.parametrize("command", ["web", "work", "celery", "serve"])
def test_only_processes_that_make_calls_beside_others_have_a_gate(
    tmp_path: Path, command: str
) -> None:
    node = Node(1, tmp_path, {}, 1, [command])
    has_gate = str(node.gate) in node.processes[command].command
    assert has_gate is (command in ("work", "celery"))
    assert node.gate != Node(0, tmp_path, {}, 1, [command]).gate
