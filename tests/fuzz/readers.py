"""Targets: what reads bodies, forms, their parts, and the depth and size of JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bridge.core import multipart
from bridge.core.errors import Refused
from bridge.core.json_values import exceeds_depth, exceeds_values
from bridge.ingest import forms
from bridge.ingest.bodies import decode, decode_token
from bridge.providers.signatures.encodings import to_base64url
from bridge.routing.form import Form
from fuzz.choices import Choices, Finding, bounded

BOUNDARY = "b"
TYPES = (
    "application/x-www-form-urlencoded",
    f"multipart/form-data; boundary={BOUNDARY}",
    "text/plain",
    "application/json",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded; charset=shift_jis",
    f"multipart/form-data; charset=utf-7; boundary={BOUNDARY}",
    "text/plain; charset=iso-2022-jp",
    "application/cloudevents+json",
    "",
    "text/xml",
)
DEPTH = 20


def bodies(data: bytes) -> None:
    """Every body becomes a value or a problem, and never both a form and a text."""
    choices = Choices(data)
    kind = choices.one_of(TYPES)
    wrapped = choices.one_of((None, "payload"))
    raw = choices.body()
    body = bounded(
        len(raw), lambda: decode(kind, raw, max_depth=DEPTH, wrapped_in=wrapped, max_values=50_000)
    )
    if body.problem is not None and body.value is not None:
        raise Finding("a body with a problem has a value")
    if _depth(body.value) > DEPTH:
        raise Finding("the value is deeper than allowed")
    token = b".".join((b"e30", to_base64url(raw).encode(), b"e30"))
    bounded(2 * len(raw), lambda: decode_token(token, "data", ("data",), max_depth=DEPTH))


def submissions(data: bytes) -> None:
    """Every submission of a form is read, or refused with a status of its own."""
    choices = Choices(data)
    kind = choices.one_of(TYPES)
    nested = choices.one_of((False, True))
    raw = choices.body()
    form = Form()
    if nested:
        form = replace(form, fields=replace(form.fields, nested=True))
    try:
        sent = bounded(len(raw), lambda: forms.read(form, kind, raw, max_depth=DEPTH))
        bounded(len(raw), lambda: forms.check(form, sent))
        bounded(len(raw), lambda: forms.take(form, sent))
    except Refused as refused:
        if not 400 <= refused.status < 500:
            raise Finding(f"refused with {refused.status}") from refused


def parts(data: bytes) -> None:
    """The parts of a body are within it, one after another, and each has a name that can be
    shown.
    """
    choices = Choices(data)
    boundary = choices.one_of((BOUNDARY, "--", "a b", "\x00", "b" * 200))
    raw = choices.body()

    def walk() -> None:
        place = 0
        for part in multipart.parse_parts(raw, boundary):
            if not place <= part.begin <= part.end <= len(raw):
                raise Finding(
                    f"the part {part.begin}..{part.end} is not after {place} in {len(raw)} bytes"
                )
            place = part.end
            name = part.named("utf-8")[1]
            kept = multipart.sanitize_file_name(name) if name is not None else ""
            if (
                "/" in kept
                or "\\" in kept
                or "\0" in kept
                or len(kept.encode()) > multipart.MAX_FILE_NAME_BYTES
            ):
                raise Finding("the file's name is no name")
            _ = part.type

    # a name that is in no UTF-8: the callers refuse it
    with suppress(multipart.MultipartError, UnicodeDecodeError):
        bounded(len(raw), walk)


def depths(data: bytes) -> None:
    """What is told of JSON from its bytes is true once it is read."""
    choices = Choices(data)
    limit = 1 + choices.number(40)
    most = 1 + choices.number(200)
    raw = choices.body()
    deep, large = bounded(len(raw), lambda: (exceeds_depth(raw, limit), exceeds_values(raw, most)))
    if len(raw) > 4096:
        return
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return
    if _depth(value) > limit and not deep:
        raise Finding(f"JSON deeper than {limit} is let through")
    if _values(value) > most and not large:
        raise Finding(f"JSON of more than {most} values is let through")


def _depth(value: Any) -> int:
    deepest = 0
    todo = [(value, 1)]
    while todo:
        one, depth = todo.pop()
        if isinstance(one, dict | list):
            deepest = max(deepest, depth)
            todo += [
                (inner, depth + 1) for inner in (one.values() if isinstance(one, dict) else one)
            ]
    return deepest


def _values(value: Any) -> int:
    """Elements and members, the fewest that the bytes can have held: of a key that comes twice one
    is left.
    """
    count = 0
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict | list):
            inner = list(one.values()) if isinstance(one, dict) else one
            count += len(inner)
            todo += inner
    return count
