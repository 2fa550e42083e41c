"""Split HTML into tags and texts, in time that grows with its length only. Pure.

The parser of the standard library takes quadratic time on tags that are not closed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_ATTRIBUTE_CHARS: Final = 8192
MAX_ATTRIBUTE_PARTS: Final = 400  # of one tag
#: Elements whose content is text, up to their end tag.
TEXT_ELEMENTS: Final = frozenset({"script", "style", "textarea", "title"})
_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[A-Za-z][^\s/<>]{0,60}+)"
    rf"(?P<attributes>(?:[^<>\"']{{1,{MAX_ATTRIBUTE_CHARS}}}+"
    rf"|\"[^\"]{{0,{MAX_ATTRIBUTE_CHARS}}}+\""
    rf"|'[^']{{0,{MAX_ATTRIBUTE_CHARS}}}+'){{0,{MAX_ATTRIBUTE_PARTS}}}+)>"
)
_ATTRIBUTE = re.compile(
    r"(?P<name>[^\s\"'<>/=]++)"
    r"(?:\s*+=\s*+(?:\"(?P<double>[^\"]*+)\"|'(?P<single>[^']*+)'|(?P<bare>[^\s\"'<>]++)))?+"
)


@dataclass(frozen=True, slots=True)
class HtmlToken:
    """A start tag with its attributes, an end tag, or a text (then `tag` is empty)."""

    tag: str
    line: int
    is_end: bool = False
    text: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


def split_html(text: str) -> Iterator[HtmlToken]:
    """Yield the tags and texts of a page in order; comments and declarations are left out."""
    lowered = text.lower()
    at = 0
    line = 1
    while at < len(text):
        start = text.find("<", at)
        start = len(text) if start < 0 else start
        if start > at:
            yield HtmlToken("", line, text=html.unescape(text[at:start]))
        line += text.count("\n", at, start)
        found = _TAG.match(text, start)
        if found is None:
            after = _skip(text, start)
        else:
            yield _read_tag(found, line)
            after = found.end()
            name = found["name"].lower()
            if name in TEXT_ELEMENTS and not found["end"]:
                after = _find(lowered, f"</{name}", after)
                if name == "textarea":
                    inside = html.unescape(text[found.end() : after])
                    yield HtmlToken("", line, text=inside)
        line += text.count("\n", start, after)
        at = after


def _read_tag(found: re.Match[str], line: int) -> HtmlToken:
    name = found["name"].lower()
    if found["end"]:
        return HtmlToken(name, line, is_end=True)
    given: dict[str, str] = {}
    for one in _ATTRIBUTE.finditer(found["attributes"]):
        value = one["double"] or one["single"] or one["bare"] or ""
        given.setdefault(one["name"].lower(), html.unescape(value))
    return HtmlToken(name, line, attributes=given)


def _skip(text: str, start: int) -> int:
    """Return the place after a comment, a declaration, or a `<` that begins no tag."""
    if text.startswith("<!--", start):
        return _find(text, "-->", start + 4, length=3)
    if text[start + 1 : start + 2] in ("!", "?"):
        return _find(text, ">", start + 1, length=1)
    return start + 1


def _find(text: str, wanted: str, start: int, *, length: int = 0) -> int:
    """Return the place of a text, or after it with its `length`; the end where there is none."""
    found = text.find(wanted, start)
    return len(text) if found < 0 else found + length
