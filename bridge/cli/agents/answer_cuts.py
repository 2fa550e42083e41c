"""Cut an answer of the admin API to a number of bytes, and count what is left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from bridge.core.json_values import write_json
from bridge.core.model import JSON
from bridge.core.text import escape_lines

ITEMS: Final = "items"
MAX_KEY_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class CutLevel:
    """How much of each value is shown: characters of a text, entries of a list or an object, and
    levels of nesting.
    """

    text_chars: int
    entries: int
    depth: int


#: The first level at which an answer fits is used.
CUT_LEVELS: Final = (
    CutLevel(text_chars=4000, entries=200, depth=24),
    CutLevel(text_chars=1000, entries=60, depth=16),
    CutLevel(text_chars=200, entries=20, depth=10),
    CutLevel(text_chars=60, entries=8, depth=6),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAnswer:
    """An answer that fits, with unprintable characters escaped.

    `texts`: how many texts are shortened. `entries`: how many entries of lists and objects are left
    out. `shown`: how many of all the `listed` items of a list are in it.
    """

    data: dict[str, JSON]
    texts: int
    entries: int
    shown: int = 0
    listed: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return not self.texts and not self.entries and self.shown == self.listed


def cut_answer(answer: Mapping[str, JSON], most_bytes: int, skip: int = 0) -> CutAnswer:
    """Return an answer of at most so many bytes of JSON.

    Of a list, the first `items` that fit are shown, behind those to `skip`.
    """
    items = answer.get(ITEMS)
    is_list = isinstance(items, list)
    listed = items[skip:] if isinstance(items, list) else []
    others = {name: value for name, value in answer.items() if not (is_list and name == ITEMS)}
    for level in CUT_LEVELS:
        cutter = _Cutter(level)
        rest = cutter.cut_object(others, 0)
        left = most_bytes - len(write_json({**rest, ITEMS: []}))
        fitting = list(_take_fitting(cutter, listed, left))
        if left >= 0 and (fitting or not listed):
            return CutAnswer(
                data={**rest, ITEMS: fitting} if is_list else rest,
                texts=cutter.texts,
                entries=cutter.entries,
                shown=len(fitting),
                listed=len(listed),
            )
    return CutAnswer(data={}, texts=0, entries=len(others), listed=len(listed))


def _take_fitting(cutter: _Cutter, items: Iterable[JSON], most_bytes: int) -> Iterator[JSON]:
    left = most_bytes
    for item in items:
        before = cutter.counts
        small = cutter.cut(item, 1)
        left -= len(write_json(small)) + 1
        if left < 0:
            cutter.counts = before
            return
        yield small


class _Cutter:
    """Cuts values at one level, and counts the cuts."""

    def __init__(self, level: CutLevel) -> None:
        self._level = level
        self.texts = 0
        self.entries = 0

    @property
    def counts(self) -> tuple[int, int]:
        """Return how many texts are shortened, and how many entries are left out."""
        return self.texts, self.entries

    @counts.setter
    def counts(self, counts: tuple[int, int]) -> None:
        self.texts, self.entries = counts

    def cut(self, value: JSON, depth: int) -> JSON:
        if isinstance(value, str):
            return self._cut_text(value)
        if not isinstance(value, dict | list):
            return value
        if depth >= self._level.depth:
            self.entries += len(value)
            return f"[… {len(value)} entries, too deep]" if value else value
        if isinstance(value, dict):
            return self.cut_object(value, depth)
        limit = self._level.entries
        entries = [self.cut(entry, depth + 1) for entry in value[:limit]]
        return entries + self._note_rest(len(value) - limit)

    def cut_object(self, value: Mapping[str, JSON], depth: int) -> dict[str, JSON]:
        limit = self._level.entries
        entries: dict[str, JSON] = {}
        for name, entry in islice(value.items(), limit):
            entries[self._name_entry(name, entries)] = self.cut(entry, depth + 1)
        for note in self._note_rest(len(value) - limit):
            entries[self._name_entry("…", entries)] = note
        return entries

    def _note_rest(self, count: int) -> list[str]:
        self.entries += max(count, 0)
        return [f"[… {count} more entries]"] if count > 0 else []

    def _cut_text(self, text: str) -> str:
        limit = self._level.text_chars
        if len(text) <= limit:
            return escape_lines(text)
        self.texts += 1
        return f"{escape_lines(text[:limit])}[… {len(text) - limit} more characters]"

    def _name_entry(self, name: str, entries: Mapping[str, JSON]) -> str:
        key = escape_lines(name[:MAX_KEY_CHARS])
        self.texts += len(name) > MAX_KEY_CHARS
        while key in entries:
            key += "…"
        return key
