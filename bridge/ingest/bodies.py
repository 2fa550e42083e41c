"""Parser for request bodies: JSON, form fields or text, within limits. Pure.

An unreadable body is not an error here: the event is stored with the `problem`.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import orjson
from werkzeug.http import parse_options_header

from bridge.core import file_types
from bridge.core.json_values import exceeds_depth, exceeds_values
from bridge.core.locators import URLENCODED
from bridge.core.model import JSON, Body, FormFile
from bridge.core.multipart import MultipartError, Part, parse_parts, sanitize_file_name
from bridge.core.percent_encoding import MAX_ESCAPES, exceeds_escapes, parse_pairs
from bridge.providers.signatures.jwt import unwrap_event

MAX_FIELDS = 1000
MULTIPART = "multipart/form-data"
ESCAPES_PROBLEM = f"the form has more than {MAX_ESCAPES} percent signs"


media_of = lru_cache(maxsize=256)(parse_options_header)  # a sender always sends the same value


def decode(
    content_type: str,
    raw: bytes,
    *,
    max_depth: int,
    wrapped_in: str | None = None,
    max_values: int | None = None,
) -> Body:
    """Parse a body by its content type (the whole header value).

    `wrapped_in`: the form field that holds the JSON where a provider posts it inside a form
    (GitHub's and Slack's `payload`). A body without a content type, or with one we do not know, is
    JSON if it reads as JSON and text otherwise. `max_values`: the limit for JSON of unsigned
    sources.
    """
    media, options = media_of(content_type)
    if media == URLENCODED:
        if max_values is not None and exceeds_escapes(raw):
            return Body(problem=f"{ESCAPES_PROBLEM}, the limit of a public source")
        return _unwrap(_urlencoded(raw), wrapped_in, max_depth, max_values)
    if media == MULTIPART:
        return _multipart(raw, options.get("boundary", ""))
    if media == "application/json" or media.endswith("+json"):
        return read_json(raw, max_depth, max_values)
    read = read_json(raw, max_depth, max_values)
    return read if read.problem is None else _text(raw)


def decode_token(raw: bytes, claim: str, texts: tuple[str, ...] = (), *, max_depth: int) -> Body:
    """Parse the JSON under a claim of a verified token (Wix).

    `texts`: members of that object that contain JSON as text; they are parsed too, if they are
    objects.
    """
    inner = unwrap_event(raw, claim)
    if inner is None:
        return Body(problem=f"the body is not a token that holds JSON under {claim!r}")
    body = read_json(inner, max_depth)
    if not isinstance(body.value, dict):
        return body
    read = {
        name: read_json(text.encode(), max_depth - 1)
        for name in texts
        if isinstance(text := body.value.get(name), str)
    }
    return Body(
        value=body.value
        | {name: member.value for name, member in read.items() if isinstance(member.value, dict)}
    )


def _unwrap(body: Body, wrapped_in: str | None, max_depth: int, max_values: int | None) -> Body:
    """Parse the JSON in the form field `wrapped_in`; without that field, return the form."""
    inner = (body.form or {}).get(wrapped_in) if wrapped_in else None
    return read_json(inner.encode(), max_depth, max_values) if isinstance(inner, str) else body


def read_json(raw: bytes, max_depth: int, max_values: int | None = None) -> Body:
    if max_values is not None and exceeds_values(raw, max_values):
        return Body(
            problem=f"the JSON body has more than {max_values} values, the limit of a public source"
        )
    if exceeds_depth(raw, max_depth):
        return Body(problem=f"the JSON body is nested deeper than {max_depth} levels (max_depth)")
    try:
        return Body(value=orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        return Body(
            problem=(
                f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
            )
        )


def _text(raw: bytes) -> Body:
    try:
        return Body(value=raw.decode())
    except UnicodeDecodeError as error:
        return Body(problem=f"the body is neither JSON nor UTF-8 text (byte {error.start})")


def _urlencoded(raw: bytes) -> Body:
    try:
        fields = parse_pairs(raw, MAX_FIELDS)
        is_whole = not raw or all(b"=" in pair for pair in raw.split(b"&"))
        if not raw.isascii() or not is_whole:
            raise ValueError("not a URL-encoded form")
        pairs = [(name.decode(), value.decode()) for name, value in fields]
    except ValueError:
        return Body(
            problem=f"the body is not a URL-encoded form of at most {MAX_FIELDS} fields in UTF-8"
        )
    return _form_body(pairs)


def _multipart(raw: bytes, boundary: str) -> Body:
    pairs: list[tuple[str, str]] = []
    files: list[FormFile] = []
    try:
        for number, part in enumerate(parse_parts(raw, boundary)):
            if number == MAX_FIELDS:
                raise MultipartError("too many")
            name, filename = part.names
            if filename or (filename is not None and part.begin < part.end):
                files.append(_describe_file(raw, part, name, filename))
            elif name and filename is None:
                pairs.append((name, raw[part.begin : part.end].decode()))
    except ValueError:
        return Body(
            problem=f"the body is not a multipart form of at most {MAX_FIELDS} fields in UTF-8"
        )
    body = _form_body(pairs)
    return Body(value=body.value, form=body.form, files=tuple(files))


def _describe_file(raw: bytes, part: Part, field: str, name: str) -> FormFile:
    """Describe a file that stays in the body."""
    content = memoryview(raw)[part.begin : part.end]
    kind = file_types.detect_type(content, name)
    return FormFile(
        field=field,
        name=sanitize_file_name(name),
        type=kind.media,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _form_body(pairs: list[tuple[str, str]]) -> Body:
    """Return form fields as an object; repeated fields become a list, in their order."""
    fields: dict[str, JSON] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return Body(value=fields, form=fields)
