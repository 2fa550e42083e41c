"""Structured logs on stderr, by Python's `logging`: JSON off a terminal, coloured lines on one.

Every line goes through the logger `flowbridge`, or for what libraries warn of the root logger, to
one kind of handler. Its formatters
redact: of an error a line has where it was raised and its kind, since its text may quote what was
sent; of a library its words without the values in them; and of the address of a caller (`client`)
as much as the settings say.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TextIO

import orjson

from bridge.system import log_lines
from bridge.system.log_text import colour, quote_value
from bridge.system.redacted_traceback import told

LOGGER: Final = logging.getLogger("flowbridge")
MAX_LIBRARY_TEXT_CHARS: Final = 200  # characters of what a library says that are logged
# of a terminal
FULL_LINE_COLOURS: Final = {
    "debug": "32",
    "info": "32",
    "warning": "33",
    "error": "31",
    "critical": "31",
}
NO_VALUES: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Setup:
    """What is logged: from which level on, how much of a caller's address, as forms have it, and
    where; null: on stderr as it is then.

    `for_people`: as lines for a terminal, not as JSON; null: where it is one then. `brief`: on a
    terminal only what a person follows.
    """

    level: int = logging.INFO
    addresses: str = "truncated"
    stream: TextIO | None = None
    for_people: bool | None = None
    brief: bool = False


setup = Setup()  # of this process and those it forks; `configure` changes it


def configure(level: str, addresses: str = "truncated", *, brief: bool = False) -> None:
    """Set up the log of this process and those it forks; see `Setup`."""
    global setup  # noqa: PLW0603 - the one thing of a process that all of its modules log by
    leave_libraries()
    logging.getLogger().addHandler(Output(logging.WARNING))
    setup = Setup(
        logging.getLevelNamesMapping()[level.upper()],
        addresses,
        sys.stderr,
        sys.stderr.isatty(),
        brief,
    )


class Logger:
    """Says what happened: a word, and what belongs to it. `exc_info`: an error, or true for the one
    that is being handled.
    """

    __slots__ = ("_bound",)

    def __init__(self, bound: Mapping[str, object] = NO_VALUES) -> None:
        self._bound = bound

    def bind(self, **values: object) -> Logger:
        """Return one whose every line has these, too."""
        return Logger({**self._bound, **values})

    def debug(self, event: str, **values: object) -> None:
        """Say it where somebody looks for a fault."""
        self.log(logging.DEBUG, event, **values)

    def info(self, event: str, **values: object) -> None:
        """Say what is as it should be."""
        self.log(logging.INFO, event, **values)

    def warning(self, event: str, **values: object) -> None:
        """Say what somebody may want to look at."""
        self.log(logging.WARNING, event, **values)

    def error(self, event: str, **values: object) -> None:
        """Say what somebody has to look at."""
        self.log(logging.ERROR, event, **values)

    def log(self, level: int, event: str, *, exc_info: object = None, **values: object) -> None:
        """Write a line, where this level is logged. A line that cannot be written is lost; the
        caller goes on.
        """
        if level < setup.level:
            return
        error = _error(exc_info)
        triple = None if error is None else (type(error), error, error.__traceback__)
        record = logging.LogRecord(LOGGER.name, level, "", 0, event, None, triple)
        record.values = {**self._bound, **values}
        # Not `handle`, which is silent once `logging.config` in a flow's module has disabled the
        # loggers that it does not name.
        LOGGER.callHandlers(record)


def get_logger() -> Logger:
    """Return a logger that nothing is bound to."""
    return Logger()


def leave_libraries() -> None:
    """Remove our handler from the root logger: in the process of a flow, the flow owns logging."""
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, Output)]


def _shown(value: object) -> object:
    if isinstance(value, int | float):
        return value
    return type(value).__name__ if isinstance(value, BaseException) else "..."


def _error(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, tuple):  # as the standard library's records have it
        exc_info = exc_info[1]
    found = sys.exc_info()[1] if exc_info is True else exc_info
    return found if isinstance(found, BaseException) else None


class _Formatter(logging.Formatter):
    """Writes a record as a line. A subclass says how, given what is logged of the record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line with its end, redacted."""
        return self.write(_log_fields(record))

    def write(self, line: Mapping[str, Any]) -> str:
        """Return the text of a line."""
        raise NotImplementedError


class JsonFormatter(_Formatter):
    """A line as a JSON object."""

    def write(self, line: Mapping[str, Any]) -> str:
        """Return the object as one line."""
        try:
            return orjson.dumps(line, default=str).decode() + "\n"
        except TypeError:  # a number that is too large, or letters that are none
            return orjson.dumps({name: repr(value) for name, value in line.items()}).decode() + "\n"


class PlainFormatter(_Formatter):
    """A line for a terminal, with everything that JSON has."""

    def write(self, line: Mapping[str, Any]) -> str:
        """Return the line in colours, and what was raised below it."""
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
    """A line for a terminal, with what a person follows; no text for a line that is left out."""

    def write(self, line: Mapping[str, Any]) -> str:
        """Return the line, or no text."""
        return log_lines.format_line(line) or ""


JSON: Final = JsonFormatter()
PLAIN: Final = PlainFormatter()
BRIEF: Final = BriefFormatter()


class Output(logging.Handler):
    """Writes where `setup` says, as it says at that time: a process may set up its log again, and
    tests do.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged: by its level, and by filters as of any handler."""
        return super().filter(record) if record.levelno >= setup.level else False

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record that is logged, without the handler's lock: a line is one write, and
        threads would wait for it.
        """
        is_logged = self.filter(record)
        if is_logged:
            self.emit(record)
        return is_logged

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON, or for a terminal as a line for people; no text where the line
        is left out.
        """
        for_people = (
            (setup.stream or sys.stderr).isatty() if setup.for_people is None else setup.for_people
        )
        if not for_people:
            return JSON.format(record)
        return (BRIEF if setup.brief else PLAIN).format(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. A line is lost where the stream is full or closed; the caller goes on."""
        stream = setup.stream or sys.stderr
        with suppress(OSError, ValueError):
            if text := self.format(record):
                stream.write(text)
                stream.flush()


def _log_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what is logged of a record, in the order of the line."""
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
        return line | {"event": "library", **_of_library(record)}
    line |= {"event": record.msg, **values}
    if address := line.get("client"):
        from bridge.core.client_address import shown  # for the few that have one

        line["client"] = shown(str(address), setup.addresses, b"", "", 0.0)
    if record.exc_info and record.exc_info[1] is not None:
        line["exception"] = told(record.exc_info[1])
    return line


def _of_library(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a library warns of, without the values: a URL with its query, or what came from
    elsewhere.
    """
    text = str(record.msg)
    if isinstance(record.args, tuple) and record.args:
        # values that do not fit the text: it is logged as it is
        with suppress(TypeError, ValueError):
            text = text % tuple(map(_shown, record.args))
    error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
    return {"name": record.name, "text": text[:MAX_LIBRARY_TEXT_CHARS], "error": error}


LOGGER.propagate = False  # a handler of the root logger would write each line again
if not any(isinstance(one, Output) for one in LOGGER.handlers):
    LOGGER.addHandler(Output())
