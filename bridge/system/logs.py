"""Structured logs on stderr, by Python's `logging`: JSON off a terminal, coloured lines on one.

Every line goes through the logger `flowbridge`, or for warnings of libraries the root logger, to
one kind of handler. Its formatters redact: of an error they write the type and the traceback, since
its text may quote a request; of a library's message the text without its values; and of a caller's
address (`client`) as much as the settings allow.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TextIO

import orjson

from bridge.system import log_lines
from bridge.system.log_records import make_record
from bridge.system.log_text import colour, quote_value
from bridge.system.redacted_traceback import format_traceback

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
    logging.getLogger().addHandler(LogHandler(logging.WARNING))
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

    def debug(self, event: str, **values: object) -> None:
        """Log at DEBUG."""
        self.log(logging.DEBUG, event, **values)

    def info(self, event: str, **values: object) -> None:
        """Log at INFO."""
        self.log(logging.INFO, event, **values)

    def warning(self, event: str, **values: object) -> None:
        """Log at WARNING."""
        self.log(logging.WARNING, event, **values)

    def error(self, event: str, **values: object) -> None:
        """Log at ERROR."""
        self.log(logging.ERROR, event, **values)

    def log(self, level: int, event: str, *, exc_info: object = None, **values: object) -> None:
        """Write a line if this level is logged. A line that cannot be written is dropped."""
        if level < setup.level:
            return
        error = _find_error(exc_info)
        triple = None if error is None else (type(error), error, error.__traceback__)
        record = make_record(LOGGER.name, level, event, triple)
        record.values = {**self._bound, **values}
        # Not `handle`, which is silent once `logging.config` in a flow's module has disabled the
        # loggers that it does not name.
        LOGGER.callHandlers(record)


def get_logger() -> Logger:
    """Return a logger without bound values."""
    return Logger()


def remove_root_handler() -> None:
    """Remove our handler from the root logger: in a flow's process, the flow configures logging."""
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, LogHandler)]


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


def _write(text: str) -> None:
    """Write lines. If the stream is full or closed, they are dropped."""
    stream = setup.stream or sys.stderr
    with suppress(OSError, ValueError):
        if text:
            stream.write(text)
            stream.flush()


def _redact_argument(value: object) -> object:
    if isinstance(value, int | float):
        return value
    return type(value).__name__ if isinstance(value, BaseException) else "..."


def _find_error(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, tuple):  # the format of the standard library
        exc_info = exc_info[1]
    found = sys.exc_info()[1] if exc_info is True else exc_info
    return found if isinstance(found, BaseException) else None


class _Formatter(logging.Formatter):
    """Base of the formatters: redacts a record, and a subclass writes the line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line with its end, redacted."""
        return self.write(_log_fields(record))

    def write(self, line: Mapping[str, Any]) -> str:
        """Return the text of a line."""
        raise NotImplementedError


class JsonFormatter(_Formatter):
    """Formatter for lines of JSON."""

    def write(self, line: Mapping[str, Any]) -> str:
        """Return the object as one line."""
        try:
            return orjson.dumps(line, default=str).decode() + "\n"
        except TypeError:  # a number over 64 bits, or a lone surrogate
            return orjson.dumps({name: repr(value) for name, value in line.items()}).decode() + "\n"


class PlainFormatter(_Formatter):
    """Formatter for a terminal, with all values of the JSON line."""

    def write(self, line: Mapping[str, Any]) -> str:
        """Return the line in colours, followed by the traceback."""
        values = dict(line)
        level = values.pop("level")
        exception = values.pop("exception", "")
        when = values.pop("timestamp")
        event = values.pop("event")
        said = (
            f"{colour('36', name)}={colour('35', quote_value(value))}"
            for name, value in values.items()
        )
        begin = (
            colour("2", when),
            colour(FULL_LINE_COLOURS.get(level, "1"), f"{level:8}"),
            colour("1", f"{quote_value(event):30}"),
        )
        return " ".join((*begin, *said)) + f"\n{exception}"


class BriefFormatter(_Formatter):
    """Formatter for a terminal, with the short lines; other lines have no text."""

    def write(self, line: Mapping[str, Any]) -> str:
        """Return the line, or no text."""
        return log_lines.format_line(line) or ""


JSON_FORMATTER: Final = JsonFormatter()
PLAIN_FORMATTER: Final = PlainFormatter()
BRIEF_FORMATTER: Final = BriefFormatter()


class LogHandler(logging.Handler):
    """Handler that reads `setup` for each line: a process may configure its log again."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged, by the level and the filters."""
        return super().filter(record) if record.levelno >= setup.level else False

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record without the handler's lock: a line is one write."""
        is_logged = self.filter(record)
        if is_logged:
            self.emit(record)
        return is_logged

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON or as a line for a terminal; an empty text drops the line."""
        for_people = (
            (setup.stream or sys.stderr).isatty() if setup.for_people is None else setup.for_people
        )
        if not for_people:
            return JSON_FORMATTER.format(record)
        return (BRIEF_FORMATTER if setup.brief else PLAIN_FORMATTER).format(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or gather it: see `gather_lines`. One without a text is dropped."""
        with suppress(OSError, ValueError):
            text = self.format(record)
            if _gathered.lines is None:
                _write(text)
            else:
                _gathered.lines.append(text)


def _log_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the redacted values of a record, in the order of the line."""
    when = (
        datetime.fromtimestamp(record.created, UTC)
        .isoformat(timespec="microseconds")
        .replace("+00:00", "Z")
    )
    line: dict[str, Any] = {
        "timestamp": when,
        "level": logging.getLevelName(record.levelno).lower(),
    }
    values: Mapping[str, Any] | None = getattr(record, "values", None)
    if values is None:
        return line | {"event": "library", **_library_fields(record)}
    line |= {"event": record.msg, **values}
    if address := line.get("client"):
        from bridge.core.client_address import anonymize_address  # only few lines need it

        line["client"] = anonymize_address(str(address), setup.addresses, b"", "", 0.0)
    if record.exc_info and record.exc_info[1] is not None:
        line["exception"] = format_traceback(record.exc_info[1])
    return line


def _library_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return a library's message without its values, such as a URL with its query."""
    text = str(record.msg)
    if isinstance(record.args, tuple) and record.args:
        # the values do not fit the text: log it unformatted
        with suppress(TypeError, ValueError):
            text = text % tuple(map(_redact_argument, record.args))
    error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
    return {"name": record.name, "text": text[:MAX_LIBRARY_TEXT_CHARS], "error": error}


LOGGER.propagate = False  # a handler of the root logger would write each line again
if not any(isinstance(one, LogHandler) for one in LOGGER.handlers):
    LOGGER.addHandler(LogHandler())
