"""The forkserver of flows: their code never runs in the worker.

The worker forks the forkserver before it has threads or a store. The forkserver loads no flow
either: for each version of flows.py it forks a *generation*, which loads the file and then forks a
supervisor for each run, which forks the run's process. A changed file gets a new generation, while
runs of the previous one go on. The worker talks to each generation directly; the forkserver only
starts and ends them.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NoReturn

import orjson

from bridge.config.settings import take_environ
from bridge.core.errors import BridgeError
from bridge.flows.loader import FlowLibrary
from bridge.flows.process import protocol
from bridge.flows.process.child import MAX_RUN_PROCESSES
from bridge.flows.process.protocol import RunSpec
from bridge.flows.process.run_supervisor import supervise_run
from bridge.store.tables.rows import to_json
from bridge.system.descriptors import wait_readable
from bridge.system.linux_process import adopt_orphans, die_with_parent
from bridge.system.logs import get_logger, remove_root_handler

log = get_logger()

SPARE_PROCESSES: Final = 64  # of our user's limit, reserved for the bridge
FLOW_NICENESS: Final = 10  # added to the niceness of the bridge
#: With niceness alone a busy flow finishes its time slice before a receiver may answer.
FLOW_POLICY = os.SCHED_IDLE
# reports of a generation, sent once
LOADED = b"loaded"
BROKEN = b"broken"
# answers to LOAD; FORKED carries the generation's socket and its report, and its pid follows
FORKED = b"forked "
FAILED = b"failed"
# requests to the forkserver; the path of flows.py follows LOAD, if there is one, and the pid of a
# generation STOP
LOAD = b"load "
STOP = b"stop "
MAX_REQUEST_BYTES: Final = 8192


@dataclass(frozen=True, slots=True)
class Forkserver:
    """The worker's side of the forkserver.

    `report` is called with the error of flows.py, or with None once it is loaded.
    """

    pid: int
    sock: socket.socket
    report: Callable[[str | None], None] = lambda _: None


def start_forkserver(
    load: Callable[[str | None], FlowLibrary], environ: Mapping[str, str]
) -> Forkserver:
    """Fork the forkserver. Each generation calls `load` with the path of flows.py.

    `environ` is the environment of flows.
    """
    ours, its = protocol.socket_pair(socket.SOCK_SEQPACKET)
    parent = os.getpid()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _run_and_exit(lambda: _ForkserverProcess(its, load, environ).serve(parent))
    its.close()
    return Forkserver(pid, ours)


def _run_and_exit(work: Callable[[], None]) -> NoReturn:
    """Run `work` in a forked process, and exit without the parent's exit handlers."""
    try:
        work()
    except BaseException as error:
        log.error("flow_host_failed", exc_info=error)
        os._exit(1)
    os._exit(0)


def _close_other_files(*kept: int) -> None:
    """Close all open files but these and the standard ones, above all the listening sockets."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - a list of open files, not of paths
        if descriptor > 2 and descriptor not in kept:
            with suppress(OSError):
                os.close(descriptor)


class _ForkserverProcess:
    """The process of the forkserver."""

    def __init__(
        self,
        worker: socket.socket,
        load: Callable[[str | None], FlowLibrary],
        environ: Mapping[str, str],
    ) -> None:
        self._worker = worker
        self._load = load
        self._environ = environ
        self._generations: set[int] = set()  # the processes that have not ended
        self._wakeup_reader = -1
        self._wakeup_writer = -1

    def serve(self, parent: int) -> None:
        """Fork generations on request, until the worker is gone."""
        die_with_parent()
        if os.getppid() != parent:
            return
        _close_other_files(self._worker.fileno())
        adopt_orphans()
        os.nice(FLOW_NICENESS)
        os.sched_setscheduler(0, FLOW_POLICY, os.sched_param(0))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)  # stdout is for the output of commands
        os.close(nothing)
        # signals to the process group are for the worker, and we end with it
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._watch_children()
        gc.freeze()
        # the worker may leave while an answer is sent, or before it has read one
        with suppress(BrokenPipeError, ConnectionResetError):
            while True:
                ready = wait_readable([self._worker.fileno(), self._wakeup_reader])
                if self._wakeup_reader in ready:
                    self._reap()
                if self._worker.fileno() in ready and not self._answer():
                    return

    def _watch_children(self) -> None:
        self._wakeup_reader, self._wakeup_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup_reader, 65536)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._generations.discard(ended)

    def _answer(self) -> bool:
        request = self._worker.recv(MAX_REQUEST_BYTES)
        if request.startswith(LOAD):
            self._fork(os.fsdecode(request.removeprefix(LOAD)) or None)
        elif request.startswith(STOP):
            self._stop(int(request.removeprefix(STOP)))
        return bool(request)

    def _stop(self, generation: int) -> None:
        if generation in self._generations:
            os.kill(generation, signal.SIGKILL)

    def _fork(self, path: str | None) -> None:
        """Fork a generation.

        The previous one keeps its socket, and ends when the worker closes the other end.
        """
        root = os.getpid()
        with ExitStack() as opened:
            try:
                to_worker, own = protocol.socket_pair(socket.SOCK_SEQPACKET)
                opened.enter_context(to_worker)
                opened.enter_context(own)
                report = protocol.create_memory_file("flows")
                opened.callback(os.close, report)
                pid = os.fork()
            except OSError as error:
                log.error("no_process", error=str(error))
                self._worker.send(FAILED)
                return
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for connection in (self._worker, to_worker):
                    connection.close()
                os.close(self._wakeup_reader)
                os.close(self._wakeup_writer)
                _run_and_exit(
                    lambda: _GenerationProcess(own, report, self._environ).serve(
                        lambda: self._load(path), root
                    )
                )
            self._generations.add(pid)
            protocol.send_files(
                self._worker, FORKED + str(pid).encode(), [to_worker.fileno(), report]
            )


class _GenerationProcess:
    """A process that has loaded one version of flows.py."""

    def __init__(self, worker: socket.socket, report: int, environ: Mapping[str, str]) -> None:
        self._worker = worker
        self._report = report
        self._environ = environ

    def serve(self, load: Callable[[], FlowLibrary], root: int) -> None:
        """Load the flows, report them, and fork a supervisor for each run."""
        die_with_parent()
        if os.getppid() != root:
            return
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        take_environ(self._environ)
        remove_root_handler()
        try:
            library = load()
            text = to_json([asdict(flow) for flow in library.described()]) or ""
        except BridgeError as error:
            os.write(self._report, str(error).encode("utf-8", "backslashreplace")[:65536])
            self._send(BROKEN)
            return
        os.pwrite(self._report, text.encode(), 0)
        os.close(self._report)
        processes = _process_limit()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors are not waited for
        gc.collect()
        gc.freeze()
        self._send(LOADED)
        while self._take_one(library, processes):
            pass

    def _send(self, report: bytes) -> None:
        # broken if the worker has left, or the file has changed and a newer generation follows
        with suppress(BrokenPipeError):
            self._worker.send(report)

    def _take_one(self, library: FlowLibrary, processes: int) -> bool:
        message, descriptors = protocol.receive_files(self._worker)
        if not message:
            return False
        try:
            if os.fork() == 0:
                self._worker.close()
                _run_and_exit(
                    lambda: _supervise(library, descriptors[0], descriptors[1], processes)
                )
        except OSError as error:
            log.error("no_process", error=str(error))  # the worker sees the closed socket
        for descriptor in descriptors:
            os.close(descriptor)
        return True


def _supervise(library: FlowLibrary, run: int, written: int, processes: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    spec = RunSpec(**orjson.loads(protocol.read_file(written)))
    os.close(written)
    supervise_run(library.flows.get(spec.flow), spec, socket.socket(fileno=run), processes)


def _process_limit() -> int:
    """Return the limit of processes and threads of our user for a run.

    Some of the limit of the system is reserved for the bridge itself.
    """
    now = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                now += (
                    sum(1 for _ in (entry / "task").iterdir())
                    if entry.stat().st_uid == os.getuid()
                    else 0
                )
    allowed, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    limit = now + MAX_RUN_PROCESSES
    return (
        limit
        if allowed == resource.RLIM_INFINITY
        else max(now + SPARE_PROCESSES, min(limit, allowed - SPARE_PROCESSES))
    )
