"""The process of a run: set up its process group and limits, call the flow, report the result.

It reports on a pipe, with one JSON line for each saved file and one for the end. The process exits
afterwards and may die at any time; its supervisor goes on.
"""

from __future__ import annotations

import io
import os
import resource
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from bridge.config.settings import add_to_environ
from bridge.core.local_runs import LocalState
from bridge.core.model import JSON
from bridge.flows.author_frames import list_author_frames
from bridge.flows.context import CurrentRun, call_flow, error_line, set_current
from bridge.flows.errors import FlowError
from bridge.flows.file_saver import FileSaver
from bridge.flows.function import FlowFunction
from bridge.flows.process.protocol import RunSpec
from bridge.flows.types import File, WebhookInput
from bridge.system.linux_process import die_with_parent, start_process_group
from bridge.system.redacted_traceback import format_traceback

SPARE_BYTES: Final = 64 * 1024**2  # bytes beyond the limit, to report that it was reached
MAX_TRACEBACK_CHARACTERS: Final = 64 * 1024
MAX_REASON_CHARACTERS: Final = 64 * 1024
# processes and threads that a run may add to those of its user
MAX_RUN_PROCESSES: Final = 1024
START_SIGNAL: Final = b"g"
NEVER_RESET: Final = {signal.SIGKILL, signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class RunPipes:
    """The open files of a run's process: output, result, the start signal, and files to close."""

    output: int
    result: int
    waits: int
    others: Sequence[int]


def run(
    flow: FlowFunction | None, spec: RunSpec, ends: RunPipes, supervisor_pid: int, processes: int
) -> None:
    """Run the flow in this process. Does not return."""
    try:
        _set_up(ends, supervisor_pid)
        add_to_environ(spec.environ)
        _limit(spec.memory, processes)
        _end(ends.result, _outcome(flow, spec, ends.result))
    finally:
        os._exit(70)


def _set_up(ends: RunPipes, supervisor_pid: int) -> None:
    """Remove everything of the bridge: terminal, open files, signal handlers."""
    start_process_group()
    die_with_parent()
    if os.getppid() != supervisor_pid:  # it died before die_with_parent
        os._exit(70)
    for descriptor in ends.others:
        os.close(descriptor)
    # the supervisor died before the worker knew of the run, which is started again
    if os.read(ends.waits, 1) != START_SIGNAL:
        os._exit(70)
    os.close(ends.waits)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (ends.output, 1), (ends.output, 2)):
        os.dup2(source, target)
    for descriptor in (nothing, ends.output):
        os.close(descriptor)
    for number in signal.valid_signals() - NEVER_RESET:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as in Python
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open as standard input
    sys.stdout = _written_to(1)
    sys.stderr = _written_to(2)


def _written_to(descriptor: int) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def _limit(memory: int, processes: int) -> None:
    """Allow `memory` bytes beyond the memory shared with the forkserver.

    If the machine is out of memory, the kernel kills runs first.
    """
    used = int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    _lower(resource.RLIMIT_DATA, used + memory, used + memory + SPARE_BYTES)
    _lower(resource.RLIMIT_CORE, 0, 0)
    _lower(resource.RLIMIT_NPROC, processes, processes)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _lower(which: int, soft: int, hard: int) -> None:
    allowed = [
        limit if limit != resource.RLIM_INFINITY else sys.maxsize
        for limit in resource.getrlimit(which)
    ]
    resource.setrlimit(which, (min(soft, *allowed), min(hard, allowed[1])))


def _outcome(flow: FlowFunction | None, spec: RunSpec, result: int) -> dict[str, JSON]:
    """Call the flow and return its result. Catch every exception."""
    keep = FileSaver(Path(spec.data), lambda *file: _report(result, {"file": [*file]}))
    try:
        if flow is None:
            raise FlowError(f"flow {spec.flow!r} no longer exists")
        set_current(CurrentRun(flow.name, Path(spec.data), spec.run_id, keep=keep))
        return {"state": LocalState.DONE, "outputs": call_flow(flow, _inputs(flow, spec))}
    except MemoryError as error:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        traceback.clear_frames(error.__traceback__)  # they hold the data that was too large
        reason = f"MemoryError: over its memory limit of {format_bytes(spec.memory)}"
        return _report_failure(reason, error, flow)
    except FlowError as error:
        return _report_failure(error_line(error), None, flow)
    except BaseException as error:
        return _report_failure(error_line(error), error, flow)


def _inputs(flow: FlowFunction, spec: RunSpec) -> dict[str, JSON]:
    """Return the inputs as the function takes them, with uploaded files and the whole body."""
    inputs = orjson.loads(spec.inputs)
    inputs = dict(inputs) if isinstance(inputs, dict) else {}
    for parameter in flow.inputs:
        if parameter.kind == "body":
            inputs[parameter.name] = WebhookInput(spec.inputs if spec.body is None else spec.body)
        elif parameter.name in spec.files:
            files = [
                File(name, Path(path), size) for name, path, size in spec.files[parameter.name]
            ]
            inputs[parameter.name] = files if isinstance(inputs[parameter.name], list) else files[0]
    return inputs


def _report_failure(
    reason: str, error: BaseException | None, flow: FlowFunction | None
) -> dict[str, JSON]:
    """Return the report of a failure: lines for the run's log, and a traceback for ours.

    Both end with the place of the error in the author's code.
    """
    frames = [] if error is None or flow is None else list_author_frames(error, flow.folder)
    place = f" ({frames[-1].place})" if frames else ""
    lines = [f"  {frame.place} in {frame.function}" for frame in frames]
    text = None if error is None else format_traceback(error).rstrip("\n") + place
    return {
        "state": LocalState.FAILED,
        "reason": _encodable("\n".join([*lines, reason[:MAX_REASON_CHARACTERS] + place])),
        "traceback": text and _encodable(text[-MAX_TRACEBACK_CHARACTERS:]),
    }


def _encodable(text: str) -> str:
    """Return the text with escapes for lone surrogates, which JSON cannot have."""
    return text.encode("utf-8", "backslashreplace").decode()


def format_bytes(memory: int) -> str:
    """Return a number of bytes for people, such as 512 MB."""
    unit, name = (1000**2, "MB") if memory % 1000**2 == 0 else (1024**2, "MiB")
    return f"{memory / unit:.4g} {name}"


def _report(result: int, said: dict[str, JSON]) -> None:
    line = orjson.dumps(said, default=str) + b"\n"
    while line:
        line = line[os.write(result, line) :]


def _end(result: int, outcome: dict[str, JSON]) -> None:
    """Report the result and exit at once, without waiting for threads of the flow."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    with suppress(OSError):
        _report(result, outcome)
    os._exit(0)
