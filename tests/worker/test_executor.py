"""The worker's end of the flow host: nothing stays open where it is closed while something
comes.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, cast

import pytest
from serving import is_alive, until

from bridge.flows.process import protocol
from bridge.flows.process.forkserver import FORKED, STOP, Forkserver, start_forkserver
from bridge.flows.ready.catalog import READY_FLOWS
from bridge.flows.registry import FlowLibrary
from bridge.worker.local import executor
from bridge.worker.local.executor import Executor, _FlowsVersion


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

    monkeypatch.setattr(executor.protocol, "receive_files", take_slowly)
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


def test_giving_up_a_load_leaves_the_thread_alive_where_the_host_is_gone() -> None:
    ours, its = protocol.socket_pair(socket.SOCK_SEQPACKET)
    to_generation, generation = protocol.socket_pair(socket.SOCK_SEQPACKET)
    report = protocol.create_memory_file("flows")
    broken = threading.Event()
    listener: Any = SimpleNamespace(
        host_died=lambda: None, broken=lambda _why, *, for_good: broken.set() if for_good else None
    )
    one = Executor(Forkserver(os.getpid(), ours), listener)
    its.close()
    one._give_up_loading(_FlowsVersion(1, to_generation, report, 0.0))
    assert broken.is_set()
    one.close()
    generation.close()


def test_flows_for_which_no_descriptor_is_free_are_loaded_again() -> None:
    ours, its = protocol.socket_pair(socket.SOCK_SEQPACKET)
    to_generation, generation = protocol.socket_pair(socket.SOCK_SEQPACKET)
    tried: SimpleQueue[bool] = SimpleQueue()
    listener: Any = SimpleNamespace(broken=lambda _why, *, for_good: tried.put(for_good))
    one = Executor(Forkserver(os.getpid(), ours), listener)
    protocol.send_files(its, FORKED + b"7", [to_generation.fileno()])  # the second is dropped
    to_generation.close()
    assert tried.get(timeout=60) is False
    assert its.recv(100) == STOP + b"7"
    assert generation.recv(1) == b"", "its socket is closed"
    one.close()
    for sock in (its, generation):
        sock.close()


def test_a_run_for_which_there_is_no_socket_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, its = protocol.socket_pair(socket.SOCK_SEQPACKET)
    returned: list[str] = []
    listener: Any = SimpleNamespace(returned=returned.append)
    one = Executor(Forkserver(os.getpid(), ours), listener)
    one._current = cast("Any", SimpleNamespace(sock=its))

    def refuse(_kind: int) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(executor.protocol, "socket_pair", refuse)
    one.begin(cast("protocol.RunSpec", SimpleNamespace(run_id="run_1")))
    assert returned == ["run_1"]
    one.close()
    its.close()


@pytest.mark.parametrize("begun", [True, False])
def test_a_run_that_sends_no_frames_is_lost_at_once(begun: bool) -> None:
    ours, its = protocol.socket_pair(socket.SOCK_SEQPACKET)
    ends: SimpleQueue[tuple[str, str]] = SimpleQueue()
    listener: Any = SimpleNamespace(
        lost=lambda run_id: ends.put(("lost", run_id)),
        returned=lambda run_id: ends.put(("returned", run_id)),
    )
    one = Executor(Forkserver(os.getpid(), ours), listener)
    to_flows, flows = protocol.socket_pair(socket.SOCK_SEQPACKET)
    one._current = _FlowsVersion(1, to_flows, -1, 0.0)
    one.begin(
        protocol.RunSpec(run_id="run", flow="f", inputs="{}", data="", time_limit=1, memory=1)
    )
    _, (run, written) = protocol.receive_files(flows)
    os.close(written)
    supervisor = socket.socket(fileno=run)
    supervisor.sendall(protocol.encode_frame(protocol.FRAME_BEGUN) if begun else b"")
    supervisor.sendall(b"\xff" * 5)
    assert ends.get(timeout=60) == ("lost" if begun else "returned", "run")
    assert supervisor.recv(1) == b"", "its socket is closed"
    one.close()
    for sock in (supervisor, flows, its):
        sock.close()


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
