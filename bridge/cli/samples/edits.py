"""Change a sample before it is signed: `--set PATH=VALUE` and `--body FILE`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode

import click
import orjson

from bridge.cli.ui import output
from bridge.core.http_messages import Request
from bridge.core.locators import as_text
from bridge.core.model import JSON
from bridge.routing.expressions.paths import follow_path, write_path

LARGEST_BODY: Final = 64 * 1024 * 1024  # bytes of a file that is sent
LONGEST_LIST: Final = 10_000  # positions of a list that --set may fill up
JSON_TYPE: Final = "application/json"
FORM_TYPE: Final = "application/x-www-form-urlencoded"
ROOTS: Final = ("body", "form", "headers", "query")


def read_body(name: str) -> bytes:
    """Return what `--body` names: a file, or standard input for `-`."""
    try:
        raw = sys.stdin.buffer.read(LARGEST_BODY + 1) if name == "-" else _read(Path(name))
    except OSError as error:
        raise click.UsageError(
            f"--body {name}: the file cannot be read: {error.strerror}"
        ) from None
    if len(raw) > LARGEST_BODY:
        raise click.UsageError(f"--body {name}: it is larger than {LARGEST_BODY} bytes")
    return raw


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_BODY + 1)


def edit(request: Request, sets: Sequence[str], body: bytes | None) -> Request:
    """Return the request with another body, if one is given, and then with each `PATH=VALUE` set.

    Says which path is not there and looks like a misspelt one that is. Raises `UsageError` where a
    path cannot be set.
    """
    if body is not None:
        request = replace(
            request, body=body, headers={**request.headers, "content-type": _type_of(request, body)}
        )
    for text in sets:
        request = _set(request, text)
    return request


def _type_of(request: Request, body: bytes) -> str:
    """Return the content type for a body of the caller's: that of the sample, unless one is a form
    and the other JSON.
    """
    kept = request.headers.get("content-type", JSON_TYPE)
    is_form = kept.partition(";")[0].strip().lower() == FORM_TYPE
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return kept
    return JSON_TYPE if is_form else kept


def _set(request: Request, text: str) -> Request:
    path, equals, written = text.partition("=")
    root, *steps = path.strip().split(".")
    if not equals or not steps or "" in steps:
        raise click.UsageError(f"--set {text!r} is not PATH=VALUE, such as body.action=closed")
    if root not in ROOTS:
        raise click.UsageError(
            f"--set {text!r}: {root!r} cannot be set; a path begins with {', '.join(ROOTS)}"
        )
    value = _value(written)
    if root == "headers":
        _warn_of_typo(text, [root, ".".join(steps).lower()], dict(request.headers))
        return replace(
            request, headers={**request.headers, ".".join(steps).lower(): _line(text, value)}
        )
    if root == "query":
        given = dict(parse_qsl(request.query_string, keep_blank_values=True))
        _warn_of_typo(text, [root, ".".join(steps)], given)
        pairs = {**given, ".".join(steps): _line(text, value)}
        query = urlencode(pairs)
        return replace(request, query_string=query, url=f"{request.url.partition('?')[0]}?{query}")
    return replace(request, body=_set_in_body(request, root, steps, value, text))


def _warn_of_typo(text: str, path: Sequence[str], found: JSON) -> None:
    """Say that a path is added, where it is near to one that is there. `found`: what stands at the
    path's root.
    """
    meant = follow_path(path, [{path[0]: found}]).meant
    if meant is not None:
        output.say(
            f"--set {text}: there is no {'.'.join(path)}, so it is added; did you mean"
            f" {write_path(meant, dotted=True)}?"
        )


def _value(written: str) -> JSON:
    """Return JSON as its value, and anything else as the text that it is."""
    try:
        return orjson.loads(written)
    except orjson.JSONDecodeError:
        return written


def _line(text: str, value: JSON) -> str:
    line = as_text(value)
    if line is None or not line.isprintable():
        raise click.UsageError(f"--set {text!r}: a header or a parameter is one line of text")
    return line


def _set_in_body(request: Request, root: str, steps: list[str], value: JSON, text: str) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM_TYPE:
        pairs = parse_qsl(request.body.decode(), keep_blank_values=True)
        name = ".".join(steps)
        _warn_of_typo(text, [root, name], dict(pairs))
        written = value if isinstance(value, str) else orjson.dumps(value).decode()
        place = next((index for index, (key, _) in enumerate(pairs) if key == name), len(pairs))
        return urlencode([*pairs[:place], (name, written), *pairs[place + 1 :]]).encode()
    try:
        document = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        found = f"--set {text!r}: this body is {kind or 'no JSON'}, in which no path can be set"
        raise click.UsageError(f"{found}; give a body with --body") from None
    _warn_of_typo(text, [root, *steps], document)
    return orjson.dumps(_with(document, steps, value, text))


def _with(document: JSON, steps: Sequence[str], value: JSON, text: str) -> JSON:
    """Return the document with `value` at a path; objects and list items that are missing on the
    way are added.
    """
    if not steps:
        return value
    step, *rest = steps
    if isinstance(document, list):
        if not (step.isascii() and step.isdigit()) or int(step) >= LONGEST_LIST:
            raise click.UsageError(f"--set {text!r}: {step!r} is no position of a list")
        filled = [*document, *[None] * (int(step) + 1 - len(document))]
        filled[int(step)] = _with(filled[int(step)], rest, value, text)
        return filled
    if document is not None and not isinstance(document, dict):
        raise click.UsageError(
            f"--set {text!r}: {step!r} is below a value that is no object and no list"
        )
    members = document or {}
    return {**members, step: _with(members.get(step), rest, value, text)}
