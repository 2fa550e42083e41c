"""The worker's end of the flow host: nothing stays open where it is closed while something
comes.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge.flows.process import protocol
from bridge.flows.process.forkserver import FORKED, Forkserver
from bridge.worker.local import executor
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

    monkeypatch.setattr(executor.protocol, "receive_files", take_slowly)
    before = set(threading.enumerate())
    listener: Any = None  # nothing is told
    one = Executor(Forkserver(os.getpid(), ours), listener)
    (thread,) = set(threading.enumerate()) - before
    protocol.send_files(its, FORKED, [to_generation.fileno(), report])
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
