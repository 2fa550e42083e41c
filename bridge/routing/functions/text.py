"""Functions on text. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from urllib.parse import quote

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON
from bridge.routing.functions.signature import MAX_ITEMS, MAX_TEXT, Function, check_text_length

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def to_json(value: JSON) -> str:
    """Return `value` as compact JSON text, at most 1 MiB."""
    try:
        return check_text_length(_ENCODER.encode(value))
    except (ValueError, TypeError, RecursionError):
        raise ExpressionError("a value that JSON cannot represent") from None


def to_text(value: JSON) -> str:
    """Return `value` as text: a string as it is, everything else as JSON."""
    return value if isinstance(value, str) else to_json(value)


def _replace(text: str, old: str, new: str) -> str:
    if not old:
        raise ExpressionError("the text to replace is empty")
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise ExpressionError(f"a text of more than {MAX_TEXT} characters")
    return text.replace(old, new)


def _split(text: str, separator: str) -> list[str]:
    if not separator:
        raise ExpressionError("the separator is empty")
    if text.count(separator) >= MAX_ITEMS:
        raise ExpressionError(f"more than {MAX_ITEMS} parts")
    return text.split(separator)


def _join(separator: str, parts: list[str]) -> str:
    if sum(map(len, parts)) + len(separator) * len(parts) > MAX_TEXT:
        raise ExpressionError(f"a text of more than {MAX_TEXT} characters")
    return separator.join(parts)


def _truncate(text: str, length: int | float, ending: str = "…") -> str:
    if length != int(length) or length < 0:
        raise ExpressionError("the length must be a whole number, 0 or more")
    if len(text) <= length:
        return text
    return text[: max(0, int(length) - len(ending))] + ending[: int(length)]


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can carry it, UTF-8 cannot
        raise ExpressionError("a text that is not valid Unicode") from None


def _b64(text: str) -> str:
    return check_text_length(base64.b64encode(_bytes(text)).decode())


def _unb64(text: str) -> str:
    try:
        compact = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        raise ExpressionError("a text that is not base64 of UTF-8") from None


def _urlencode(text: str) -> str:
    _bytes(text)
    return check_text_length(quote(text, safe=""))


FUNCTIONS = (
    Function(
        "lower", ("text: string",), "The text in lower case.", "lower('ABC')", "abc", str.lower
    ),
    Function(
        "upper",
        ("text: string",),
        "The text in upper case.",
        "upper('abc')",
        "ABC",
        lambda text: check_text_length(text.upper()),
    ),
    Function(
        "trim",
        ("text: string",),
        "The text without white space at its ends.",
        "trim('  a b ')",
        "a b",
        str.strip,
    ),
    Function(
        "replace",
        ("text: string", "old: string", "new: string"),
        "The text with every `old` replaced by `new`.",
        "replace('a-b-c', '-', '/')",
        "a/b/c",
        _replace,
    ),
    Function(
        "split",
        ("text: string", "separator: string"),
        "The parts of the text between the separators.",
        "split('a,b', ',')",
        ["a", "b"],
        _split,
    ),
    Function(
        "join",
        ("separator: string", "parts: array[string]"),
        "One text of all parts, with the separator between them.",
        "join(', ', ['a', 'b'])",
        "a, b",
        _join,
    ),
    Function(
        "truncate",
        ("text: string", "length: number", "ending?: string"),
        "The text cut to this number of characters, including `ending` (default `…`).",
        "truncate('abcdef', 4)",
        "abc…",
        _truncate,
    ),
    Function(
        "urlencode",
        ("text: string",),
        "The text, percent-encoded for a URL.",
        "urlencode('a b&c')",
        "a%20b%26c",
        _urlencode,
    ),
    Function(
        "starts_with",
        ("text: string", "start: string"),
        "Whether the text starts with `start`.",
        "starts_with('abc', 'ab')",
        True,
        str.startswith,
    ),
    Function(
        "ends_with",
        ("text: string", "end: string"),
        "Whether the text ends with `end`.",
        "ends_with('abc', 'bc')",
        True,
        str.endswith,
    ),
    Function(
        "string",
        ("x: any",),
        "The value as text: a string unchanged, any other value as JSON.",
        "string(12.5)",
        "12.5",
        to_text,
    ),
    Function(
        "to_string", ("x: any",), "The same as string().", "to_string([1, 'a'])", '[1,"a"]', to_text
    ),
    Function(
        "json",
        ("x: any",),
        "The value as compact JSON text.",
        "json({a: 'b'})",
        '{"a":"b"}',
        to_json,
    ),
    Function(
        "sha256",
        ("text: string",),
        "The SHA-256 of the text (UTF-8), in hex.",
        "sha256('abc')",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        lambda text: hashlib.sha256(_bytes(text)).hexdigest(),
    ),
    Function("b64", ("text: string",), "The text (UTF-8) in base64.", "b64('hi')", "aGk=", _b64),
    Function(
        "unb64",
        ("text: string",),
        "The text encoded in base64 (also with the URL-safe alphabet).",
        "unb64('aGk=')",
        "hi",
        _unb64,
    ),
)
