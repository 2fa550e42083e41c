"""Commands that are forked from a process which has imported everything: to start an interpreter
costs a second of a processor.

Each is told its arguments, its environment and its folder as a new process is, and ends as one.
What differs: all modules are there before its durations are known, its program is not its own, at
its end it does not free what it has, and its flows do not wait until nobody else wants a processor:
beside other tests they would wait for most of a test's time.
Who tests starts, or what a process is begun with, begins a new interpreter.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from folders import ROOT

from bridge.system.descriptors import wait_readable

MODULES = (
    "launch",
    "alembic.command",
    "alembic.migration",
    "alembic.config",
    "bridge.cli.commands.serve",
    "bridge.monitoring.prometheus",
    "bridge.runtime.reload.process",
    "bridge.runtime.services",
    "bridge.runtime.watchdog",
    "bridge.store.migrations.upgrade",
    "psycopg",
    "ruamel.yaml",
)
_STILL = ("LD_", "PYTHON", "MALLOC_", "TZ")  # what an interpreter only hears at its start


class Forked:
    """A command that was forked; as `subprocess.Popen` with text where both can do something."""

    def __init__(
        self, pid: int, ends: int, stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        self.pid = pid
        self._ends = ends
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it has ended, a signal as a negative number; None while it goes on."""
        if self.returncode is None and wait_readable([self._ends], 0.0):
            self.returncode = os.waitstatus_to_exitcode(
                int(os.read(self._ends, 20) or signal.SIGKILL)
            )
            os.close(self._ends)
        return self.returncode

    def wait(self, timeout: float = 600.0) -> int:
        """Wait for its end and return how it was."""
        until = time.monotonic() + timeout
        while self.poll() is None:
            if not wait_readable([self._ends], until - time.monotonic()):
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float = 600.0) -> tuple[str, str]:
        """Wait for its end and return what else it has written to both pipes."""
        said = {"stdout": "", "stderr": ""}

        def read(name: str, pipe: TextIO) -> None:
            with pipe:
                said[name] = pipe.read()

        pipes = [
            (name, pipe)
            for name in said
            if (pipe := getattr(self, name)) is not None and not pipe.closed
        ]
        readers = [threading.Thread(target=read, args=pair) for pair in pipes]
        for one in readers:
            one.start()
        self.wait(timeout)
        for one in readers:
            one.join(timeout)
        return said["stdout"], said["stderr"]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and its status is still to come
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Parent:
    """The process that has imported everything, and of which the commands of this session are
    forked.
    """

    def __init__(self) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, __file__, str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()

    def fork(
        self,
        changes: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        output: int,
    ) -> Forked:
        """Begin a command, with the changes of launch.py, both outputs of which go into a file."""
        return Forked(
            *self._begin(["launch", changes, *arguments], environ, folder, output, output)
        )

    def execute(
        self, program: str, environ: Mapping[str, str], folder: Path, output: int = 2
    ) -> Forked:
        """The same with the text of a program, which finds the modules of tests/support."""
        return Forked(*self._begin(["execute", program], environ, folder, output, output))

    def open(self, arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> Forked:
        """Begin a command and have its outputs in pipes."""
        ends = [os.pipe(), os.pipe()]
        begun = self._begin(
            ["launch", "{}", *arguments], environ, folder, *(writes for _, writes in ends)
        )
        for _, writes in ends:
            os.close(writes)
        return Forked(*begun, *(os.fdopen(reads, encoding="utf-8") for reads, _ in ends))

    def _begin(
        self,
        what: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        stdout: int,
        stderr: int,
    ) -> tuple[int, int]:
        sys.audit("os.fork")  # that process forks for this one: see tiers.py
        reads, writes = os.pipe()
        socket.send_fds(
            self._sock,
            [json.dumps([list(what), dict(environ), str(folder)]).encode()],
            [stdout, stderr, writes],
        )
        os.close(writes)
        return int(self._sock.recv(20)), reads

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
    return all(
        os.environ.get(name) == value for name, value in environ.items() if name.startswith(_STILL)
    )


# -- in that process


def _serve(sock: socket.socket) -> None:
    gc.disable()
    for name in MODULES:
        __import__(name)
    from bridge.flows.process import forkserver

    gc.enable()
    forkserver.FLOW_POLICY = os.SCHED_OTHER
    while True:
        told, fds, _, _ = socket.recv_fds(sock, 1 << 20, 3)
        if not told:
            return
        wanted = json.loads(told)
        if wanted[0][0] == "execute":
            __import__("worker_bench")
        gc.freeze()  # else each command looks through all modules at its end, and copies them by that
        if os.fork() == 0:
            _watch(sock, wanted, *fds)
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


def _watch(sock: socket.socket, wanted: list[Any], stdout: int, stderr: int, ends: int) -> None:
    """Fork the command, say its id, and wait for its end, which the pipe tells; returns in the
    command alone, when it has ended.
    """
    pid = os.fork()
    if pid == 0:
        _be(sock, wanted, stdout, stderr)
        return
    sock.send(str(pid).encode())
    sock.close()
    os.close(stdout)
    os.close(stderr)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(pid, 0)
    try:
        os.write(ends, str(status).encode())
    finally:
        os._exit(0)


def _be(sock: socket.socket, wanted: list[Any], stdout: int, stderr: int) -> None:
    from launch import launch

    (kind, *words), environ, folder = wanted
    os.setsid()
    os.chdir(folder)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    sock.detach()
    os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 65536))
    os.environ.clear()
    os.environ.update(environ)
    tempfile.tempdir = None  # what TMPDIR says counts
    if kind == "execute":
        exec(compile(words[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - it is a test's own
        _end(0)
        return
    sys.argv = [str(Path(__file__).with_name("launch.py")), *words]
    sys.orig_argv = [sys.executable, *sys.argv]
    try:
        launch(words[0], words[1:])
    except SystemExit as error:
        if isinstance(error.code, int):
            _end(error.code)
        raise


def _end(code: int) -> None:
    """Exit as an interpreter does, without the tenth of a second in which it frees all modules.
    Returns where that fails, as when a pipe is closed: the interpreter has words for it.
    """
    with suppress(BaseException):
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


if __name__ == "__main__":
    sys.path.insert(1, str(ROOT))  # this checkout's bridge; tests/support comes first
    _serve(socket.socket(fileno=int(sys.argv[1])))
