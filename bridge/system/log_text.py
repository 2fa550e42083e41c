"""Text of log lines for a terminal: colours, columns, printable values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SOURCE_COLUMNS: Final = 20  # source and event type
STATUS_COLUMNS: Final = 13  # status of a request, an attempt or a run
GREEN = "32"
YELLOW = "33"
RED = "31"
CYAN = "36"
DIM = "2"
SHORT_ID_CHARS: Final = 8  # last characters of an id, enough for `flowbridge show`
LogValues = Mapping[str, Any]


def colour(code: str, text: str) -> str:
    """Return a text in a colour, as an ANSI escape sequence."""
    return f"\x1b[{code}m{text}\x1b[0m"


def quote_value(value: object) -> str:
    """Return a value as printable text, in quotes unless it is one word."""
    text = str(value)
    return text if text.isprintable() and text and " " not in text else repr(text)


def cut(text: str, width: int) -> str:
    """Shorten a text to `width` characters."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def columns(what: str, status: str, code: str) -> str:
    """Return the first two columns of a line: a name, and a status in a colour."""
    return f"{what:{SOURCE_COLUMNS}}  {colour(code, status)}{' ' * (STATUS_COLUMNS - len(status))}"


def show_command(id_: object) -> str:
    """Return the `flowbridge show` command for an id, with its short form."""
    return f"flowbridge show {printable(str(id_)[-SHORT_ID_CHARS:])}"


def printable(value: object) -> str:
    """Return a value as text, with control characters escaped."""
    text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]


def format_milliseconds(ms: float) -> str:
    """Return a duration such as `12 ms`."""
    return f"{ms:.0f} ms"


def format_seconds(seconds: float) -> str:
    """Return a duration such as `1.25 s`."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
