"""Read the forms of an HTML page: their attributes, controls and labels. Pure.

The parser of the standard library takes quadratic time on tags that are not closed. This one splits
the text into tags and texts in time that grows with its length only.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.core.errors import InvalidRequest

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
        match = _TAG.match(text, start)
        if match is None:
            after = _skip(text, start)
        else:
            yield _read_tag(match, line)
            after = match.end()
            name = match["name"].lower()
            if name in TEXT_ELEMENTS and not match["end"]:
                after = _find(lowered, f"</{name}", after)
                if name == "textarea":
                    inside = html.unescape(text[match.end() : after])
                    yield HtmlToken("", line, text=inside)
        line += text.count("\n", start, after)
        at = after


def _read_tag(match: re.Match[str], line: int) -> HtmlToken:
    name = match["name"].lower()
    if match["end"]:
        return HtmlToken(name, line, is_end=True)
    attributes: dict[str, str] = {}
    for attribute in _ATTRIBUTE.finditer(match["attributes"]):
        value = attribute["double"] or attribute["single"] or attribute["bare"] or ""
        attributes.setdefault(attribute["name"].lower(), html.unescape(value))
    return HtmlToken(name, line, attributes=attributes)


def _skip(text: str, start: int) -> int:
    """Return the place after a comment, a declaration, or a `<` that begins no tag."""
    if text.startswith("<!--", start):
        return _find(text, "-->", start + 4, length=3)
    if text[start + 1 : start + 2] in ("!", "?"):
        return _find(text, ">", start + 1, length=1)
    return start + 1


def _find(text: str, substring: str, start: int, *, length: int = 0) -> int:
    """Return the place of a text, or after it with its `length`; the end where there is none."""
    place = text.find(substring, start)
    return len(text) if place < 0 else place + length


MAX_PAGE_CHARS: Final = 512 * 1024
MAX_PAGE_TAGS: Final = 40_000
MAX_PAGE_CONTROLS: Final = 500
MAX_PAGE_PARTS: Final = 2000  # forms, options and captchas of one page
MAX_TEXT_CHARS: Final = 1000  # of a label, an option or a button
CONTROL_TAGS: Final = ("input", "textarea", "select", "button")


@dataclass(slots=True)
class HtmlControl:
    """A control of a form. `options`: (value, text) of a select; `text`: inside of the control."""

    tag: str
    attributes: Mapping[str, str]
    options: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""
    label: str = ""

    @property
    def name(self) -> str:
        """The name of its field, empty if it is not sent."""
        return "" if "disabled" in self.attributes else self.attributes.get("name", "")

    @property
    def type(self) -> str:
        """The type of an input, the tag of another control, in lower case."""
        if self.tag == "input":
            return self.attributes.get("type", "").lower() or "text"
        return self.tag


@dataclass(slots=True)
class HtmlForm:
    """A form of a page. `captchas`: the class of a captcha widget inside it."""

    line: int
    attributes: Mapping[str, str]
    controls: list[HtmlControl] = field(default_factory=list)
    captchas: list[str] = field(default_factory=list)


@dataclass(slots=True)
class HtmlPage:
    """A page: its forms, the URLs of its scripts, and its own URL if it names one."""

    forms: list[HtmlForm] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    url: str = ""


def read_page(name: str, text: str) -> HtmlPage:
    """Return the forms of a page; `InvalidRequest` for one that is too large."""
    if len(text) > MAX_PAGE_CHARS:
        raise InvalidRequest(f"{name}: a page of more than {MAX_PAGE_CHARS} characters")
    if text.count("<") > MAX_PAGE_TAGS:
        raise InvalidRequest(f"{name}: a page of more than {MAX_PAGE_TAGS} tags")
    reader = _PageReader(name)
    for token in split_html(text):
        if not token.tag:
            reader.add_text(token.text)
        elif token.is_end:
            reader.end(token.tag)
        else:
            reader.begin(token.tag, token.attributes, token.line)
    reader.name_controls()
    return reader.page


class _PageReader:
    """Collects the forms while the page is read."""

    def __init__(self, name: str) -> None:
        self.file = name
        self.page = HtmlPage()
        self.form: HtmlForm | None = None
        self.control: HtmlControl | None = None
        self.label: list[str] | None = None
        self.labels: dict[str, str] = {}  # by the id of the control
        self.label_for = ""
        self.counts: dict[str, int] = {}

    def begin(self, tag: str, attributes: Mapping[str, str], line: int) -> None:
        """Begin a form, a control, a label or an option."""
        self._count(tag)
        if tag == "form":
            self.form = HtmlForm(line, attributes)
            self.page.forms.append(self.form)
        elif tag == "label":
            self.label = []
            self.label_for = attributes.get("for", "")
        elif tag in CONTROL_TAGS:
            self._begin_control(tag, attributes)
        elif tag == "option" and self.control is not None:
            self.control.options.append((attributes.get("value", "\0"), ""))
        elif tag == "link" and attributes.get("rel") == "canonical":
            self.page.url = attributes.get("href", "")
        elif tag == "script" and attributes.get("src"):
            self.page.scripts.append(attributes["src"])
        elif self.form is not None and "captcha" in attributes.get("class", ""):
            self.form.captchas = [attributes["class"]]

    def _count(self, tag: str) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag in CONTROL_TAGS and self.counts[tag] > MAX_PAGE_CONTROLS:
            raise InvalidRequest(f"{self.file}: more than {MAX_PAGE_CONTROLS} controls")
        if tag in ("form", "option", "label") and self.counts[tag] > MAX_PAGE_PARTS:
            raise InvalidRequest(f"{self.file}: more than {MAX_PAGE_PARTS} {tag} elements")

    def _begin_control(self, tag: str, attributes: Mapping[str, str]) -> None:
        control = HtmlControl(tag, attributes)
        if self.form is not None:
            self.form.controls.append(control)
        if self.label is not None and attributes.get("type") not in ("checkbox", "radio"):
            control.label = " ".join("".join(self.label).split())
        self.control = None if tag == "input" else control

    def end(self, tag: str) -> None:
        """End a form, a control or a label."""
        if tag == "form":
            self.form = None
        elif tag == "label" and self.label is not None:
            if self.label_for:
                self.labels[self.label_for] = " ".join("".join(self.label).split())
            self.label = None
        elif tag in CONTROL_TAGS:
            self.control = None

    def add_text(self, text: str) -> None:
        """Add text to the option, control or label around it."""
        if self.control is None:
            if self.label is not None:
                self.label.append(text)
        elif self.control.options:
            value, before = self.control.options[-1]
            if len(before) < MAX_TEXT_CHARS:
                self.control.options[-1] = (value, before + text[:MAX_TEXT_CHARS])
        elif len(self.control.text) < MAX_TEXT_CHARS:
            self.control.text += text[:MAX_TEXT_CHARS]

    def name_controls(self) -> None:
        """Give the controls the labels that name their ids."""
        for form in self.page.forms:
            for control in form.controls:
                control.label = control.label or self.labels.get(
                    control.attributes.get("id", "\0"), ""
                )
                control.options = [
                    (" ".join(text.split()) if value == "\0" else value, " ".join(text.split()))
                    for value, text in control.options
                ]
