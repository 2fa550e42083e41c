"""Structured logs on stderr: JSON off a terminal, coloured lines on one. The only place that imports structlog.

No line has personal data: of an error it has where it was raised and its kind, since its text may quote what was sent; of what a library
has to say, its words without what it puts into them; and of the address of a caller (`client`) as much as the settings say.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from functools import partial
from types import TracebackType
from typing import Any, Final, TextIO

import orjson

# structlog imports rich if it finds it, for tracebacks that we do not use: five megabytes in every process.
_absent = "rich" not in sys.modules
if _absent:
    sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

if _absent:
    del sys.modules["rich"]


#: Errors whose text is about code, and not about data.
OF_CODE: Final = (AttributeError, ImportError, MemoryError, NameError, NotImplementedError, RecursionError)
SAID: Final = 200  # characters of what a library says that are logged
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def get_logger() -> Any:
    """Return the logger; its methods take an event word and what belongs to it."""
    return structlog.get_logger()


def configure(level: str, addresses: str = "truncated") -> None:
    """Set up structlog for this process and those it forks. `addresses`: how much of a caller's is logged, as forms have it."""
    leave_libraries()
    logging.getLogger().addHandler(_Libraries(logging.WARNING))
    shown = partial(_show_client, addresses)
    shared: list[Any] = [shown, structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    if sys.stderr.isatty():
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer(exception_formatter=_write)],
            wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
        return
    structlog.configure(
        processors=[*shared, structlog.processors.ExceptionRenderer(_told), structlog.processors.JSONRenderer(serializer=_serialize)],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
    )


def leave_libraries() -> None:
    """Have libraries log as Python has it: for a process in which what is logged is somebody else's."""
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, _Libraries)]


def told(error: BaseException) -> str:
    """Return the traceback of an error, of those that led to it and of a group's, without what their texts may quote."""
    return "".join(_lines(error, set()))


def _lines(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [*_lines(before, seen), "\nwhich led to:\n\n"] if before is not None and id(before) not in seen else []
    lines += ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
    lines.append(f"{type(error).__name__}: {error}\n" if isinstance(error, OF_CODE) else f"{type(error).__name__}\n")
    for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        lines += _lines(one, seen) if id(one) not in seen else []
    return lines


class _Libraries(logging.Handler):
    """Writes what libraries warn of, which would go to stderr as it is: with a URL and its query, or what came from elsewhere."""

    def emit(self, record: logging.LogRecord) -> None:
        given = record.args if isinstance(record.args, tuple) else ()
        text = str(record.msg) % tuple(map(_shown, given)) if given else str(record.msg)
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        get_logger().log(record.levelno, "library", name=record.name, text=text[:SAID], error=error)


def _shown(value: object) -> object:
    if isinstance(value, int | float):
        return value
    return type(value).__name__ if isinstance(value, BaseException) else "..."


def _told(exc_info: _ExcInfo) -> str:
    return told(exc_info[1])


def _write(file: TextIO, exc_info: _ExcInfo) -> None:
    file.write("\n" + told(exc_info[1]))


def _show_client(how: str, _logger: object, _method: str, values: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if address := values.get("client"):
        from bridge.forms.addresses import shown  # for the few that have one

        values["client"] = shown(str(address), how, b"", "", 0.0)
    return values


def _serialize(values: object, **_: object) -> bytes:
    return orjson.dumps(values, default=str)
