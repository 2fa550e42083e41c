"""Regular expressions in linear time: Python's syntax, run as an automaton that never backtracks.
Pure.

Python's own engine takes exponential time on patterns like `^(a+)+$` and cannot be interrupted, so
an event could stop a worker. Here every character of the text is looked at once. What cannot be run
so (back-references, look-around) is refused.
"""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from bridge.core.errors import CompileError

MAX_PATTERN = 1000  # characters of a pattern
MAX_STATES = 2000  # of its automaton, counted repeats written out
MAX_CACHE = 2000  # remembered sets of states

Condition = tuple[
    str,
    bool,
    # what an edge without a character asks of its place: start, end, line_start, line_end, word,
    # not_word
]
Edge = tuple[Any, int]  # (None, a condition, or the number of a character class), next state

_ASSERTIONS = {
    sre.AT_BEGINNING: "start",
    sre.AT_BEGINNING_STRING: "start",
    sre.AT_END: "end_or_newline",
    sre.AT_END_STRING: "end",
    sre.AT_BOUNDARY: "word",
    sre.AT_NON_BOUNDARY: "not_word",
}
_MULTILINE = {sre.AT_BEGINNING: "line_start", sre.AT_END: "line_end"}


class Pattern:
    """A compiled pattern. `search` says whether it is found anywhere in a text, as `re.search`
    would.
    """

    __slots__ = ("_classes", "_edges", "_memory", "_needs_place", "_start", "_steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        builder = _Builder(text)
        self._start = builder.start
        self._edges = builder.edges
        self._classes = builder.classes
        self._needs_place = any(
            isinstance(label, str) for edges in self._edges for label, _ in edges
        )
        self._memory: list[dict[str, bool]] = [{} for _ in self._classes]
        self._steps: dict[tuple[frozenset[int], Any], tuple[frozenset[int], bool]] = {}

    def search(self, text: str) -> bool:
        """Return whether the pattern is found in `text`."""
        states: frozenset[int] = frozenset()
        for position in range(len(text) + 1):
            place = self._place(text, position) if self._needs_place else None
            char = text[position] if position < len(text) else None
            key = (states, (place, char))
            step = self._steps.get(key)
            if step is None:
                step = self._step(states, place, char)
                if len(self._steps) >= MAX_CACHE:
                    self._steps.clear()
                self._steps[key] = step
            states, found = step
            if found:
                return True
        return False

    def _step(
        self, states: frozenset[int], place: Any, char: str | None
    ) -> tuple[frozenset[int], bool]:
        """Return the states after `char`, and whether the pattern has ended before it. A match may
        begin at every place.
        """
        closed: set[int] = set()
        stack = [*states, self._start]
        following = set()
        while stack:
            state = stack.pop()
            if state in closed:
                continue
            closed.add(state)
            for label, after in self._edges[state]:
                if label is None or (isinstance(label, str) and place[label]):
                    stack.append(after)
                elif isinstance(label, int) and char is not None and self._fits(label, char):
                    following.add(after)
        return frozenset(following), _END in closed

    def _fits(self, number: int, char: str) -> bool:
        memory = self._memory[number]
        fits = memory.get(char)
        if fits is None:
            if len(memory) >= MAX_CACHE:
                memory.clear()
            fits = memory[char] = self._classes[number].fullmatch(char) is not None
        return fits

    def _place(self, text: str, position: int) -> Any:
        before = text[position - 1] if position else ""
        after = text[position] if position < len(text) else ""
        last = not after or (after == "\n" and position == len(text) - 1)
        return _Place.of(
            not before,
            not after,
            last,
            before == "\n",
            after == "\n",
            _is_word(before) != _is_word(after),
        )


_END = 0  # the state in which the pattern has been found


def _is_word(char: str) -> bool:
    return bool(char) and (char.isalnum() or char == "_")


class _Place(dict[str, bool]):
    """What is true of a place between two characters; one object for each combination, so that it
    can be a key.
    """

    _known: dict[tuple[bool, ...], _Place] = {}  # noqa: RUF012 - shared on purpose

    @classmethod
    def of(cls, *facts: bool) -> _Place:
        place = cls._known.get(facts)
        if place is None:
            start, end, last, after_newline, before_newline, boundary = facts
            place = cls._known[facts] = cls(
                start=start,
                end=end,
                end_or_newline=last,
                line_start=start or after_newline,
                line_end=end or before_newline,
                word=boundary,
                not_word=not boundary,
            )
        return place

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class _Builder:
    """Builds the automaton of a parsed pattern backwards: each part is given the state that follows
    it.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MAX_PATTERN:
            raise CompileError(f"a pattern of {len(text)} characters, allowed: {MAX_PATTERN}")
        try:
            tree = _parser.parse(text)
        except (re.error, RecursionError, OverflowError, ValueError) as error:
            raise CompileError(
                f"not a regular expression: {getattr(error, 'msg', 'it nests too deep')}"
            ) from None
        self.edges: list[list[Edge]] = [[]]
        self.classes: list[re.Pattern[str]] = []
        self._numbers: dict[str, int] = {}
        self.start = self._sequence(tree, tree.state.flags, _END)

    def _state(self, *edges: Edge) -> int:
        if len(self.edges) >= MAX_STATES:
            raise CompileError("a pattern that is too big once its counted repeats are written out")
        self.edges.append(list(edges))
        return len(self.edges) - 1

    def _sequence(self, items: Any, flags: int, after: int) -> int:
        for item in reversed(list(items)):
            after = self._item(item, flags, after)
        return after

    def _item(self, item: tuple[Any, Any], flags: int, after: int) -> int:
        operation, argument = item
        if operation in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            return self._state((self._class(item, flags), after))
        if operation is sre.BRANCH:
            return self._state(
                *((None, self._sequence(branch, flags, after)) for branch in argument[1])
            )
        if operation is sre.SUBPATTERN:
            _, added, removed, inner = argument
            return self._sequence(inner, (flags | added) & ~removed, after)
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            return self._repeat(argument, flags, after)
        if operation is sre.AT:
            name = _MULTILINE.get(argument) if flags & re.MULTILINE else None
            return self._state((name or _ASSERTIONS[argument], after))
        kind = (
            "a back-reference"
            if operation in (sre.GROUPREF, sre.GROUPREF_EXISTS)
            else "look-around or a possessive repeat"
        )
        raise CompileError(
            f"{kind} in a pattern cannot be run in bounded time; write the pattern without"
        )

    def _repeat(self, argument: tuple[int, int, Any], flags: int, after: int) -> int:
        least, most, inner = argument
        unbounded = most is sre.MAXREPEAT
        if least > MAX_STATES or (not unbounded and most > MAX_STATES):
            raise CompileError("a pattern that is too big once its counted repeats are written out")
        if unbounded:
            loop = self._state((None, after))
            self.edges[loop].append((None, self._sequence(inner, flags, loop)))
            after = loop
        else:
            end = after
            for _ in range(most - least):
                after = self._state((None, self._sequence(inner, flags, after)), (None, end))
        for _ in range(least):
            after = self._sequence(inner, flags, after)
        return after

    def _class(self, item: tuple[Any, Any], flags: int) -> int:
        """Return the number of the character class; Python's engine says which single characters
        belong to it.
        """
        key = repr((item, flags))
        if key not in self._numbers:
            flags &= re.IGNORECASE | re.DOTALL | re.ASCII
            self._numbers[key] = len(self.classes)
            self.classes.append(re.compile(_written(item), flags))
        return self._numbers[key]


_CATEGORIES = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}


def _written(item: tuple[Any, Any]) -> str:
    """Return a one-character pattern as text again."""
    operation, argument = item
    if operation is sre.ANY:
        return "."
    if operation is sre.LITERAL:
        return _char(argument)
    if operation is sre.NOT_LITERAL:
        return f"[^{_char(argument)}]"
    parts = []
    for kind, value in argument:
        if kind is sre.NEGATE:
            parts.append("^")
        elif kind is sre.RANGE:
            parts.append(f"{_char(value[0])}-{_char(value[1])}")
        else:
            parts.append(_char(value) if kind is sre.LITERAL else _CATEGORIES[value])
    return f"[{''.join(parts)}]"


def _char(code: int) -> str:
    return f"\\U{code:08x}"
