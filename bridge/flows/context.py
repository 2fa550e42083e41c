"""Runs one flow: inputs in, a result out. What a flow may ask about its run, wherever that is
executed.
"""

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

from bridge.core.local_runs import LocalState, RunResult
from bridge.core.model import JSON
from bridge.flows.function import FlowError, FlowFunction
from bridge.flows.process.log_buffer import Tail
from bridge.flows.types import check_name
from bridge.system.logs import get_logger

MAX_OUTPUTS: Final = 1024 * 1024  # bytes of JSON

logger = get_logger()


class RunLog:
    """The log of a run that is executed in this process, by any of its threads."""

    def __init__(self) -> None:
        self._tail = Tail()
        self._lock = threading.Lock()

    def print(self, text: str) -> None:
        """Add text as it is printed."""
        with self._lock:
            self._tail.feed(text.encode("utf-8", "backslashreplace"))

    def add(self, line: str) -> None:
        """Add a line, whatever was printed before it without an end."""
        with self._lock:
            self._tail.add(line)

    def lines(self) -> tuple[str, ...]:
        """Return what is kept, oldest first."""
        with self._lock:
            return self._tail.lines()


@dataclass(frozen=True, slots=True)
class Current:
    """The run that the calling code belongs to. `data_dir` is the folder a flow may keep things
    in.
    """

    flow: str
    data_dir: Path
    run_id: str = ""
    log: RunLog | None = None  #: None in a process of its own: its output is the log
    keep: Callable[[str, bytes], None] | None = None  #: takes a file of the run


_current: ContextVar[Current | None] = ContextVar("bridge_current_run", default=None)
_install = threading.Lock()
_alone: list[Current] = []  # in a process of its own: the run that all threads belong to


def enter(run: Current) -> None:
    """Make this process, with all threads that it will have, that run's own."""
    _alone[:] = [run]


def _known() -> Current | None:
    return _current.get() or (_alone[0] if _alone else None)


def current() -> Current:
    """Return the run that is being executed here; FlowError outside one."""
    run = _known()
    if run is None:
        raise FlowError("this works only inside a run of the local platform")
    return run


def log(*values: object) -> None:
    """Write a line to the run's log; outside a run, to stderr."""
    text = " ".join(map(str, values))
    run = _known()
    if run is not None and run.log is not None:
        run.log.print(text + "\n")
    else:
        (sys.stderr if run is None else sys.stdout).write(text + "\n")


def save_file(name: str, data: bytes | str) -> str:
    """Keep a file of this run, to be downloaded by its name, and return the name. Text is kept as
    UTF-8.
    """
    run = current()
    if run.keep is None:
        raise FlowError("a file can be kept only by a run of the local platform")
    if not isinstance(data, bytes | bytearray | memoryview | str):
        raise FlowError(
            f"file {name!r}: {type(data).__name__} was given; bytes or a text is wanted"
        )
    run.keep(check_name(name), data.encode() if isinstance(data, str) else bytes(data))
    return name


class _Output(io.TextIOBase):
    """Stands for sys.stdout: text printed inside a run goes to its log, all other text where it
    always went.
    """

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

    # TextIOBase defines these, so __getattr__ would never be asked.
    def fileno(self) -> int:
        number: int = self.real.fileno()
        return number

    def isatty(self) -> bool:
        return bool(self.real.isatty())

    @property
    def encoding(self) -> Any:  # type: ignore[override]  # the text is written elsewhere
        return self.real.encoding


def run_flow(flow: FlowFunction, inputs: Mapping[str, JSON], *, data_dir: Path) -> RunResult:
    """Run a flow to its end in this process and return how it ended. Nothing a flow does is raised,
    except KeyboardInterrupt.

    Inputs the flow has no parameter for are left out, as the public platform does; a missing one
    fails the run.
    """
    with _install:
        if not isinstance(sys.stdout, _Output):
            sys.stdout = _Output(sys.stdout)
    written = RunLog()
    token = _current.set(Current(flow.name, data_dir, log=written, keep=_keeper(data_dir)))
    failure: BaseException | None = None
    result = RunResult(state=LocalState.FAILED)
    try:
        outputs = call(flow, inputs)
        result = RunResult(state=LocalState.DONE, outputs=outputs, log=written.lines())
    except (Exception, SystemExit) as error:
        failure = error
        written.add(last_line(error))
        result = RunResult(state=LocalState.FAILED, log=written.lines())
    finally:
        _current.reset(token)
    if failure is not None and not isinstance(failure, FlowError):
        logger.warning("flow_failed", flow=flow.name, exc_info=failure)
    return result


def _keeper(data_dir: Path) -> Callable[[str, bytes], None]:
    def keep(_name: str, data: bytes) -> None:
        from bridge.store.blobs import Blobs

        Blobs(data_dir / "blobs").keep(data)

    return keep


def call(flow: FlowFunction, inputs: Mapping[str, JSON]) -> dict[str, JSON]:
    """Call the flow's function and return its outputs. What it raises is raised; FlowError for
    inputs or outputs that cannot be.
    """
    return _outputs(flow.function(**_arguments(flow, inputs)))


def _arguments(flow: FlowFunction, inputs: Mapping[str, JSON]) -> dict[str, JSON]:
    names = {one.name for one in flow.inputs}
    missing = [one.name for one in flow.inputs if one.required and one.name not in inputs]
    if missing:
        wanted = ", ".join(one.name for one in flow.inputs if one.required)
        raise FlowError(
            f"flow {flow.name}: required inputs are missing: {', '.join(missing)} (it requires:"
            f" {wanted})"
        )
    return {name: value for name, value in inputs.items() if flow.takes_any or name in names}


def _outputs(value: Any) -> dict[str, JSON]:
    """Return the outputs as what their JSON says, so that they are the same now and when read
    back.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise FlowError(
            f"the flow returned {type(value).__name__}; a flow returns a mapping of outputs, or"
            " nothing"
        )
    try:
        text = orjson.dumps(dict(value))
    except TypeError as error:
        raise FlowError(f"the outputs are not JSON: {error}") from error
    if len(text) > MAX_OUTPUTS:
        raise FlowError(
            f"the outputs are {len(text)} bytes of JSON; at most {MAX_OUTPUTS} are kept"
        )
    outputs: dict[str, JSON] = orjson.loads(text)
    return outputs


def last_line(error: BaseException) -> str:
    """Return the error as the last line of a traceback has it; our own say enough by themselves."""
    try:
        text = str(error).strip()
    except Exception:
        text = "(its text cannot be shown)"
    if isinstance(error, FlowError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
