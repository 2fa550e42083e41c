"""What the process of a run does: it leads a process group of its own within its limits, calls the
flow, and says how that ended.

It says so on a pipe, one JSON line for each file that it keeps and one for the end. The process is
lost afterwards, and may be lost
before: whatever the flow does, its keeper goes on.
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
from bridge.flows.context import Current, call, enter, last_line
from bridge.flows.function import FlowError, FlowFunction
from bridge.flows.process.protocol import Spec
from bridge.flows.types import File, WebhookInput
from bridge.store.blobs import Blobs
from bridge.system.linux_process import die_with_parent, own_group
from bridge.system.redacted_traceback import told

SPARE: Final = 64 * 1024**2  # bytes beyond the limit, to say that it was reached
TRACEBACK: Final = 64 * 1024  # characters of one that are kept
# a run may start processes and threads until its user has so many more than before
PROCESSES: Final = 1024
GO: Final = b"g"  # what it waits for
NEVER_RESET: Final = {signal.SIGKILL, signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class Ends:
    """The open files of a run's process: where its output and its result go, where it is told to
    begin, and what it must not keep.
    """

    output: int
    result: int
    waits: int
    others: Sequence[int]


def run(flow: FlowFunction | None, spec: Spec, ends: Ends, keeper: int, processes: int) -> None:
    """Be the process of a run; does not return."""
    try:
        _settle(ends, keeper)
        add_to_environ(spec.environ)
        _limit(spec.memory, processes)
        _end(ends.result, _outcome(flow, spec, ends.result))
    finally:
        os._exit(70)


def _settle(ends: Ends, keeper: int) -> None:
    """Have nothing of the bridge's: no terminal, no open file, no signal handler."""
    own_group()
    die_with_parent()
    if os.getppid() != keeper:  # it died before we could ask
        os._exit(70)
    for one in ends.others:
        os.close(one)
    # the keeper died before the worker knew of a run: it is begun again
    if os.read(ends.waits, 1) != GO:
        os._exit(70)
    os.close(ends.waits)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (ends.output, 1), (ends.output, 2)):
        os.dup2(source, target)
    for one in (nothing, ends.output):
        os.close(one)
    for number in signal.valid_signals() - NEVER_RESET:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python has it
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
    """Allow `memory` bytes beyond what is shared with the flow host. Out of memory, the kernel is
    to kill runs before anything else.
    """
    used = int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    _lower(resource.RLIMIT_DATA, used + memory, used + memory + SPARE)
    _lower(resource.RLIMIT_CORE, 0, 0)
    _lower(resource.RLIMIT_NPROC, processes, processes)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _lower(which: int, soft: int, hard: int) -> None:
    allowed = [
        one if one != resource.RLIM_INFINITY else sys.maxsize for one in resource.getrlimit(which)
    ]
    resource.setrlimit(which, (min(soft, *allowed), min(hard, allowed[1])))


def _outcome(flow: FlowFunction | None, spec: Spec, result: int) -> dict[str, JSON]:
    """Call the flow and return what is to be said of it. Nothing it raises gets out."""

    def keep(name: str, data: bytes) -> None:
        try:
            sha256 = Blobs(Path(spec.data) / "blobs").keep(data)
        except OSError as error:
            raise FlowError(f"file {name!r} cannot be kept: {error.strerror}") from error
        _tell(result, {"file": [name, sha256, len(data)]})

    try:
        if flow is None:
            raise FlowError(f"there is no flow {spec.flow!r} any more")
        enter(Current(flow.name, Path(spec.data), spec.run_id, keep=keep))
        return {"state": LocalState.DONE, "outputs": call(flow, _inputs(flow, spec))}
    except MemoryError as error:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        traceback.clear_frames(error.__traceback__)  # they hold what there was no room for
        return _failed(f"MemoryError: over its memory limit of {amount(spec.memory)}", error)
    except FlowError as error:
        return _failed(last_line(error), None)
    except BaseException as error:
        return _failed(last_line(error), error)


def _inputs(flow: FlowFunction, spec: Spec) -> dict[str, JSON]:
    """Return the inputs as the function takes them: uploaded files, and the whole body, where it
    asks for them.
    """
    inputs = orjson.loads(spec.inputs)
    inputs = dict(inputs) if isinstance(inputs, dict) else {}
    for one in flow.inputs:
        if one.kind == "body":
            inputs[one.name] = WebhookInput(spec.inputs if spec.body is None else spec.body)
        elif one.name in spec.files:
            files = [File(name, Path(path), size) for name, path, size in spec.files[one.name]]
            inputs[one.name] = files if isinstance(inputs[one.name], list) else files[0]
    return inputs


def _failed(reason: str, error: BaseException | None) -> dict[str, JSON]:
    text = None if error is None else told(error)[-TRACEBACK:]
    return {"state": LocalState.FAILED, "reason": reason, "traceback": text}


def amount(memory: int) -> str:
    """Return a number of bytes as people write it."""
    unit, name = (1000**2, "MB") if memory % 1000**2 == 0 else (1024**2, "MiB")
    return f"{memory / unit:.4g} {name}"


def _tell(result: int, said: dict[str, JSON]) -> None:
    line = orjson.dumps(said, default=str) + b"\n"
    while line:
        line = line[os.write(result, line) :]


def _end(result: int, outcome: dict[str, JSON]) -> None:
    """Say how it ended, and end at once: what threads the flow has left behind are not waited
    for.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    with suppress(OSError):
        _tell(result, outcome)
    os._exit(0)
