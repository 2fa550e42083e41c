"""Parse multipart/form-data in place: each part is a range of the body, nothing is copied. Pure.

Spec: RFC 7578, RFC 2046 section 5.1. Lines may end in LF alone, text before the first and after the
last part is ignored, and names are unescaped as browsers escape them:
https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from werkzeug.http import parse_options_header

from bridge.core.text import normalize

MAX_PART_HEADER_BYTES: Final = 2048  # of a part's headers
MAX_PART_HEADERS: Final = 20  # of a part
MAX_HEADER_PARAMETERS: Final = 20  # of a header
_BOUNDARY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?")
_LINE_END = re.compile(rb"[ \t]*+\r?\n")
_NO_HEAD = re.compile(rb"\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FORM_DATA = re.compile(r"\s*form-data\s*(?:;|\Z)", re.IGNORECASE)
_PARAMETER = re.compile(
    r""";\s*+(?P<key>[A-Za-z0-9-]++\*?)\s*+=\s*+
        (?:"(?P<escaped>(?:[^"\\]|\\.)*+)"(?=\s*+(?:;|\Z))
           | "(?P<quoted>[^"]*+)" | (?P<plain>[^\s;"]*+))""",
    re.VERBOSE,
)
_BACKSLASHED = re.compile(r'\\(["\\])')
_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}
_ESCAPED = re.compile("|".join(_ESCAPES))

MAX_FILE_NAME_BYTES: Final = 150  # of a file's name, in UTF-8
DEFAULT_FILE_NAME: Final = "file"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # the invisible characters of ASCII
_INVISIBLE = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
_ENDS = re.compile(r"\A[\s.]++|(?<![\s.])[\s.]++\Z")
_UNWANTED = re.compile(r'[<>:"|?*]')  # not allowed in names on Windows


class MultipartError(ValueError):
    """The body is not valid multipart; the text says why, and quotes nothing."""


# of the field (empty without one) and of the file (null if the part is no file)
PartNames = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its headers (lower-case names, raw bytes) and the range of its content in the body.

    `names` are the names of the field and the file, read as UTF-8. `type`: the media type that the
    sender gives it, with its parameters; empty without one.
    """

    headers: dict[str, bytes]
    begin: int
    end: int
    names: PartNames
    type: tuple[str, dict[str, str]]

    def named(self, encoding: str) -> PartNames:
        """Return `names` read in another charset.

        Raise UnicodeDecodeError if they are not in it, and MultipartError as `parse_parts` does.
        """
        raw = self.headers.get("content-disposition", b"")
        text = raw.decode(encoding)
        return self.names if encoding == "utf-8" or raw.isascii() else _names(text)


def _names(text: str) -> PartNames:
    if not _FORM_DATA.match(text):
        return "", None
    parameters = _parameters(text)
    return parameters.get("name*", parameters.get("name", "")), parameters.get(
        "filename*", parameters.get("filename")
    )


def _parameters(text: str) -> dict[str, str]:
    """Return the parameters of a header by lower-case name.

    The first of a repeated parameter counts; invalid ones are skipped.
    """
    parameters: dict[str, str] = {}
    place = text.find(";")
    for _ in range(MAX_HEADER_PARAMETERS):
        if place < 0:
            return parameters
        match = _PARAMETER.match(text, place)
        if match:
            parameters.setdefault(match["key"].lower(), _value(match))
        place = text.find(";", match.end() if match else place + 1)
    if place >= 0:
        raise MultipartError(f"a header of a part has more than {MAX_HEADER_PARAMETERS} parameters")
    return parameters


def _type(header: bytes) -> tuple[str, dict[str, str]]:
    if header.count(b";") > MAX_HEADER_PARAMETERS:
        raise MultipartError(f"a header of a part has more than {MAX_HEADER_PARAMETERS} parameters")
    return parse_options_header(header.decode("latin-1"))


def _value(match: re.Match[str]) -> str:
    """Return the value of a parameter.

    Browsers escape with %22, others with backslashes, and some name the charset (RFC 5987).
    """
    if match["key"].endswith("*"):
        charset, _, quoted = match["plain"].partition("'")
        return unquote(
            quoted.partition("'")[2], "latin-1" if charset.lower() == "iso-8859-1" else "utf-8"
        )
    text = (
        match["plain"]
        if match["escaped"] is None and match["quoted"] is None
        else match["escaped"] or match["quoted"] or ""
    )
    text = _BACKSLASHED.sub(r"\1", text) if match["escaped"] else text
    return _ESCAPED.sub(lambda escape: _ESCAPES[escape[0]], text) if "%" in text else text


def parse_parts(raw: bytes, boundary: str) -> Iterator[Part]:
    """Yield the parts one by one. Raise MultipartError if they do not end correctly."""
    if not _BOUNDARY.fullmatch(boundary):
        raise MultipartError("the Content-Type has no valid boundary")
    mark = b"--" + boundary.encode("ascii")
    place = 0 if raw.startswith(mark) else _next(raw, mark, 0)[1]
    while True:
        place += len(mark)
        if raw.startswith(b"--", place):
            return
        if not (line := _LINE_END.match(raw, place)):
            raise MultipartError("a delimiter is not followed by the end of its line")
        headers, begin = _head(raw, line.end())
        end, place = _next(raw, mark, begin)
        names = _names(headers.get("content-disposition", b"").decode("utf-8", "replace"))
        yield Part(headers, begin, end, names, _type(headers.get("content-type", b"")))


def _next(raw: bytes, mark: bytes, place: int) -> tuple[int, int]:
    """Return where the content before the next delimiter ends, and where the delimiter is."""
    position = raw.find(b"\n" + mark, max(place - 1, 0))  # one before: a part may be empty
    while position >= 0:
        after = position + 1 + len(mark)
        if raw.startswith(b"--", after) or _LINE_END.match(raw, after):
            end = position - 1 if position > place and raw[position - 1] == 0x0D else position
            return max(end, place), position + 1
        position = raw.find(b"\n" + mark, after)
    raise MultipartError("the last part has no end: the body was cut off, or its boundary differs")


def _head(raw: bytes, place: int) -> tuple[dict[str, bytes], int]:
    """Return the headers at `place`, and where the content begins."""
    if no_headers := _NO_HEAD.match(raw, place):
        return {}, no_headers.end()
    blank = _HEAD_END.search(raw, place, place + MAX_PART_HEADER_BYTES)
    if blank is None:
        raise MultipartError("the headers of a part have no end, or are too long")
    headers: dict[str, bytes] = {}
    lines = raw[place : blank.start()].split(b"\n", MAX_PART_HEADERS)
    if len(lines) > MAX_PART_HEADERS:
        raise MultipartError(f"a part has more than {MAX_PART_HEADERS} headers")
    for line in lines:
        name, _, value = line.partition(b":")
        headers.setdefault(name.strip().lower().decode("latin-1"), value.strip())
    return headers, blank.end()


def sanitize_file_name(sent: str) -> str:
    """Return a safe file name from the sender's: one name, never a path, valid on every system.

    Control and invisible characters are removed, also those that reverse the direction of text, and
    so are dots and blanks at the ends. A long name is cut before its extension.
    """
    last = re.split(r"[/\\]", sent[-4 * MAX_FILE_NAME_BYTES :])[-1]
    if last.isascii():
        cleaned = _CONTROL.sub("", last)
    else:
        cleaned = "".join(
            char for char in normalize("NFC", last) if unicodedata.category(char) not in _INVISIBLE
        )
    name = _ENDS.sub("", _UNWANTED.sub("_", cleaned))
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 20:
        stem = name
        dot = ""
        extension = ""
    room = MAX_FILE_NAME_BYTES - len((dot + extension).encode())
    return (
        _ENDS.sub("", stem.encode()[:room].decode(errors="ignore")) + dot + extension
    ) or DEFAULT_FILE_NAME
