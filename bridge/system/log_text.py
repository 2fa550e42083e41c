"""Text of log lines for a terminal: colours, columns, printable values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SOURCE_COLUMNS: Final = 20  # columns of source and type
STATUS_COLUMNS: Final = 13  # columns of what became of a request
GREEN = "32"
YELLOW = "33"
RED = "31"
CYAN = "36"
DIM = "2"
SHORT_ID_CHARS: Final = 8  # last characters of an id, by which `flowbridge show` finds it
LogValues = Mapping[str, Any]


def colour(code: str, text: str) -> str:
    """Return a text in a colour of the terminal."""
    return f"\x1b[{code}m{text}\x1b[0m"


def quote_value(value: object) -> str:
    """Return a value as a terminal may show it: in quotes where it is not one word, and never as
    something that a terminal obeys.
    """
    text = str(value)
    return text if text.isprintable() and text and " " not in text else repr(text)


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def columns(what: str, status: str, code: str) -> str:
    return f"{what:{SOURCE_COLUMNS}}  {colour(code, status)}{' ' * (STATUS_COLUMNS - len(status))}"


def show_command(id_: object) -> str:
    """Return the command that shows what has this id, with the shortest form of it that is
    unique.
    """
    return f"flowbridge show {printable(str(id_)[-SHORT_ID_CHARS:])}"


def printable(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]


def format_milliseconds(ms: float) -> str:
    return f"{ms:.0f} ms"


def format_seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
