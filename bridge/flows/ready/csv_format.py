"""Cells and records of a CSV file: what a value is written as, and where a record ends. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Final

from bridge.core.model import JSON
from bridge.delivery.platforms.responses import dump
from bridge.flows.function import FlowError

# of a record, as RFC 4180 has it; a line end inside a cell is \n, so that the two differ
END: Final = "\r\n"
BOM: Final = b"\xef\xbb\xbf"
HEADER_MAX: Final = 1024 * 1024  # bytes

# a spreadsheet may run what begins so
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER: Final = re.compile(r"-[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?")
_QUOTED: Final = re.compile(r'[",;\t\r\n]|^ | $')
_CLOSING: Final = re.compile(rb'(?:[^"]|"")*+"')
_WITHOUT_QUOTED: Final = re.compile(rb'"(?:[^"]|"")*+(?:"|$)')


def cell(value: JSON) -> str:
    """Return what stands in the cell: a text as it is, a list or an object as JSON, null as
    nothing.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, unless it is a
    plain negative number.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        try:
            return dump(value).decode()
        except RecursionError:
            raise FlowError("an input is nested too deeply to be written") from None
    text = value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    risky = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if risky and not _NUMBER.fullmatch(text) else text


def record(cells: Iterable[str], delimiter: str = ",") -> bytes:
    """Return the cells as one record with its line end."""
    row = [
        f'"{text.replace(chr(34), chr(34) * 2)}"' if _QUOTED.search(text) else text
        for text in cells
    ]
    return ((delimiter.join(row) if row != [""] else '""') + END).encode()


def delimiter_of(line: bytes) -> str:
    """Return what separates the cells of a header row: a comma, or the semicolon that spreadsheets
    of many countries write.
    """
    bare = _WITHOUT_QUOTED.sub(b"", line)
    return ";" if b";" in bare and b"," not in bare else ","


def header(lines: Iterable[bytes], delimiter: str) -> tuple[list[str], bytes]:
    """Return the names in the first record and the record without its line end."""
    raw = b""
    inside = False
    for line in lines:
        raw += line
        inside = is_open(line, inside, delimiter)
        if len(raw) > HEADER_MAX:
            raise FlowError(
                f"the file's first row, which names the columns, is over {HEADER_MAX} bytes: is it"
                " a CSV file?"
            )
        if not inside:
            break
    else:
        if inside:
            raise FlowError(
                "the file's first row, which names the columns, has a quoted name without its end"
            )
    raw = raw.rstrip(b"\r\n")
    try:
        text = raw.removeprefix(BOM).decode()
    except UnicodeDecodeError:
        raise FlowError(
            "the file's first row is not UTF-8: save it as `CSV UTF-8` in your spreadsheet"
        ) from None
    try:
        return next(csv.reader([text], delimiter=delimiter), []), raw
    except csv.Error as error:
        raise FlowError(
            f"the file's first row, which names the columns, is no row of a CSV file: {error}"
        ) from None


def padded(lines: Iterable[bytes], empty: bytes, delimiter: str) -> Iterator[bytes]:
    """Yield the lines with `empty` (delimiters) at the end of each record, and every other byte as
    it was; the last one gets its end.
    """
    inside = False
    line = b""
    for line in lines:
        inside = is_open(line, inside, delimiter)
        content = line.rstrip(b"\r\n")
        yield (
            line
            if inside or not content
            else content + empty + (line[len(content) :] or END.encode())
        )
    if inside:  # torn by a crash inside quotes
        yield b'"' + empty + END.encode()


def is_open(line: bytes, inside: bool, delimiter: str) -> bool:
    """Tell whether a quoted cell goes on after this line; `inside`: whether one was open before it.

    A quote opens a cell only where the cell begins: one in the middle of a cell is a character as
    any other.
    """
    if b'"' not in line:
        return inside
    at = 0
    by = delimiter.encode()
    if not inside and line.startswith(BOM):
        at = len(BOM)
    while True:
        if inside or line[at : at + 1] == b'"':
            closing = _CLOSING.match(line, at if inside else at + 1)
            if closing is None:
                return True
            at = closing.end()
            inside = False
        following = line.find(by, at)
        if following < 0:
            return False
        at = following + 1
