"""Edits of a sample before it is signed: `--set PATH=VALUE` and `--body FILE`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, urlencode

import orjson

from bridge.core.errors import InvalidRequest
from bridge.core.http_messages import Request
from bridge.core.locators import as_text
from bridge.core.model import JSON
from bridge.routing.expressions.paths import follow_path, write_path

MAX_POSITIONS: Final = 10_000  # of a list that --set may fill up
JSON_TYPE: Final = "application/json"
FORM_TYPE: Final = "application/x-www-form-urlencoded"
ROOTS: Final = ("body", "form", "headers", "query")
EXAMPLE: Final = "body.action=closed"
FORM_EXAMPLE: Final = "form.email=ada@example.com"


def edit_sample(
    request: Request, sets: Sequence[str], body: bytes | None, warn: Callable[[str], object]
) -> Request:
    """Return the request with another body, if one is given, and then with each `PATH=VALUE` set.

    `warn` gets a sentence for each path that is added and looks like a misspelling of an existing
    one. Raises `InvalidRequest` where a path cannot be set.
    """
    if body is not None:
        request = replace(
            request, body=body, headers={**request.headers, "content-type": _type_of(request, body)}
        )
    for text in sets:
        request = _set(request, text, warn)
    return request


def _type_of(request: Request, body: bytes) -> str:
    """Return the content type for another body: that of the sample, or JSON where a JSON body
    replaces a form.
    """
    content_type = request.headers.get("content-type", JSON_TYPE)
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return content_type
    return JSON_TYPE if _media_type(request) == FORM_TYPE else content_type


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _set(request: Request, text: str, warn: Callable[[str], object]) -> Request:
    path, equals, written = text.partition("=")
    root, *steps = path.strip().split(".")
    if not equals or not steps or "" in steps:
        example = FORM_EXAMPLE if _media_type(request) == FORM_TYPE else EXAMPLE
        raise InvalidRequest(f"--set {text!r} is not PATH=VALUE, such as {example}")
    if root not in ROOTS:
        raise InvalidRequest(
            f"--set {text!r}: {root!r} cannot be set; a path begins with {', '.join(ROOTS)}"
        )
    value = _value(written)
    if root == "headers":
        _warn_of_typo(warn, text, [root, ".".join(steps).lower()], dict(request.headers))
        return replace(
            request, headers={**request.headers, ".".join(steps).lower(): _line(text, value)}
        )
    if root == "query":
        parameters = dict(parse_qsl(request.query_string, keep_blank_values=True))
        _warn_of_typo(warn, text, [root, ".".join(steps)], parameters)
        pairs = {**parameters, ".".join(steps): _line(text, value)}
        query = urlencode(pairs)
        return replace(request, query_string=query, url=f"{request.url.partition('?')[0]}?{query}")
    return replace(request, body=_set_in_body(request, root, steps, value, text, warn))


def _warn_of_typo(
    warn: Callable[[str], object], text: str, path: Sequence[str], root_value: JSON
) -> None:
    """Warn that a path is added where an existing one is near it. `root_value`: the value of the
    path's root.
    """
    meant = follow_path(path, [{path[0]: root_value}]).meant
    if meant is not None:
        warn(
            f"--set {text}: there is no {'.'.join(path)}, so it is added; did you mean"
            f" {write_path(meant, dotted=True)}?"
        )


def _value(written: str) -> JSON:
    """Return the value of a JSON text, and any other text unchanged."""
    try:
        return orjson.loads(written)
    except orjson.JSONDecodeError:
        return written


def _line(text: str, value: JSON) -> str:
    line = as_text(value)
    if line is None or not line.isprintable():
        raise InvalidRequest(f"--set {text!r}: a header or a parameter must be one line of text")
    return line


def _set_in_body(
    request: Request,
    root: str,
    steps: list[str],
    value: JSON,
    text: str,
    warn: Callable[[str], object],
) -> bytes:
    kind = _media_type(request)
    if kind == FORM_TYPE:
        pairs = parse_qsl(request.body.decode(), keep_blank_values=True)
        name = ".".join(steps)
        _warn_of_typo(warn, text, [root, name], dict(pairs))
        written = value if isinstance(value, str) else orjson.dumps(value).decode()
        place = next((index for index, (key, _) in enumerate(pairs) if key == name), len(pairs))
        return urlencode([*pairs[:place], (name, written), *pairs[place + 1 :]]).encode()
    try:
        document = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        problem = f"--set {text!r}: no path can be set in this body ({kind or 'not JSON'})"
        raise InvalidRequest(f"{problem}; pass a body with --body") from None
    _warn_of_typo(warn, text, [root, *steps], document)
    return orjson.dumps(_with(document, steps, value, text))


def _with(document: JSON, steps: Sequence[str], value: JSON, text: str) -> JSON:
    """Return the document with `value` at a path; missing objects and list items are added."""
    if not steps:
        return value
    step, *rest = steps
    if isinstance(document, list):
        if not (step.isascii() and step.isdigit()) or int(step) >= MAX_POSITIONS:
            raise InvalidRequest(f"--set {text!r}: {step!r} is not a valid list index")
        filled = [*document, *[None] * (int(step) + 1 - len(document))]
        filled[int(step)] = _with(filled[int(step)], rest, value, text)
        return filled
    if document is not None and not isinstance(document, dict):
        raise InvalidRequest(
            f"--set {text!r}: {step!r} is below a value that is neither object nor list"
        )
    members = document or {}
    return {**members, step: _with(members.get(step), rest, value, text)}
