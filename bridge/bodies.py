"""Read a verified request's body: JSON, form fields or text, within limits. Pure.

A body that cannot be read is not an error here: the event is kept all the same, with the `problem` that this found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qsl

import orjson
from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

from bridge.model import JSON

MAX_FIELDS = 1000
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# Possessive, and content with a string that never ends: whatever the bytes, each is looked at once.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a body says. `form` is the same object as `value` for form posts, else null; `problem` says why it cannot be read."""

    value: JSON = None
    form: Mapping[str, JSON] | None = None
    files: tuple[str, ...] = field(default=())
    problem: str | None = None


_media = lru_cache(maxsize=256)(parse_options_header)  # senders say the same every time


def decode(content_type: str, raw: bytes, *, max_depth: int, wrapped_in: str | None = None) -> Body:
    """Return what `raw` says under `content_type` (the whole header value).

    `wrapped_in`: the form field that holds the JSON where a provider posts it inside a form (GitHub's and Slack's `payload`).
    A body without a content type, or with one we do not know, is JSON if it reads as JSON and text otherwise.
    """
    media, options = _media(content_type)
    if media == URLENCODED:
        return _unwrap(_urlencoded(raw), wrapped_in, max_depth)
    if media == MULTIPART:
        return _multipart(raw, options.get("boundary", ""))
    if media == "application/json" or media.endswith("+json"):
        return _json(raw, max_depth)
    read = _json(raw, max_depth)
    return read if read.problem is None else _text(raw)


def _unwrap(body: Body, wrapped_in: str | None, max_depth: int) -> Body:
    """Take the JSON out of the form field that the provider put it in; without that field it is an ordinary form."""
    inner = (body.form or {}).get(wrapped_in) if wrapped_in else None
    return _json(inner.encode(), max_depth) if isinstance(inner, str) else body


def _json(raw: bytes, max_depth: int) -> Body:
    if depth_over(raw, max_depth):
        return Body(problem=f"the JSON body is nested deeper than {max_depth} levels (max_depth)")
    try:
        return Body(value=orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        return Body(problem=f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}")


def depth_over(raw: bytes, limit: int) -> bool:
    """Tell whether the JSON text `raw` nests deeper than `limit`, before anything recursive reads it.

    Nearly every body has fewer brackets in all than the limit has levels, and is let through by counting them.
    """
    if raw.count(b"{") + raw.count(b"[") <= limit:
        return False
    depth = 0
    for bracket in _STRINGS.sub(b"", raw).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > limit:
            return True
    return False


def _text(raw: bytes) -> Body:
    try:
        return Body(value=raw.decode())
    except UnicodeDecodeError as error:
        return Body(problem=f"the body is neither JSON nor UTF-8 text (byte {error.start})")


def _urlencoded(raw: bytes) -> Body:
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=MAX_FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError):
        return Body(problem=f"the body is not a URL-encoded form of at most {MAX_FIELDS} fields in UTF-8")
    return _form(pairs)


def _multipart(raw: bytes, boundary: str) -> Body:
    problem = f"the body is not a multipart form of at most {MAX_FIELDS} fields in UTF-8"
    try:
        decoder = MultipartDecoder(boundary.encode("ascii"), max_parts=MAX_FIELDS)
        decoder.receive_data(raw)
        decoder.receive_data(None)
        pairs, files = _parts(decoder)
    except Exception:  # werkzeug's decoder promises no error type; any of them means the same
        return Body(problem=problem)
    body = _form(pairs)
    return Body(value=body.value, form=body.form, files=files)


def _parts(decoder: MultipartDecoder) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    pairs: list[tuple[str, str]] = []
    files: list[str] = []
    name, chunks = "", list[bytes]()
    while not isinstance(part := decoder.next_event(), Epilogue):
        if isinstance(part, File) and (part.filename or _has_type(part.headers)):
            files.append(part.name)
            name = ""
        elif isinstance(part, Field | File):
            name, chunks = part.name, []
        elif isinstance(part, Data) and name:
            chunks.append(part.data)
            if not part.more_data:
                pairs.append((name, b"".join(chunks).decode()))
    return pairs, tuple(files)


def _has_type(headers: Headers) -> bool:
    """Whether a file part holds a file: a browser sends an empty one, without a name, for a file input left empty."""
    return headers.get("content-type", "application/octet-stream") != "application/octet-stream"


def _form(pairs: list[tuple[str, str]]) -> Body:
    """Make an object of form fields; a field that came more than once is a list, in the order it came."""
    fields: dict[str, JSON] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return Body(value=fields, form=fields)
