"""The text of a page of the console that people read, outside code and fields."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser

#: Elements whose text is shown as it is written.
LITERAL_ELEMENTS = {"code", "pre", "textarea", "option", "script", "style"}
#: Attributes that browsers show or read out.
READ_ATTRIBUTES = {"title", "aria-label", "placeholder"}


class TextCollector(HTMLParser):
    """Collects the texts of a page that are prose."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._literal: list[str] = []  # the open elements of literal text

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.texts += [value for name, value in attrs if name in READ_ATTRIBUTES and value]
        if tag in LITERAL_ELEMENTS:
            self._literal.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in LITERAL_ELEMENTS:
            self._literal.pop()

    def handle_data(self, data: str) -> None:
        if not self._literal:
            self.texts.append(data.strip())


def collect_text(html: str) -> list[str]:
    """Return the texts of a page that are neither code nor a value of a field."""
    collector = TextCollector()
    collector.feed(html)
    return collector.texts
