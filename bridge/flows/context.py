"""Run one flow, and give its code access to the run: log, files and data folder."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from bridge.core.json_values import exceeds_depth
from bridge.core.local_runs import LocalState, RunResult
from bridge.core.model import JSON
from bridge.flows.errors import FlowError
from bridge.flows.function import FlowFunction
from bridge.flows.process.log_buffer import LogBuffer
from bridge.flows.types import check_file_name
from bridge.system.logs import get_logger

MAX_RUN_OUTPUT_BYTES: Final = 1024 * 1024  # bytes of JSON
#: orjson writes 254 levels, and the reports of the processes add some.
MAX_RUN_OUTPUT_DEPTH: Final = 250

logger = get_logger()


class RunLog:
    """The log of a run in this process, safe for any thread."""

    def __init__(self) -> None:
        self._tail = LogBuffer()
        self._lock = threading.Lock()

    def print(self, text: str) -> None:
        """Add printed text."""
        with self._lock:
            self._tail.feed(text.encode("utf-8", "backslashreplace"))

    def add(self, line: str) -> None:
        """Add a line, after the end of any line that is still open."""
        with self._lock:
            self._tail.add(line)

    def lines(self) -> tuple[str, ...]:
        """Return the stored lines, oldest first."""
        with self._lock:
            return self._tail.lines()


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The current run. `data_dir` is the folder in which a flow may store files."""

    flow: str
    data_dir: Path
    run_id: str = ""
    log: RunLog | None = None  #: None in a run's own process, whose output is the log
    keep: Callable[[str, bytes], None] | None = None  #: saves a file of the run


_current: ContextVar[CurrentRun | None] = ContextVar("bridge_current_run", default=None)
_install = threading.Lock()
_process_run: list[CurrentRun] = []  # in a run's own process: the run of all threads


def set_current(run: CurrentRun) -> None:
    """Make a run the current run of this process and all its threads."""
    _process_run[:] = [run]


def _find_current() -> CurrentRun | None:
    return _current.get() or (_process_run[0] if _process_run else None)


def current() -> CurrentRun:
    """Return the current run. Raise FlowError outside of a run."""
    run = _find_current()
    if run is None:
        raise FlowError("this works only inside a run of the local platform")
    return run


def log(*values: object) -> None:
    """Write a line to the run's log; outside a run, to stderr."""
    text = " ".join(map(str, values))
    run = _find_current()
    if run is not None and run.log is not None:
        run.log.print(text + "\n")
    else:
        (sys.stderr if run is None else sys.stdout).write(text + "\n")


def save_file(name: str, data: bytes | str) -> str:
    """Save a file of this run for download and return its name. Text is saved as UTF-8."""
    run = current()
    if run.keep is None:
        raise FlowError("only a run of the local platform can save a file")
    if not isinstance(data, bytes | bytearray | memoryview | str):
        raise FlowError(
            f"file {name!r}: the content is {type(data).__name__}; pass bytes or a text"
        )
    run.keep(check_file_name(name), data.encode() if isinstance(data, str) else bytes(data))
    return name


class _Output(io.TextIOBase):
    """Replacement of sys.stdout: text printed in a run goes to its log, other text to stdout."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def write(self, text: str) -> int:
        run = _current.get()
        if run is None or run.log is None:
            written: int = self.real.write(text)
            return written
        run.log.print(text)
        return len(text)

    def flush(self) -> None:
        if _current.get() is None:
            self.real.flush()

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    # TextIOBase defines these, so that __getattr__ is never called for them.
    def fileno(self) -> int:
        number: int = self.real.fileno()
        return number

    def isatty(self) -> bool:
        return bool(self.real.isatty())

    @property
    def encoding(self) -> Any:  # type: ignore[override]  # that of the real output
        return self.real.encoding


def run_flow(flow: FlowFunction, inputs: Mapping[str, JSON], *, data_dir: Path) -> RunResult:
    """Run a flow in this process and return its result. Only KeyboardInterrupt is raised.

    Inputs without a parameter are ignored, as on the public platform; a missing input fails the
    run.
    """
    from bridge.flows.file_saver import FileSaver

    with _install:
        if not isinstance(sys.stdout, _Output):
            sys.stdout = _Output(sys.stdout)
    written = RunLog()
    keep = FileSaver(data_dir, lambda *_: None)
    token = _current.set(CurrentRun(flow.name, data_dir, log=written, keep=keep))
    failure: BaseException | None = None
    result = RunResult(state=LocalState.FAILED)
    try:
        outputs = call_flow(flow, inputs)
        result = RunResult(state=LocalState.DONE, outputs=outputs, log=written.lines())
    except (Exception, SystemExit) as error:
        failure = error
        written.add(error_line(error))
        result = RunResult(state=LocalState.FAILED, log=written.lines())
    finally:
        _current.reset(token)
    if failure is not None and not isinstance(failure, FlowError):
        logger.warning("flow_failed", flow=flow.name, exc_info=failure)
    return result


def call_flow(flow: FlowFunction, inputs: Mapping[str, JSON]) -> dict[str, JSON]:
    """Call the flow's function and return its outputs, and raise its exceptions.

    Raise FlowError for invalid inputs or outputs.
    """
    return read_outputs(flow.function(**_arguments(flow, inputs)))


def _arguments(flow: FlowFunction, inputs: Mapping[str, JSON]) -> dict[str, JSON]:
    names = {parameter.name for parameter in flow.inputs}
    missing = [
        parameter.name
        for parameter in flow.inputs
        if parameter.required and parameter.name not in inputs
    ]
    if missing:
        required = ", ".join(parameter.name for parameter in flow.inputs if parameter.required)
        raise FlowError(
            f"flow {flow.name}: missing required inputs: {', '.join(missing)} (required:"
            f" {required})"
        )
    return {name: value for name, value in inputs.items() if flow.takes_any or name in names}


def read_outputs(value: Any) -> dict[str, JSON]:
    """Return the outputs after a round trip through JSON, so that they equal the stored ones.

    Raise FlowError for outputs that are invalid, too large or too deep.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise FlowError(
            f"the flow returned {type(value).__name__}; return a mapping of outputs, or nothing"
        )
    try:
        text = orjson.dumps(dict(value))
    except TypeError as error:
        raise FlowError(f"the outputs are not JSON: {error}") from error
    if len(text) > MAX_RUN_OUTPUT_BYTES:
        raise FlowError(
            f"the outputs are {len(text)} bytes of JSON; the limit is {MAX_RUN_OUTPUT_BYTES}"
        )
    if exceeds_depth(text, MAX_RUN_OUTPUT_DEPTH):
        raise FlowError(f"the outputs nest deeper than {MAX_RUN_OUTPUT_DEPTH} levels")
    outputs: dict[str, JSON] = orjson.loads(text)
    return outputs


def error_line(error: BaseException) -> str:
    """Return an error as the last line of a traceback; a FlowError without its type."""
    try:
        text = str(error).strip()
    except Exception:
        text = "(its text cannot be shown)"
    if isinstance(error, FlowError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
