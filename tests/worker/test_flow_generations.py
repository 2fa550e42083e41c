"""The worker's end of the generations, with the host and a generation played by the test."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
import pytest

from bridge.core.local_runs import LocalFlow
from bridge.flows.process import protocol
from bridge.flows.process.forkserver import BROKEN, FAILED, FORKED, LOADED, STOP, Forkserver
from bridge.worker.local.executor import DIED_LOADING, FlowGenerations
from bridge.worker.local.socket_poller import SocketPoller

FLOW = {"id": "echo", "workbook": "w", "inputs": []}


@dataclass
class Results:
    """Records what a `LoadListener` is called with."""

    flows: list[LocalFlow] = field(default_factory=list)
    errors: list[tuple[str, bool]] = field(default_factory=list)
    is_host_dead: bool = False

    def loaded(self, flows: list[LocalFlow]) -> None:
        self.flows = flows

    def broken(self, why: str, *, for_good: bool) -> None:
        self.errors.append((why, for_good))

    def host_died(self) -> None:
        self.is_host_dead = True


class Bench:
    """Generations whose host is the test. `host` is the host's end of its socket."""

    def __init__(self) -> None:
        ours, self.host = protocol.socket_pair(socket.SOCK_SEQPACKET)
        self.results = Results()
        self.sockets = SocketPoller()
        self.generations = FlowGenerations(
            Forkserver(os.getpid(), ours), self.results, self.sockets
        )
        self._opened = [self.host]

    def fork(self, pid: int, report: bytes = b"") -> socket.socket:
        """Report a new generation, and return its end of the socket."""
        to_generation, generation = protocol.socket_pair(socket.SOCK_SEQPACKET)
        self._opened.append(generation)
        descriptor = protocol.create_memory_file("flows", report)
        message = FORKED + str(pid).encode()
        protocol.send_files(self.host, message, [to_generation.fileno(), descriptor])
        to_generation.close()
        os.close(descriptor)
        self.sockets.poll(0)
        return generation

    def say(self, generation: socket.socket, message: bytes) -> None:
        generation.send(message)
        self.sockets.poll(0)

    def close(self) -> None:
        self.generations.leave_host()
        self.generations.close()
        self.sockets.close()
        for sock in self._opened:
            sock.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def test_a_loaded_generation_takes_the_place_of_the_one_before(bench: Bench) -> None:
    first = bench.fork(1, orjson.dumps([FLOW]))
    assert bench.generations.is_loading and bench.generations.current is None
    bench.say(first, LOADED)
    assert [one.id for one in bench.results.flows] == ["echo"]
    before = bench.generations.current
    second = bench.fork(2, b"[]")
    assert bench.generations.current is before is not None
    bench.say(second, LOADED)
    assert bench.results.flows == [] and not bench.generations.is_loading
    assert bench.generations.current is not before
    assert first.recv(1) == b"", "its socket is closed"


@pytest.mark.parametrize(
    ("message", "error"), [(BROKEN, "SyntaxError"), (b"", DIED_LOADING)], ids=["broken", "died"]
)
def test_a_generation_that_cannot_load_changes_nothing(
    bench: Bench, message: bytes, error: str
) -> None:
    good = bench.fork(1, orjson.dumps([FLOW]))
    bench.say(good, LOADED)
    current = bench.generations.current
    bad = bench.fork(2, b"SyntaxError")
    if message:
        bench.say(bad, message)
    else:
        bad.close()
        bench.sockets.poll(0)
    assert bench.results.errors == [(error, True)]
    assert bench.generations.current is current and not bench.generations.is_loading


def test_the_death_of_the_loaded_generation_is_reported(bench: Bench) -> None:
    generation = bench.fork(1, b"[]")
    bench.say(generation, LOADED)
    generation.close()
    bench.sockets.poll(0)
    ((_, for_good),) = bench.results.errors
    assert not for_good and bench.generations.current is None


def test_a_changed_file_stops_the_load_before(bench: Bench) -> None:
    first = bench.fork(1)
    bench.fork(2)
    assert bench.host.recv(100) == STOP + b"1"
    assert first.recv(1) == b"", "its socket is closed"
    assert bench.results.errors == []


def test_a_load_that_takes_too_long_is_stopped_even_without_the_host(bench: Bench) -> None:
    generation = bench.fork(1)
    bench.generations.stop_late_load(0.0)
    assert bench.results.errors == []
    bench.host.close()
    bench.generations.stop_late_load(float("inf"))
    ((error, for_good),) = bench.results.errors
    assert error.startswith("loading the flows took longer than") and for_good
    assert generation.recv(1) == b"", "its socket is closed"


def test_flows_for_which_no_descriptor_is_free_are_loaded_again(bench: Bench) -> None:
    to_generation, generation = protocol.socket_pair(socket.SOCK_SEQPACKET)
    # the second descriptor is missing, as where none was free
    protocol.send_files(bench.host, FORKED + b"7", [to_generation.fileno()])
    to_generation.close()
    bench.sockets.poll(0)
    assert [for_good for _, for_good in bench.results.errors] == [False]
    assert bench.host.recv(100) == STOP + b"7"
    assert generation.recv(1) == b"", "its socket is closed"
    generation.close()


def test_a_host_that_cannot_fork_or_dies_is_reported(bench: Bench) -> None:
    bench.say(bench.host, FAILED)
    assert [for_good for _, for_good in bench.results.errors] == [False]
    bench.host.close()
    bench.sockets.poll(0)
    assert bench.results.is_host_dead
