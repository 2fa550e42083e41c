"""The worker's end of the flow host: nothing stays open where it is closed while something
comes.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, cast

import pytest
from serving import is_alive, until

from bridge.core.errors import BridgeError
from bridge.flows.loader import FlowLibrary
from bridge.flows.process import forkserver, protocol
from bridge.flows.process.forkserver import FORKED, LOAD, LOADED, Forkserver, start_forkserver
from bridge.flows.ready.catalog import READY_FLOWS
from bridge.system.descriptors import wait_readable
from bridge.worker.local.executor import Executor


def test_a_generation_that_comes_while_it_closes_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, its = protocol.socket_pair(socket.SOCK_SEQPACKET)
    to_generation, generation = protocol.socket_pair(socket.SOCK_SEQPACKET)
    report, says = os.pipe()
    taken = threading.Event()
    closed = threading.Event()
    take = protocol.receive_files

    def take_slowly(sock: socket.socket) -> tuple[bytes, list[int]]:
        found = take(sock)
        taken.set()
        closed.wait(60)
        return found

    monkeypatch.setattr(protocol, "receive_files", take_slowly)
    before = set(threading.enumerate())
    listener: Any = None  # nothing is told
    one = Executor(Forkserver(os.getpid(), ours), listener)
    (thread,) = set(threading.enumerate()) - before
    protocol.send_files(its, FORKED + b"1", [to_generation.fileno(), report])
    to_generation.close()
    os.close(report)
    assert taken.wait(60)
    one.close()
    closed.set()
    thread.join(60)
    generation.setblocking(False)
    assert generation.recv(1) == b"", "its socket is closed"
    with pytest.raises(BrokenPipeError):
        os.write(says, b"x")
    os.close(says)
    for sock in (its, generation):
        sock.close()


@pytest.mark.usefixtures("new_processes")
def test_flows_that_load_for_ever_are_stopped_when_the_file_has_changed(tmp_path: Path) -> None:
    def load(path: str | None) -> FlowLibrary:
        if path is not None:
            Path(path).write_text(str(os.getpid()))
            threading.Event().wait()
        return FlowLibrary({})

    loaded = threading.Event()
    host = start_forkserver(load, {})
    listener: Any = SimpleNamespace(loaded=lambda _flows: loaded.set(), host_died=lambda: None)
    one = Executor(host, listener)
    first = tmp_path / "pid"
    one.load(str(first))
    pid = int(until(lambda: first.is_file() and first.read_text(), what="the first load"))
    one.load(None)
    assert loaded.wait(60)
    until(lambda: not is_alive(pid), what="the end of the first load")
    one.close()
    os.waitpid(host.pid, 0)


@contextmanager
def loaded_flows(**told: Any) -> Iterator[tuple[Executor, socket.socket]]:
    """Give an executor, and the end of its socket that a process with the flows has.

    `told`: of the listener.
    """
    ours, its = protocol.socket_pair(socket.SOCK_SEQPACKET)
    to_generation, generation = protocol.socket_pair(socket.SOCK_SEQPACKET)
    report = protocol.create_memory_file("flows", b"[]")
    loaded = threading.Event()
    listener: Any = SimpleNamespace(
        loaded=lambda _flows: loaded.set(), host_died=lambda: None, **told
    )
    one = Executor(Forkserver(os.getpid(), ours), listener)
    protocol.send_files(its, FORKED + b"1", [to_generation.fileno(), report])
    to_generation.close()
    os.close(report)
    generation.send(LOADED)
    assert loaded.wait(60)
    yield one, generation
    one.close()
    for sock in (its, generation):
        sock.close()


def test_a_run_for_which_there_is_no_socket_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_kind: int) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    returned: list[str] = []
    with loaded_flows(returned=returned.append) as (one, _):
        monkeypatch.setattr(protocol, "socket_pair", refuse)
        one.begin(cast("protocol.RunSpec", SimpleNamespace(run_id="run_1")))
        assert returned == ["run_1"]


@pytest.mark.parametrize("begun", [True, False])
def test_a_run_that_sends_no_frames_is_lost_at_once(begun: bool) -> None:
    ends: SimpleQueue[tuple[str, str]] = SimpleQueue()
    told = {how: lambda run_id, how=how: ends.put((how, run_id)) for how in ("lost", "returned")}
    with loaded_flows(**told) as (one, flows):
        one.begin(
            protocol.RunSpec(run_id="run", flow="f", inputs="{}", data="", time_limit=1, memory=1)
        )
        _, (run, written) = protocol.receive_files(flows)
        os.close(written)
        with socket.socket(fileno=run) as supervisor:
            supervisor.sendall(protocol.encode_frame(protocol.FRAME_BEGUN) if begun else b"")
            supervisor.sendall(b"\xff" * 5)
            assert ends.get(timeout=60) == ("lost" if begun else "returned", "run")
            assert supervisor.recv(1) == b"", "its socket is closed"


@pytest.mark.usefixtures("new_processes")
def test_a_run_whose_process_cannot_be_watched_is_returned() -> None:
    def load(_path: str | None) -> FlowLibrary:
        def refuse(_pid: int) -> int:
            raise OSError(errno.ENFILE, "Too many open files in system")

        os.pidfd_open = refuse  # in the process that loads the flows, and its supervisors
        return FlowLibrary(READY_FLOWS)

    loaded = threading.Event()
    ends: SimpleQueue[tuple[str, str]] = SimpleQueue()
    host = start_forkserver(load, {})
    listener: Any = SimpleNamespace(
        loaded=lambda _flows: loaded.set(),
        host_died=lambda: None,
        **{how: lambda run_id, how=how: ends.put((how, run_id)) for how in ("lost", "returned")},
    )
    one = Executor(host, listener)
    one.load(None)
    assert loaded.wait(60)
    limits: Any = {"time_limit": 60, "memory": 10**9}
    one.begin(protocol.RunSpec(run_id="run", flow="echo", inputs="{}", data="", **limits))
    assert ends.get(timeout=60) == ("returned", "run")
    one.close()
    os.waitpid(host.pid, 0)


@pytest.fixture
def errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the names of the errors that the forkserver and its generations log."""
    written = tmp_path / "errors"
    written.touch()

    def write(event: str, **_fields: object) -> None:
        with written.open("a") as file:
            file.write(f"{event}\n")

    monkeypatch.setattr(forkserver, "log", SimpleNamespace(error=write))
    return written


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("answered", [False, True])
def test_the_forkserver_ends_quietly_when_the_worker_leaves_its_answer_unread(
    errors: Path, answered: bool
) -> None:
    host = start_forkserver(lambda _: FlowLibrary({}), {})
    host.sock.send(LOAD)
    if answered:
        wait_readable([host.sock.fileno()])
    host.sock.close()
    _, status = os.waitpid(host.pid, 0)
    assert errors.read_text() == ""
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.usefixtures("new_processes")
def test_broken_flows_end_quietly_when_the_worker_has_left(tmp_path: Path, errors: Path) -> None:
    left = tmp_path / "left"
    os.mkfifo(left)

    def load(_path: str | None) -> FlowLibrary:
        left.read_bytes()  # returns once the test has written
        raise BridgeError("flows.py is broken")

    host = start_forkserver(load, {})
    host.sock.send(LOAD)
    said, descriptors = protocol.receive_files(host.sock)
    for one in descriptors:
        os.close(one)
    left.write_bytes(b"now")
    pid = int(said.removeprefix(FORKED))
    until(lambda: not is_alive(pid), what="the end of the generation")
    host.sock.close()
    os.waitpid(host.pid, 0)
    assert errors.read_text() == ""
