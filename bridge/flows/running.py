"""Runs one flow: inputs in, a result out, and a log of its own however many run at once."""

from __future__ import annotations

import io
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from bridge.flows.function import FlowError, FlowFunction
from bridge.logs import get_logger
from bridge.model import JSON, LocalState, RunResult

LOG_LINES: Final = 1000
LOG_LENGTH: Final = 2000  # characters
MAX_OUTPUTS: Final = 1024 * 1024  # bytes of JSON

logger = get_logger()


class RunLog:
    """The last LOG_LINES lines a run wrote, each at most LOG_LENGTH characters: how it ended matters more than how it began."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LOG_LINES - 1)  # one is kept for the note that some are gone
        self._dropped = 0
        self._open = ""  # what was printed without a line end so far
        self._lock = threading.Lock()

    def add(self, text: str) -> None:
        """Add whole lines."""
        self.print(text + "\n")

    def print(self, text: str) -> None:
        """Add text as it is printed; a line is a line once its end has come."""
        with self._lock:
            *lines, rest = (self._open + text).split("\n")
            for line in lines:
                self._dropped += len(self._lines) == self._lines.maxlen
                self._lines.append(_cut(line))
            self._open = rest[: LOG_LENGTH + 1]

    def lines(self) -> tuple[str, ...]:
        """Return what is kept, oldest first."""
        with self._lock:
            lines = (*self._lines, _cut(self._open)) if self._open else tuple(self._lines)
            lines = lines[-(LOG_LINES - 1) :]
            return (f"({self._dropped} earlier lines are not kept)", *lines) if self._dropped else lines


@dataclass(frozen=True, slots=True)
class Current:
    """The run that the calling code belongs to. `data_dir` is the folder a flow may keep things in."""

    flow: str
    data_dir: Path
    log: RunLog = field(default_factory=RunLog)


_current: ContextVar[Current | None] = ContextVar("bridge_current_run", default=None)
_install = threading.Lock()


def current() -> Current:
    """Return the run that is being executed here; FlowError outside one."""
    run = _current.get()
    if run is None:
        raise FlowError("this works only inside a run of the local platform")
    return run


def log(*values: object) -> None:
    """Write a line to the run's log; outside a run, to stderr."""
    text = " ".join(map(str, values))
    run = _current.get()
    if run is not None:
        run.log.add(text)
    else:
        sys.stderr.write(text + "\n")


class _Output(io.TextIOBase):
    """Stands for sys.stdout: text printed inside a run goes to its log, all other text where it always went."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def write(self, text: str) -> int:
        run = _current.get()
        if run is None:
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

    # TextIOBase defines these, so __getattr__ would never be asked.
    def fileno(self) -> int:
        number: int = self.real.fileno()
        return number

    def isatty(self) -> bool:
        return bool(self.real.isatty())

    @property
    def encoding(self) -> Any:  # type: ignore[override]
        return self.real.encoding


def run_flow(flow: FlowFunction, inputs: Mapping[str, JSON], *, data_dir: Path) -> RunResult:
    """Run a flow to its end and return how it ended. Nothing a flow does is raised, except KeyboardInterrupt.

    Inputs the flow has no parameter for are left out, as the public platform does; a missing one fails the run.
    """
    with _install:
        if not isinstance(sys.stdout, _Output):
            sys.stdout = _Output(sys.stdout)
    run = Current(flow.name, data_dir)
    token = _current.set(run)
    failure: BaseException | None = None
    result = RunResult(state=LocalState.FAILED)
    try:
        outputs = _outputs(flow.function(**_arguments(flow, inputs)))
        result = RunResult(state=LocalState.DONE, outputs=outputs, log=run.log.lines())
    except (Exception, SystemExit) as error:
        failure = error
        run.log.add(_last_line(error))
        result = RunResult(state=LocalState.FAILED, log=run.log.lines())
    finally:
        _current.reset(token)
    if failure is not None and not isinstance(failure, FlowError):
        logger.warning("flow failed", flow=flow.name, exc_info=failure)
    return result


def _arguments(flow: FlowFunction, inputs: Mapping[str, JSON]) -> dict[str, JSON]:
    names = {one.name for one in flow.inputs}
    missing = [one.name for one in flow.inputs if one.required and one.name not in inputs]
    if missing:
        wanted = ", ".join(one.name for one in flow.inputs if one.required)
        raise FlowError(f"flow {flow.name}: required inputs are missing: {', '.join(missing)} (it requires: {wanted})")
    return {name: value for name, value in inputs.items() if flow.takes_any or name in names}


def _outputs(value: Any) -> dict[str, JSON]:
    """Return the outputs as what their JSON says, so that they are the same now and when read back."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise FlowError(f"the flow returned {type(value).__name__}; a flow returns a mapping of outputs, or nothing")
    try:
        text = orjson.dumps(dict(value))
    except TypeError as error:
        raise FlowError(f"the outputs are not JSON: {error}") from error
    if len(text) > MAX_OUTPUTS:
        raise FlowError(f"the outputs are {len(text)} bytes of JSON; at most {MAX_OUTPUTS} are kept")
    outputs: dict[str, JSON] = orjson.loads(text)
    return outputs


def _last_line(error: BaseException) -> str:
    """Return the error as the last line of a traceback has it; our own say enough by themselves."""
    try:
        text = str(error).strip()
    except Exception:
        text = "(its text cannot be shown)"
    if isinstance(error, FlowError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _cut(line: str) -> str:
    line = line.rstrip("\r")
    return line if len(line) <= LOG_LENGTH else line[: LOG_LENGTH - 1] + "…"


