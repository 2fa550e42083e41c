"""The flow host: the processes that flows come from, so that nothing of theirs is ever in the
worker.

The worker forks the host before it has threads or a store. The host has no flow's code either: for
flows.py as it is now it forks a *generation*, which loads the file and then forks a keeper for each
run, which forks the run's process. A changed file is another generation; runs of the one before go
on. The worker talks to each generation directly; the host only makes and ends them.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NoReturn

import orjson

from bridge.config.settings import take_environ
from bridge.core.errors import BridgeError
from bridge.flows.process import protocol
from bridge.flows.process.child import PROCESSES
from bridge.flows.process.protocol import Spec
from bridge.flows.process.run_supervisor import keep_run
from bridge.flows.registry import Library
from bridge.store.tables.rows import to_json
from bridge.system.linux_process import adopt_orphans, die_with_parent
from bridge.system.logs import get_logger, leave_libraries

log = get_logger()

SPARE_PROCESSES: Final = 64  # of those that our user may have, kept from runs
NICE: Final = 10  # how much lower than the bridge's the priority of flows is
# what a generation says of itself, once
LOADED = b"loaded"
BROKEN = b"broken"
# what the host answers to LOAD; with FORKED come the generation's socket and its report
FORKED = b"forked"
FAILED = b"failed"
# what the host is asked; the path of flows.py follows on LOAD, nothing where there is none
LOAD = b"load "
STOP = b"stop"
LONGEST: Final = 8192  # bytes of what it is asked


@dataclass(frozen=True, slots=True)
class Host:
    """The flow host as the worker has it. `report` is given why flows.py cannot be loaded, or None
    once it is loaded.
    """

    pid: int
    sock: socket.socket
    report: Callable[[str | None], None] = lambda _: None


def start_host(load: Callable[[str | None], Library], environ: Mapping[str, str]) -> Host:
    """Fork the flow host. `load` is called in each generation, with the path of flows.py; `environ`
    is the environment that flows get.
    """
    ours, its = protocol.pair(socket.SOCK_SEQPACKET)
    parent = os.getpid()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _for_good(lambda: _Root(its, load, environ).serve(parent))
    its.close()
    return Host(pid, ours)


def _for_good(work: Callable[[], None]) -> NoReturn:
    """Do the work of a forked process, and end it without the parent's exit handlers."""
    try:
        work()
    except BaseException as error:
        log.error("flow_host_failed", exc_info=error)
        os._exit(1)
    os._exit(0)


def _keep_only(*wanted: int) -> None:
    """Close every open file but these and the standard ones: above all the sockets that the bridge
    listens on.
    """
    for one in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - a list of open files, not of paths
        if one > 2 and one not in wanted:
            with suppress(OSError):
                os.close(one)


class _Root:
    """The host's own process."""

    def __init__(
        self,
        worker: socket.socket,
        load: Callable[[str | None], Library],
        environ: Mapping[str, str],
    ) -> None:
        self._worker = worker
        self._load = load
        self._environ = environ
        self._newest = 0  # the process of the newest generation
        self._rings = -1
        self._bell = -1

    def serve(self, parent: int) -> None:
        """Make generations as the worker asks for them, until it is gone."""
        die_with_parent()
        if os.getppid() != parent:
            return
        _keep_only(self._worker.fileno())
        adopt_orphans()
        os.nice(NICE)
        # niceness alone lets a loop finish its slice before who acknowledges
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)  # stdout holds a command's answer only
        os.close(nothing)
        # whoever sends them to all means the worker, and we end with it
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._hear_of_ends()
        gc.freeze()
        while True:
            ready, _, _ = select.select([self._worker.fileno(), self._rings], [], [])
            if self._rings in ready:
                self._reap()
            if self._worker.fileno() in ready and not self._answer():
                return

    def _hear_of_ends(self) -> None:
        self._rings, self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._rings, 65536)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._newest = 0 if ended == self._newest else self._newest

    def _answer(self) -> bool:
        asked = self._worker.recv(LONGEST)
        if asked.startswith(LOAD):
            self._fork(os.fsdecode(asked.removeprefix(LOAD)) or None)
        elif asked == STOP and self._newest:
            os.kill(self._newest, signal.SIGKILL)
        return bool(asked)

    def _fork(self, path: str | None) -> None:
        """Make a generation. The one before keeps its socket, and ends when the worker has closed
        the other end.
        """
        to_worker, own = protocol.pair(socket.SOCK_SEQPACKET)
        report = protocol.in_memory("flows")
        root = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            log.error("no_process", error=str(error))
            pid = -1
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for one in (self._worker, to_worker):
                one.close()
            os.close(self._rings)
            os.close(self._bell)
            _for_good(
                lambda: _Generation(own, report, self._environ).serve(
                    lambda: self._load(path), root
                )
            )
        self._newest = max(pid, 0)
        if pid > 0:
            protocol.give(self._worker, FORKED, [to_worker.fileno(), report])
        else:
            self._worker.send(FAILED)
        for one in (own, to_worker):
            one.close()
        os.close(report)


class _Generation:
    """The process that has loaded flows.py as it was at one time."""

    def __init__(self, worker: socket.socket, report: int, environ: Mapping[str, str]) -> None:
        self._worker = worker
        self._report = report
        self._environ = environ

    def serve(self, load: Callable[[], Library], root: int) -> None:
        """Load the flows, say so, and fork a keeper for each run that is handed over."""
        die_with_parent()
        if os.getppid() != root:
            return
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        take_environ(self._environ)
        leave_libraries()
        try:
            library = load()
            text = to_json([asdict(one) for one in library.described()]) or ""
        except BridgeError as error:
            os.write(self._report, str(error).encode("utf-8", "backslashreplace")[:65536])
            self._worker.send(BROKEN)
            return
        os.pwrite(self._report, text.encode(), 0)
        os.close(self._report)
        processes = _processes()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are nobody's to wait for
        gc.collect()
        gc.freeze()
        # the file has changed again, and another generation is on its way
        with suppress(BrokenPipeError):
            self._worker.send(LOADED)
        while self._take_one(library, processes):
            pass

    def _take_one(self, library: Library, processes: int) -> bool:
        message, descriptors = protocol.take(self._worker)
        if not message:
            return False
        try:
            if os.fork() == 0:
                self._worker.close()
                _for_good(lambda: _keep(library, descriptors[0], descriptors[1], processes))
        except OSError as error:
            log.error("no_process", error=str(error))  # the worker sees its end closed
        for one in descriptors:
            os.close(one)
        return True


def _keep(library: Library, run: int, written: int, processes: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    spec = Spec(**orjson.loads(protocol.content(written)))
    os.close(written)
    keep_run(library.flows.get(spec.flow), spec, socket.socket(fileno=run), processes)


def _processes() -> int:
    """Return up to how many processes and threads of our user a run may start more: some of what is
    allowed is the bridge's own.
    """
    now = 0
    for one in Path("/proc").iterdir():
        if one.name.isdecimal():
            with suppress(OSError):
                now += (
                    sum(1 for _ in (one / "task").iterdir())
                    if one.stat().st_uid == os.getuid()
                    else 0
                )
    allowed, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    most = now + PROCESSES
    return (
        most
        if allowed == resource.RLIM_INFINITY
        else max(now + SPARE_PROCESSES, min(most, allowed - SPARE_PROCESSES))
    )
