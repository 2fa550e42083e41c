"""The keeper of a run: the parent of its process. Reads what it writes into bounded memory, holds
it to its time limit, ends it when told to, and sees to it that nothing of it is left. It is a
process of its own, so that a flood of output or a storm of processes costs the run itself and
nobody else.

It talks to the worker on one stream: see `wire`. When the worker is gone, so is the run.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import suppress
from typing import Any, Final, NoReturn

import orjson

from bridge.core.local_runs import LocalState
from bridge.flows.function import FlowFunction
from bridge.flows.process import child as child_process
from bridge.flows.process.log_buffer import Tail
from bridge.flows.process.protocol import BEGUN, ENDED, KILL, LOG, MOST, Ended, Spec, frame
from bridge.system.linux_process import adopt_orphans, children, deaf, own_group
from bridge.system.logs import get_logger

log = get_logger()

CHASE: Final = 10.0  # seconds that are spent on ending what a run has left behind
LOOK: Final = 1.0  # seconds between the times that the log is sent while it grows
LIVE: Final = 64 * 1024  # characters of the log that are sent while the run goes on
PIECE: Final = 256 * 1024  # bytes read at once
RESULT: Final = MOST // 4  # bytes that a run may say of itself


class Keeper:
    """Keeps one run from its fork to its end.

    `pid` is its process, `output` and `result` the pipes it writes to, `go` the one on which it
    waits.
    """

    def __init__(
        self, spec: Spec, worker: socket.socket, pid: int, output: int, result: int, go: int
    ) -> None:
        self._spec = spec
        self._worker = worker
        self._pid = pid
        self._output = output
        self._result = result
        self._go = go
        self._tail = Tail()
        self._said = bytearray()  # on the pipe for results
        # it is being ended, and why: a LocalState.TERMINATED, or a sentence
        self._why: str | None = None
        self._deadline = time.monotonic() + spec.time_limit
        self._kill_at = float("inf")
        self._sent = 0
        self._look_at = time.monotonic() + LOOK / 4

    def keep(self) -> None:
        """Let the process go once the worker was told that it does, watch until it has ended, and
        tell the worker how.
        """
        self._send(BEGUN, b"")
        with suppress(BrokenPipeError):  # it is dead already
            os.write(self._go, child_process.GO)
        os.close(self._go)
        self._watch()
        # its group, whose number is taken until the process is waited for
        self._signal(signal.SIGKILL)
        status = os.waitpid(self._pid, 0)[1]
        self._leave_nothing()
        self._drain()
        self._send(ENDED, orjson.dumps(self._ended(status)))

    def _watch(self) -> None:
        ended = os.pidfd_open(self._pid)
        poll = select.poll()
        for descriptor in (ended, self._output, self._result, self._worker.fileno()):
            poll.register(descriptor, select.POLLIN)
        while True:
            wait = min(max(0.0, self._next() - time.monotonic()), 3600.0)
            ready = {descriptor for descriptor, _ in poll.poll(wait * 1000)}
            if ended in ready:
                os.close(ended)
                return
            for descriptor in ready & {self._output, self._result}:
                if not self._read(descriptor):
                    poll.unregister(descriptor)
            if self._worker.fileno() in ready:
                self._listen()
            self._look(time.monotonic())

    def _next(self) -> float:
        return min(
            self._deadline,
            self._kill_at,
            self._look_at if self._tail.size != self._sent else float("inf"),
        )

    def _read(self, descriptor: int) -> bool:
        data = os.read(descriptor, PIECE)
        if descriptor == self._output:
            self._tail.feed(data)
        elif len(self._said) < RESULT:
            self._said += data
        return bool(data)

    def _listen(self) -> None:
        try:
            told = self._worker.recv(64)
        except ConnectionResetError:
            told = b""
        if not told:
            self._give_up()
        if KILL in told:
            self._terminate(LocalState.TERMINATED)

    def _look(self, now: float) -> None:
        if now >= self._deadline:
            self._deadline = float("inf")
            self._terminate(f"The run was over its time limit of {self._spec.time_limit:g} s.")
        if now >= self._kill_at:
            self._kill_at = float("inf")
            self._signal(signal.SIGKILL)
        if now >= self._look_at and self._tail.size != self._sent:
            self._sent = self._tail.size
            self._look_at = now + LOOK
            self._send(LOG, orjson.dumps(_newest(self._tail.lines())))

    def _terminate(self, why: str) -> None:
        if self._why is None:
            self._why, self._kill_at = why, time.monotonic() + self._spec.stop_seconds
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)  # what is stopped hears nothing

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)

    def _give_up(self) -> NoReturn:
        """Nobody is left to tell: the run ends, and so do we."""
        self._signal(signal.SIGKILL)
        self._leave_nothing()
        os._exit(0)

    def _leave_nothing(self) -> None:
        """Kill whoever is left. They are our children by now: those that left the group, and their
        children after them.
        """
        until = time.monotonic() + CHASE
        while time.monotonic() < until:
            for child in children():
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(child, signal.SIGKILL)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.001)
        log.error("left_behind", run_id=self._spec.run_id, flow=self._spec.flow)

    def _drain(self) -> None:
        """Read what is left in the pipes; nobody writes any more."""
        for descriptor in (self._output, self._result):
            os.set_blocking(descriptor, False)
            with suppress(BlockingIOError):
                while self._read(descriptor):
                    pass

    def _send(self, kind: bytes, text: bytes) -> None:
        try:
            self._worker.sendall(frame(kind, text))
        except OSError:
            self._give_up()

    # -- how it ended

    def _ended(self, status: int) -> Ended:
        files, said = _read_result(bytes(self._said))
        if self._why is not None and said.get("state") != LocalState.DONE:
            state = (
                LocalState.TERMINATED if self._why is LocalState.TERMINATED else LocalState.FAILED
            )
            reason = None if self._why is LocalState.TERMINATED else self._why
            return self._telling(state, reason, files)
        if not said:
            return self._telling(LocalState.FAILED, _died(status), files)
        state = LocalState.DONE if said["state"] == LocalState.DONE else LocalState.FAILED
        return self._telling(
            state, said.get("reason"), files, said.get("outputs"), said.get("traceback")
        )

    def _telling(
        self,
        state: LocalState,
        reason: str | None,
        files: list[tuple[str, str, int]],
        outputs: Any = None,
        traceback: str | None = None,
    ) -> Ended:
        if reason is not None:
            self._tail.add(reason)
        return Ended(
            state=state,
            outputs=outputs or {},
            log=list(self._tail.lines()),
            files=files,
            traceback=traceback,
        )


def _read_result(text: bytes) -> tuple[list[tuple[str, str, int]], dict[str, Any]]:
    """Return the files that were kept, and what was said at the end: empty where it did not come to
    that.
    """
    files = []
    said = {}
    for line in text.splitlines():
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # cut off, or written by the flow itself
        if isinstance(found, dict) and "file" in found:
            files.append(tuple(found["file"]))
        elif isinstance(found, dict) and "state" in found:
            said = found
    return files, said


def _died(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        known = next((one.name for one in signal.Signals if one == number), f"signal {number}")
        hint = (
            " (not sent by flowbridge; the kernel sends it where memory runs out)"
            if number == signal.SIGKILL
            else ""
        )
        return f"The flow's process died: {known}{hint}"
    return f"The flow's process ended with code {os.WEXITSTATUS(status)} and no result"


def _newest(lines: tuple[str, ...]) -> list[str]:
    """Return the last of the lines, as many as are worth sending while the run goes on."""
    room = LIVE
    at = len(lines)
    while at and room > 0:
        at -= 1
        room -= len(lines[at])
    return list(lines[at:])


def keep_run(flow: FlowFunction | None, spec: Spec, worker: socket.socket, processes: int) -> None:
    """Be the keeper of a run, and its process: fork, and watch. What fails before there is a run is
    OSError.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    own_group()
    adopt_orphans()
    output, writes = os.pipe2(os.O_CLOEXEC)
    result, says = os.pipe2(os.O_CLOEXEC)
    waits, go = os.pipe2(os.O_CLOEXEC)
    keeper = os.getpid()
    with deaf():  # it hears what comes before it has made itself ready when it has
        pid = os.fork()
        if pid == 0:
            child_process.run(
                flow,
                spec,
                child_process.Ends(writes, says, waits, (output, result, go, worker.fileno())),
                keeper,
                processes,
            )
    with suppress(OSError):  # it does so too: whoever is first
        os.setpgid(pid, pid)
    for one in (writes, says, waits):
        os.close(one)
    Keeper(spec, worker, pid, output, result, go).keep()
