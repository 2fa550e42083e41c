"""Search for a data subject in stored events and rejects, such as by email address. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import orjson

from bridge.core.model import JSON, Body, Event, Reject
from bridge.core.percent_encoding import decode_text
from bridge.core.text import normalize

# first parts of a field's path, as in routes.yaml
ROOTS = ("body", "form", "fields", "query")
MAX_NESTED_JSON = 3  # levels of JSON inside JSON texts

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataSubject:
    """A search for the `text` of a field, ignoring case and surrounding blanks.

    `at`: only in fields whose path ends with it, ignoring positions in lists. `anywhere`: also as a
    part of any text, in headers too. `marks`: the marks of redaction that replace it.
    """

    text: str = field(repr=False)
    at: Path = ()
    anywhere: bool = False
    marks: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        text: str,
        named: str | None = None,
        *,
        anywhere: bool = False,
        marks: Iterable[str] = (),
    ) -> DataSubject:
        """Return the subject. `named`: a field as in `match`, or the last parts of its path."""
        parts = tuple(named.split(".")) if named else ()
        at = parts[1:] if len(parts) > 1 and parts[0] in ROOTS else parts
        return cls(fold_text(text), at, anywhere, frozenset(map(fold_text, marks)))

    def in_event(self, event: Event, body: Body) -> bool:
        """Return whether an event matches. An unreadable body matches by any part of its text."""
        if (
            self.in_value(body.value)
            or self.in_query(event.query_string)
            or (body.problem is not None and self.in_raw(event.body))
        ):
            return True
        if not self.at and event.client is not None and fold_text(event.client) == self.text:
            return True
        if not self.at and any(fold_text(value) in self.marks for value in event.headers.values()):
            return True
        if not self.anywhere:
            return False
        beside = [
            *event.headers.values(),
            event.type,
            event.provider_id,
            event.problem,
            event.spam,
            event.client,
        ]
        return self.in_raw(event.body) or self.in_texts(
            [*beside, *(file.name for file in event.files)]
        )

    def in_reject(self, reject: Reject, body: Body) -> bool:
        """Return whether a reject matches; its body may be truncated."""
        if (
            self.in_value(body.value)
            or self.in_query(reject.query_string)
            or (body.problem is not None and self.in_raw(reject.body))
        ):
            return True
        if not self.at and reject.client is not None and fold_text(reject.client) == self.text:
            return True
        return self.anywhere and (
            self.in_raw(reject.body)
            or self.in_texts([*reject.headers.values(), reject.url, reject.client])
        )

    def in_value(self, value: JSON) -> bool:
        """Return whether a field of a payload matches; with `anywhere`, also names and parts."""
        for path, leaf in iter_leaves(value):
            if self.anywhere and (
                self.text in leaf or any(self.text in fold_text(name) for name in path)
            ):
                return True
            if (leaf == self.text or leaf in self.marks) and path[
                len(path) - len(self.at) :
            ] == self.at:
                return True
        return False

    def in_query(self, query_string: str) -> bool:
        """Return whether a query parameter matches."""
        if self.anywhere and self.text in fold_text(decode_text(query_string)):
            return True
        return any(
            self.in_value({name: value})
            for name, value in parse_qsl(query_string, keep_blank_values=True)
        )

    def in_raw(self, raw: bytes) -> bool:
        """Return whether the bytes contain the text, plain or URL-encoded."""
        text = raw.decode("utf-8", "replace")
        return self.text in fold_text(text) or self.text in fold_text(decode_text(text))

    def in_texts(self, texts: list[str | None]) -> bool:
        """Return whether one of the texts contains it."""
        return any(text is not None and self.text in fold_text(text) for text in texts)


def fold_text(text: str) -> str:
    """Normalize a text for comparison: Unicode NFC, case-folded, stripped."""
    return normalize("NFC", text).casefold().strip()


def iter_leaves(value: JSON) -> Iterator[tuple[Path, str]]:
    """Yield the texts and numbers of a payload with their paths; JSON inside a text is parsed."""
    waiting: list[tuple[Path, JSON, int]] = [((), value, 0)]
    while waiting:
        path, node, within = waiting.pop()
        if isinstance(node, dict):
            waiting += [((*path, str(name)), member, within) for name, member in node.items()]
        elif isinstance(node, list):
            waiting += [(path, element, within) for element in node]
        elif isinstance(node, str):
            yield path, fold_text(node)
            if within < MAX_NESTED_JSON and node.lstrip()[:1] in ("{", "["):
                try:
                    waiting.append((path, orjson.loads(node), within + 1))
                except ValueError:
                    continue
        elif isinstance(node, int | float) and not isinstance(node, bool):
            yield path, str(node)
