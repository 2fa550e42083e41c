"""Commands that are forked from a process which has imported everything: to start an interpreter costs a second of a processor.

Each is told its arguments, its environment and its folder as a new process is, and ends as one. What differs: all modules are there before
its constants are changed, and its program is not its own. Who tests starts, or what a process is begun with, begins a new interpreter.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

MODULES = ("launch", "alembic.command", "alembic.migration", "alembic.config", "bridge.cli.processes", "bridge.exposition",
           "bridge.reload.process", "bridge.store.migrate", "bridge.supervise", "bridge.watch", "psycopg")  # fmt: skip
_STILL = ("LD_", "PYTHON", "MALLOC_", "TZ")  # what an interpreter only hears at its start


class Forked:
    """A command that was forked; as `subprocess.Popen` where both can do something."""

    def __init__(self, pid: int, ends: int) -> None:
        self.pid, self._ends = pid, ends
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it has ended, a signal as a negative number; None while it goes on."""
        if self.returncode is None and select.select([self._ends], [], [], 0)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(os.read(self._ends, 20) or signal.SIGKILL))
            os.close(self._ends)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for its end and return how it was."""
        until = time.monotonic() + timeout
        while self.poll() is None:
            if not select.select([self._ends], [], [], max(0.0, until - time.monotonic()))[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class Parent:
    """The process that has imported everything, and of which the commands of this session are forked."""

    def __init__(self) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, __file__, str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()

    def fork(self, constants: str, arguments: Sequence[str], environ: Mapping[str, str], folder: Path, output: int) -> Forked:
        """Begin a command, both outputs of which go into a file."""
        reads, writes = os.pipe()
        told = json.dumps([constants, list(arguments), dict(environ), str(folder)]).encode()
        socket.send_fds(self._sock, [told], [output, writes])
        os.close(writes)
        return Forked(int(self._sock.recv(20)), reads)

    def end(self) -> None:
        self._sock.close()
        self._process.wait(60)


_parents: dict[int, Parent] = {}  # by the process that has it


def parent() -> Parent:
    """Return that of this process."""
    if os.getpid() not in _parents:
        _parents[os.getpid()] = Parent()
    return _parents[os.getpid()]


def end() -> None:
    """End it, where there is one."""
    if mine := _parents.pop(os.getpid(), None):
        mine.end()


def can_be_forked(environ: Mapping[str, str]) -> bool:
    """Whether the environment says nothing to the interpreter that it has not been told before."""
    return all(os.environ.get(name) == value for name, value in environ.items() if name.startswith(_STILL))


# -- in that process


def _serve(sock: socket.socket) -> None:
    for name in MODULES:
        __import__(name)
    while True:
        told, fds, _, _ = socket.recv_fds(sock, 1 << 20, 2)
        if not told:
            return
        if os.fork() == 0:
            _watch(sock, told, *fds)
            return  # it was the command
        for each in fds:
            os.close(each)
        _reap()


def _reap() -> None:
    """Those that watched commands which have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _watch(sock: socket.socket, told: bytes, output: int, ends: int) -> None:
    """Fork the command, say its id, and wait for its end, which the pipe tells; returns in the command alone, when it has ended."""
    pid = os.fork()
    if pid == 0:
        _be(sock, told, output)
        return
    sock.send(str(pid).encode())
    sock.close()
    os.close(output)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(pid, 0)
    try:
        os.write(ends, str(status).encode())
    finally:
        os._exit(0)


def _be(sock: socket.socket, told: bytes, output: int) -> None:
    from launch import launch

    constants, arguments, environ, folder = json.loads(told)
    os.setsid()
    os.chdir(folder)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sock.detach()
    os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 65536))
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = [str(Path(__file__).with_name("launch.py")), constants, *arguments]
    sys.orig_argv = [sys.executable, *sys.argv]
    launch(constants, arguments)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    _serve(socket.socket(fileno=int(sys.argv[1])))
