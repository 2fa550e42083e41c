"""Structured logs on stderr: JSON off a terminal, coloured lines on one.

No line has personal data: of an error it has where it was raised and its kind, since its text may
quote what was sent; of what a library has to say, its words without what it puts into them; and of
the address of a caller (`client`) as much as the settings say.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TextIO

import orjson

from bridge.system import log_lines
from bridge.system.log_lines import colour, plain

#: Errors whose text is about code, and not about data.
OF_CODE: Final = (
    AttributeError,
    ImportError,
    MemoryError,
    NameError,
    NotImplementedError,
    RecursionError,
)
SAID: Final = 200  # characters of what a library says that are logged
# of a terminal
COLOURS: Final = {"debug": "32", "info": "32", "warning": "33", "error": "31", "critical": "31"}
NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


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
    logging.getLogger().addHandler(_Libraries(logging.WARNING))
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

    def __init__(self, bound: Mapping[str, object] = NOTHING) -> None:
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
        """Write a line, where this level is logged. One that cannot be written is lost: what it
        tells of goes on.
        """
        if level < setup.level:
            return
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = {
            "timestamp": now,
            "level": logging.getLevelName(level).lower(),
            "event": event,
            **self._bound,
            **values,
        }
        if address := line.get("client"):
            from bridge.core.client_address import shown  # for the few that have one

            line["client"] = shown(str(address), setup.addresses, b"", "", 0.0)
        if (error := _error(exc_info)) is not None:
            line["exception"] = told(error)
        stream = setup.stream or sys.stderr
        with suppress(OSError, ValueError):  # full, or closed
            for_people = stream.isatty() if setup.for_people is None else setup.for_people
            text = (
                (log_lines.brief(line) if setup.brief else _for_people(line))
                if for_people
                else _json(line)
            )
            if text is not None:
                stream.write(text)
                stream.flush()


def get_logger() -> Logger:
    """Return a logger that nothing is bound to."""
    return Logger()


def leave_libraries() -> None:
    """Have libraries log as Python has it: for a process in which what is logged is somebody
    else's.
    """
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, _Libraries)]


def told(error: BaseException) -> str:
    """Return the traceback of an error, of those that led to it and of a group's, without what
    their texts may quote.
    """
    return "".join(_lines(error, set()))


def _lines(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = (
        [*_lines(before, seen), "\nwhich led to:\n\n"]
        if before is not None and id(before) not in seen
        else []
    )
    lines += ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
    lines.append(
        f"{type(error).__name__}: {error}\n"
        if isinstance(error, OF_CODE)
        else f"{type(error).__name__}\n"
    )
    for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        lines += _lines(one, seen) if id(one) not in seen else []
    return lines


class _Libraries(logging.Handler):
    """Writes what libraries warn of, which would go to stderr as it is: with a URL and its query,
    or what came from elsewhere.
    """

    def emit(self, record: logging.LogRecord) -> None:
        given = record.args if isinstance(record.args, tuple) else ()
        text = str(record.msg) % tuple(map(_shown, given)) if given else str(record.msg)
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        get_logger().log(record.levelno, "library", name=record.name, text=text[:SAID], error=error)


def _shown(value: object) -> object:
    if isinstance(value, int | float):
        return value
    return type(value).__name__ if isinstance(value, BaseException) else "..."


def _error(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, tuple):  # as the standard library's records have it
        exc_info = exc_info[1]
    found = sys.exc_info()[1] if exc_info is True else exc_info
    return found if isinstance(found, BaseException) else None


def _json(line: Mapping[str, object]) -> str:
    try:
        return orjson.dumps(line, default=str).decode() + "\n"
    except TypeError:  # a number that is too large, or letters that are none
        return orjson.dumps({name: repr(value) for name, value in line.items()}).decode() + "\n"


def _for_people(line: Mapping[str, Any]) -> str:
    values = dict(line)
    level = values.pop("level")
    exception = values.pop("exception", "")
    when = values.pop("timestamp")
    event = values.pop("event")
    said = (f"{colour('36', name)}={colour('35', plain(value))}" for name, value in values.items())
    begin = (
        colour("2", when),
        colour(COLOURS.get(level, "1"), f"{level:8}"),
        colour("1", f"{plain(event):30}"),
    )
    return " ".join((*begin, *said)) + f"\n{exception}"
