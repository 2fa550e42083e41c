"""Structured logs on stderr: JSON off a terminal, coloured lines on one.

Lines are redacted: of an error they have the type and the traceback, since its text may quote a
request; of a caller's address (`client`) as much as the settings allow; and of a warning of a
library, which a handler of Python's root logger writes, the text without its values.

Lines that a stranger can cause are limited (`Logger.limited`): a flood fills no disk.

A handler that others add to the logger `flowbridge` of Python's `logging` gets a record of each
line. No other line goes through `logging`, which takes longer than all else of a line.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TextIO

import orjson

from bridge.core.rate_limits import Rate
from bridge.system import log_lines
from bridge.system.log_text import colour, quote_value
from bridge.system.redacted_traceback import format_traceback

LINE_RATE: Final = Rate(count=30, per=60.0)  # of each kind of line, in each process
MAX_KINDS: Final = 1000  # that are counted separately; all others share one limit
OTHER_KINDS: Final = ()


@dataclass(slots=True)
class _Window:
    """The lines of a kind since `began_at`, and those left out since the last one written."""

    began_at: float
    written: int = 0
    omitted: int = 0


class LineLimiter:
    """Counts of limited log lines. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, ...], _Window] = {}
        self._mutex = threading.Lock()

    def count(self, kind: tuple[str, ...]) -> int | None:
        """Count a line, and return how many were left out since the last one that was written.

        None: leave out this one too.
        """
        now = self._clock()
        with self._mutex:
            if kind not in self._windows and len(self._windows) >= MAX_KINDS:
                kind = OTHER_KINDS
            window = self._windows.setdefault(kind, _Window(now))
            if now - window.began_at >= LINE_RATE.per:
                window.began_at, window.written = now, 0
            if window.written >= LINE_RATE.count:
                window.omitted += 1
                return None
            window.written += 1
            omitted, window.omitted = window.omitted, 0
            return omitted

    def clear(self) -> None:
        """Forget all lines."""
        with self._mutex:
            self._windows.clear()


LINES = LineLimiter()  # of this process


LOGGER: Final = logging.getLogger("flowbridge")
MAX_LIBRARY_TEXT_CHARS: Final = 200  # of a message of a library
FULL_LINE_COLOURS: Final = {
    "debug": "32",
    "info": "32",
    "warning": "33",
    "error": "31",
    "critical": "31",
}
NO_VALUES: Final[Mapping[str, object]] = MappingProxyType({})

LOGGER.propagate = False  # handlers of the root logger would write each line again


@dataclass(frozen=True, slots=True)
class LogSetup:
    """Log settings: the lowest level, how much of a caller's address is logged, and the stream.

    `stream`: None is the current stderr. `for_people`: write lines for a terminal instead of JSON;
    None checks whether the stream is a terminal. `brief`: on a terminal, only the short lines.
    """

    level: int = logging.INFO
    addresses: str = "truncated"
    stream: TextIO | None = None
    for_people: bool | None = None
    brief: bool = False


class _Gathered(threading.local):
    lines: list[str] | None = None  # of this thread, until they are written together


_gathered = _Gathered()
setup = LogSetup()  # of this process and its forks; set by `configure`


def configure(level: str, addresses: str = "truncated", *, brief: bool = False) -> None:
    """Configure the log of this process and its forks; see `LogSetup`."""
    global setup  # noqa: PLW0603 - all modules of a process share one log
    remove_root_handler()
    logging.getLogger().addHandler(LibraryHandler(logging.WARNING))
    setup = LogSetup(
        logging.getLevelNamesMapping()[level.upper()],
        addresses,
        sys.stderr,
        sys.stderr.isatty(),
        brief,
    )


class Logger:
    """Structured logger: an event name with values.

    `exc_info`: an error, or True for the one being handled.
    """

    __slots__ = ("_bound",)

    def __init__(self, bound: Mapping[str, object] = NO_VALUES) -> None:
        self._bound = bound

    def bind(self, **values: object) -> Logger:
        """Return a logger that adds these values to every line."""
        return Logger({**self._bound, **values})

    def limited(self, *kind: str) -> Logger:
        """Return a logger that limits its lines of an event and this kind, such as a source.

        Each process writes `LINE_RATE`. The next line has the number of those left out: `omitted`.
        """
        return _LimitedLogger(self, kind)

    def debug(self, event: str, *, exc_info: object = None, **values: object) -> None:
        """Log at DEBUG."""
        self.write(logging.DEBUG, event, exc_info, values)

    def info(self, event: str, *, exc_info: object = None, **values: object) -> None:
        """Log at INFO."""
        self.write(logging.INFO, event, exc_info, values)

    def warning(self, event: str, *, exc_info: object = None, **values: object) -> None:
        """Log at WARNING."""
        self.write(logging.WARNING, event, exc_info, values)

    def error(self, event: str, *, exc_info: object = None, **values: object) -> None:
        """Log at ERROR."""
        self.write(logging.ERROR, event, exc_info, values)

    def log(self, level: int, event: str, *, exc_info: object = None, **values: object) -> None:
        """Log at a level of Python's `logging`."""
        self.write(level, event, exc_info, values)

    def write(self, level: int, event: str, exc_info: object, values: dict[str, object]) -> None:
        """Write a line if this level is logged. A line that cannot be written is dropped."""
        if level < setup.level:
            return
        if self._bound:
            values = {**self._bound, **values}
        error = None if exc_info is None else _find_error(exc_info)
        when = datetime.now(UTC)
        _write_line(_redact(_begin_line(when, level, event) | values, error))
        if LOGGER.handlers:
            _call_added_handlers(when, level, event, error, values)


class _LimitedLogger(Logger):
    """Logger of lines that are limited: see `Logger.limited`."""

    __slots__ = ("_kind", "_logger")

    def __init__(self, logger: Logger, kind: tuple[str, ...]) -> None:
        super().__init__()
        self._logger = logger
        self._kind = kind

    def write(self, level: int, event: str, exc_info: object, values: dict[str, object]) -> None:
        if level < setup.level or (omitted := LINES.count((event, *self._kind))) is None:
            return
        if omitted:
            values = {**values, "omitted": omitted}
        self._logger.write(level, event, exc_info, values)


def get_logger() -> Logger:
    """Return a logger without bound values."""
    return Logger()


def remove_root_handler() -> None:
    """Remove our handler from the root logger: in a flow's process, the flow configures logging."""
    root = logging.getLogger()
    root.handlers = [
        handler for handler in root.handlers if not isinstance(handler, LibraryHandler)
    ]


@contextmanager
def gather_lines() -> Iterator[None]:
    """Write the lines of this thread at the end of the block, all at once.

    Each write is a system call that gives up the interpreter's lock.
    """
    if _gathered.lines is not None:  # a block around this one writes them
        yield
        return
    lines: list[str] = []
    _gathered.lines = lines
    try:
        yield
    finally:
        _gathered.lines = None
        _write("".join(lines))


def _write_line(line: Mapping[str, Any]) -> None:
    """Write a line, or gather it: see `gather_lines`."""
    with suppress(OSError, ValueError):
        text = _format(line)
        if _gathered.lines is None:
            _write(text)
        else:
            _gathered.lines.append(text)


def _write(text: str) -> None:
    """Write lines. If the stream is full or closed, they are dropped."""
    stream = setup.stream or sys.stderr
    with suppress(OSError, ValueError):
        if text:
            stream.write(text)
            stream.flush()


def _call_added_handlers(
    when: datetime,
    level: int,
    event: str,
    error: BaseException | None,
    values: Mapping[str, object],
) -> None:
    """Give the handlers that others added to `LOGGER` a record of a line."""
    triple = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(LOGGER.name, level, "", 0, event, None, triple)
    record.created = when.timestamp()
    record.values = values
    # Not `handle`, which is silent once `logging.config` in a flow's module has disabled the
    # loggers that it does not name.
    LOGGER.callHandlers(record)


def _redact_argument(value: object) -> object:
    if isinstance(value, int | float):
        return value
    return type(value).__name__ if isinstance(value, BaseException) else "..."


def _find_error(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, tuple):  # the format of the standard library
        exc_info = exc_info[1]
    error = sys.exc_info()[1] if exc_info is True else exc_info
    return error if isinstance(error, BaseException) else None


def _format(line: Mapping[str, Any]) -> str:
    """Return a line as JSON or for a terminal, with its end; an empty text drops it."""
    for_people = (
        (setup.stream or sys.stderr).isatty() if setup.for_people is None else setup.for_people
    )
    if not for_people:
        return _format_json(line)
    return (log_lines.format_line(line) or "") if setup.brief else _format_full(line)


def _format_json(line: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=str).decode() + "\n"
    except TypeError:  # a number over 64 bits, or a lone surrogate
        return orjson.dumps({name: repr(value) for name, value in line.items()}).decode() + "\n"


def _format_full(line: Mapping[str, Any]) -> str:
    """Return a line for a terminal with all values of the JSON line, followed by the traceback."""
    values = dict(line)
    level = values.pop("level")
    exception = values.pop("exception", "")
    when = values.pop("timestamp")
    event = values.pop("event")
    said = (
        f"{colour('36', name)}={colour('35', quote_value(value))}" for name, value in values.items()
    )
    begin = (
        colour("2", when),
        colour(FULL_LINE_COLOURS.get(level, "1"), f"{level:8}"),
        colour("1", f"{quote_value(event):30}"),
    )
    return " ".join((*begin, *said)) + f"\n{exception}"


def _begin_line(when: datetime, level: int, event: str) -> dict[str, Any]:
    """Return the first fields of a line. `when`: a time of UTC."""
    return {
        "timestamp": when.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z",
        "level": logging.getLevelName(level).lower(),
        "event": event,
    }


def _redact(line: dict[str, Any], error: BaseException | None) -> dict[str, Any]:
    """Redact a line in place: the address of a caller, and of an error all but its traceback."""
    if address := line.get("client"):
        from bridge.core.client_address import anonymize_address  # only few lines need it

        line["client"] = anonymize_address(str(address), setup.addresses, b"", "", 0.0)
    if error is not None:
        line["exception"] = format_traceback(error)
    return line


class LibraryHandler(logging.Handler):
    """Handler of the root logger: writes what libraries log, without its values."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, if its level is logged."""
        if (
            record.levelno < setup.level
            or (omitted := LINES.count(("library", record.name))) is None
        ):
            return
        when = datetime.fromtimestamp(record.created, UTC)
        line = _begin_line(when, record.levelno, "library") | _library_fields(record)
        _write_line(line | {"omitted": omitted} if omitted else line)


def _library_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return a library's message without its values, such as a URL with its query."""
    text = str(record.msg)
    if isinstance(record.args, tuple) and record.args:
        # the values do not fit the text: log it unformatted
        with suppress(TypeError, ValueError):
            text = text % tuple(map(_redact_argument, record.args))
    error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
    return {"name": record.name, "text": text[:MAX_LIBRARY_TEXT_CHARS], "error": error}
