"""CSV cells and records: how values are written, and where records end. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Final

from bridge.core.model import JSON
from bridge.delivery.platforms.responses import dump
from bridge.flows.errors import FlowError

# end of a record by RFC 4180; a line end inside a cell is \n, so that the two differ
RECORD_END: Final = "\r\n"
BOM: Final = b"\xef\xbb\xbf"
MAX_HEADER_ROW_BYTES: Final = 1024 * 1024  # bytes

# a spreadsheet may run text with these beginnings as a formula
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER: Final = re.compile(r"-[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?")
_QUOTED: Final = re.compile(r'[",;\t\r\n]|^ | $')
_CLOSING: Final = re.compile(rb'(?:[^"]|"")*+"')
_WITHOUT_QUOTED: Final = re.compile(rb'"(?:[^"]|"")*+(?:"|$)')


def format_cell(value: JSON) -> str:
    """Return the text of a cell: a text unchanged, a list or an object as JSON, null as empty.

    A text that a spreadsheet could run as a formula gets an apostrophe in front, unless it is a
    plain negative number.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        try:
            return dump(value).decode()
        except RecursionError:
            raise FlowError("an input is nested too deeply") from None
    text = value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    risky = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if risky and not _NUMBER.fullmatch(text) else text


def format_record(cells: Iterable[str], delimiter: str = ",") -> bytes:
    """Return the cells as one record with its line end."""
    row = [
        f'"{text.replace(chr(34), chr(34) * 2)}"' if _QUOTED.search(text) else text
        for text in cells
    ]
    return ((delimiter.join(row) if row != [""] else '""') + RECORD_END).encode()


def find_delimiter(line: bytes) -> str:
    """Return the delimiter of a header row.

    It is a comma, or the semicolon that spreadsheets of many countries write.
    """
    bare = _WITHOUT_QUOTED.sub(b"", line)
    return ";" if b";" in bare and b"," not in bare else ","


def read_header(lines: Iterable[bytes], delimiter: str) -> tuple[list[str], bytes]:
    """Return the names in the first record, and the record without its line end."""
    raw = b""
    inside = False
    for line in lines:
        raw += line
        inside = is_quote_open(line, inside, delimiter)
        if len(raw) > MAX_HEADER_ROW_BYTES:
            raise FlowError(
                "the file's first row, which names the columns, is over"
                f" {MAX_HEADER_ROW_BYTES} bytes: is it a CSV file?"
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
            f"the file's first row, which names the columns, is not valid CSV: {error}"
        ) from None


def pad_records(lines: Iterable[bytes], empty: bytes, delimiter: str) -> Iterator[bytes]:
    """Yield the lines with `empty` (delimiters) added to each record, otherwise unchanged.

    The last record gets its missing end.
    """
    inside = False
    line = b""
    for line in lines:
        inside = is_quote_open(line, inside, delimiter)
        content = line.rstrip(b"\r\n")
        yield (
            line
            if inside or not content
            else content + empty + (line[len(content) :] or RECORD_END.encode())
        )
    if inside:  # cut off by a crash inside quotes
        yield b'"' + empty + RECORD_END.encode()


def is_quote_open(line: bytes, inside: bool, delimiter: str) -> bool:
    """Return whether a quoted cell continues after this line; `inside`: one was open before it.

    A quote opens a cell only at the cell's beginning; elsewhere it is an ordinary character.
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
