"""The supervisor of a run: the parent of the run's process.

It reads the output into bounded memory, enforces the time limit, ends the run on request and kills
every process that the run leaves behind. It is a process of its own, so that a flood of output or
of processes costs only that run. It talks to the worker on one stream: see `protocol`. If the
worker dies, the run is killed.

The flow can write to the pipe of the report on how it ended, so each line of it is checked.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NoReturn

import orjson

from bridge.core.local_runs import LocalState
from bridge.flows.context import read_outputs
from bridge.flows.errors import FlowError
from bridge.flows.function import FlowFunction
from bridge.flows.process import child as child_process
from bridge.flows.process.child import MAX_TRACEBACK_CHARACTERS
from bridge.flows.process.log_buffer import LogBuffer
from bridge.flows.process.protocol import (
    FRAME_BEGUN,
    FRAME_ENDED,
    FRAME_KILL,
    FRAME_LOG,
    MAX_FRAME_BYTES,
    RunEnd,
    RunSpec,
    encode_frame,
)
from bridge.flows.types import MAX_SAVED_FILES, check_file_name
from bridge.system.linux_process import (
    adopt_orphans,
    defer_signals,
    list_children,
    start_process_group,
)
from bridge.system.logs import get_logger

MAX_FILE_SIZE: Final = 2**53
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def read_run_end(
    reported: bytes, status: int, end_reason: str | None = None
) -> tuple[RunEnd, str | None]:
    """Return the end of a run without its log, and the last lines for the log.

    `reported`: the bytes on the pipe of the report. `status`: of the process, from `waitpid`.
    `end_reason`: `LocalState.TERMINATED` or a sentence if the supervisor ended the run.
    """
    files, said = _read_report(reported)
    if end_reason is not None and said.get("state") != LocalState.DONE:
        if end_reason is LocalState.TERMINATED:
            return RunEnd(state=LocalState.TERMINATED, files=files), None
        return RunEnd(state=LocalState.FAILED, files=files), end_reason
    if not said:
        return RunEnd(state=LocalState.FAILED, files=files), _describe_death(status)
    end = RunEnd(
        state=LocalState.DONE if said["state"] == LocalState.DONE else LocalState.FAILED,
        outputs=said.get("outputs") or {},
        files=files,
        traceback=(said.get("traceback") or "")[-MAX_TRACEBACK_CHARACTERS:] or None,
    )
    return end, said.get("reason")


def _read_report(text: bytes) -> tuple[list[tuple[str, str, int]], Mapping[str, Any]]:
    """Return the saved files and the reported result; the result is empty without a report."""
    files: dict[str, tuple[str, str, int]] = {}
    said: Mapping[str, Any] = {}
    for line in text.splitlines():
        try:
            report = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # truncated, or written by the flow itself
        match report:
            case {"file": [str(name), str(sha256), int(size)]} if (
                (name in files or len(files) < MAX_SAVED_FILES)
                and _is_file_name(name)
                and _DIGEST.fullmatch(sha256)
                and 0 <= size < MAX_FILE_SIZE
            ):
                files[name] = name, sha256, size
            case {"state": LocalState.DONE, "outputs": dict(outputs)}:
                said = _check_outputs(outputs)
            case {"state": str(), "reason": str(), "traceback": str() | None}:
                said = report
    return [*files.values()], said


def _is_file_name(name: str) -> bool:
    try:
        check_file_name(name)
    except FlowError:
        return False
    return True


def _check_outputs(outputs: dict[str, Any]) -> dict[str, Any]:
    """Return a reported result: the run's process has checked its outputs, if it wrote them."""
    try:
        return {"state": LocalState.DONE, "outputs": read_outputs(outputs)}
    except FlowError as error:
        return {"state": LocalState.FAILED, "reason": str(error)}


def _describe_death(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        description = next(
            (candidate.name for candidate in signal.Signals if candidate == number),
            f"signal {number}",
        )
        hint = (
            " (not sent by flowbridge; the kernel sends it when memory runs out)"
            if number == signal.SIGKILL
            else ""
        )
        return f"The flow's process died: {description}{hint}"
    return f"The flow's process ended with code {os.WEXITSTATUS(status)} and no result"


log = get_logger()

KILL_SECONDS: Final = 10.0  # for killing the processes that a run leaves behind
LOG_UPDATE_SECONDS: Final = 1.0  # between two updates of a growing log
MAX_UPDATE_CHARACTERS: Final = 64 * 1024  # of the log
OUTPUT_READ_BYTES: Final = 256 * 1024
MAX_RESULT_BYTES: Final = MAX_FRAME_BYTES // 4  # bytes of a run's report


class RunSupervisor:
    """Supervisor of one run, from its fork to its end.

    `pid` is the run's process, `output` and `result` are the pipes it writes to, and it waits on
    `go`.
    """

    def __init__(
        self, spec: RunSpec, worker: socket.socket, pid: int, output: int, result: int, go: int
    ) -> None:
        self._spec = spec
        self._worker = worker
        self._pid = pid
        self._output = output
        self._result = result
        self._go = go
        self._tail = LogBuffer()
        self._reported = bytearray()  # on the pipe for results
        # why the run is being ended: LocalState.TERMINATED, or a sentence
        self._end_reason: str | None = None
        self._deadline = time.monotonic() + spec.time_limit
        self._kill_at = float("inf")
        self._sent = 0
        self._update_at = time.monotonic() + LOG_UPDATE_SECONDS / 4

    def supervise(self) -> None:
        """Report the start, release the process, wait for its end and report that."""
        # It may be refused: before the report of the start the run can be tried again.
        ended = os.pidfd_open(self._pid)
        self._send(FRAME_BEGUN, b"")
        with suppress(BrokenPipeError):  # it is dead already
            os.write(self._go, child_process.START_SIGNAL)
        os.close(self._go)
        self._watch(ended)
        # its group, whose number stays in use until waitpid
        self._signal(signal.SIGKILL)
        status = os.waitpid(self._pid, 0)[1]
        self._kill_remaining()
        self._drain()
        end, reason = read_run_end(bytes(self._reported), status, self._end_reason)
        if reason is not None:
            self._tail.add(reason)
        self._send(FRAME_ENDED, orjson.dumps(replace(end, log=list(self._tail.lines()))))

    def _watch(self, ended: int) -> None:
        """Handle what comes until the process has ended. `ended` is its descriptor."""
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
            self._act_on_time(time.monotonic())

    def _next(self) -> float:
        return min(
            self._deadline,
            self._kill_at,
            self._update_at if self._tail.size != self._sent else float("inf"),
        )

    def _read(self, descriptor: int) -> bool:
        data = os.read(descriptor, OUTPUT_READ_BYTES)
        if descriptor == self._output:
            self._tail.feed(data)
        elif len(self._reported) < MAX_RESULT_BYTES:
            self._reported += data
        return bool(data)

    def _listen(self) -> None:
        try:
            request = self._worker.recv(64)
        except ConnectionResetError:
            request = b""
        if not request:
            self._give_up()
        if FRAME_KILL in request:
            self._terminate(LocalState.TERMINATED)

    def _act_on_time(self, now: float) -> None:
        if now >= self._deadline:
            self._deadline = float("inf")
            self._terminate(f"The run was over its time limit of {self._spec.time_limit:g} s.")
        if now >= self._kill_at:
            self._kill_at = float("inf")
            self._signal(signal.SIGKILL)
        if now >= self._update_at and self._tail.size != self._sent:
            self._sent = self._tail.size
            self._update_at = now + LOG_UPDATE_SECONDS
            self._send(FRAME_LOG, orjson.dumps(_newest_lines(self._tail.lines())))

    def _terminate(self, why: str) -> None:
        if self._end_reason is None:
            self._end_reason, self._kill_at = why, time.monotonic() + self._spec.stop_seconds
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)  # a stopped process gets no other signal

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)

    def _give_up(self) -> NoReturn:
        """Kill the run and exit, since the worker is gone."""
        self._signal(signal.SIGKILL)
        self._kill_remaining()
        os._exit(0)

    def _kill_remaining(self) -> None:
        """Kill the remaining processes of the run.

        Processes that left the group, and their descendants, are our children by now.
        """
        until = time.monotonic() + KILL_SECONDS
        while time.monotonic() < until:
            for child in list_children():
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
        """Read the rest of the pipes, which have no writer any more."""
        for descriptor in (self._output, self._result):
            os.set_blocking(descriptor, False)
            with suppress(BlockingIOError):
                while self._read(descriptor):
                    pass

    def _send(self, kind: bytes, text: bytes) -> None:
        try:
            self._worker.sendall(encode_frame(kind, text))
        except OSError:
            self._give_up()


def _newest_lines(lines: tuple[str, ...]) -> list[str]:
    """Return the last lines that are worth sending during the run."""
    room = MAX_UPDATE_CHARACTERS
    at = len(lines)
    while at and room > 0:
        at -= 1
        room -= len(lines[at])
    return list(lines[at:])


def supervise_run(
    flow: FlowFunction | None, spec: RunSpec, worker: socket.socket, processes: int
) -> None:
    """Supervise a run in this process: fork its process and wait for its end.

    An error before the run exists raises OSError.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    start_process_group()
    adopt_orphans()
    output, writes = os.pipe2(os.O_CLOEXEC)
    result, says = os.pipe2(os.O_CLOEXEC)
    waits, go = os.pipe2(os.O_CLOEXEC)
    supervisor_pid = os.getpid()
    with defer_signals():  # signals that arrive before its setup are delivered after it
        pid = os.fork()
        if pid == 0:
            child_process.run(
                flow,
                spec,
                child_process.RunPipes(writes, says, waits, (output, result, go, worker.fileno())),
                supervisor_pid,
                processes,
            )
    with suppress(OSError):  # both processes do this, since either may be first
        os.setpgid(pid, pid)
    for descriptor in (writes, says, waits):
        os.close(descriptor)
    RunSupervisor(spec, worker, pid, output, result, go).supervise()
