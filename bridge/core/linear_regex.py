r"""Match regular expressions in linear time: Python's syntax, without backtracking. Pure.

Python's own engine takes exponential time on patterns like `^(a+)+$` and cannot be interrupted, so
an event could stop a worker. This engine reads every character of the text once. It refuses
constructs that need backtracking (back-references, look-around).

google-re2 cannot replace this engine, because it differs in the documented syntax. In it `\d`,
`\w`, `\s` and `\b` know ASCII only, `$` does not match before a line end that ends the text,
`a{,3}` is literal text, and `\Z`, `\u00fc`, `(?x)`, `(?a:…)` and `a{1001}` are errors. A text with
a lone surrogate, which JSON can hold, raises an error too. `test_patterns` compares this engine
with `re`.
"""

from __future__ import annotations

import re
from typing import Any

from bridge.core.errors import CompileError
from bridge.core.regex_syntax import (
    Assertion,
    Characters,
    Node,
    PatternGroup,
    Repeat,
    parse_pattern,
)

MAX_STATES = 2000  # of its automaton, counted repeats written out
MAX_CACHED_STEPS = 2000  # remembered sets of states

#: (None, the name of a condition on the place, or the number of a character class), next state.
Edge = tuple[Any, int]


class Pattern:
    """A compiled pattern."""

    __slots__ = (
        "_classes",
        "_edges",
        "_memory",
        "_needs_ascii_words",
        "_needs_place",
        "_needs_words",
        "_start",
        "_steps",
        "text",
    )

    def __init__(self, text: str) -> None:
        self.text = text
        builder = _AutomatonBuilder(text)
        self._start = builder.start
        self._edges = builder.edges
        self._classes = builder.classes
        conditions = {
            label for edges in self._edges for label, _ in edges if isinstance(label, str)
        }
        self._needs_place = bool(conditions)
        self._needs_words = not conditions.isdisjoint(("word", "not_word"))
        self._needs_ascii_words = not conditions.isdisjoint(("ascii_word", "not_ascii_word"))
        self._memory: list[dict[str, bool]] = [{} for _ in self._classes]
        self._steps: dict[tuple[frozenset[int], Any], tuple[frozenset[int], bool]] = {}

    def search(self, text: str) -> bool:
        """Return whether the pattern matches anywhere in `text`, as `re.search` does."""
        states: frozenset[int] = frozenset()
        for position in range(len(text) + 1):
            place = self._place(text, position) if self._needs_place else None
            char = text[position] if position < len(text) else None
            key = (states, (place, char))
            step = self._steps.get(key)
            if step is None:
                step = self._step(states, place, char)
                if len(self._steps) >= MAX_CACHED_STEPS:
                    self._steps.clear()
                self._steps[key] = step
            states, found = step
            if found:
                return True
        return False

    def _step(
        self, states: frozenset[int], place: Any, char: str | None
    ) -> tuple[frozenset[int], bool]:
        """Return the states after `char`, and whether a match has ended before it.

        A match may begin at every position.
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
            if len(memory) >= MAX_CACHED_STEPS:
                memory.clear()
            fits = memory[char] = self._classes[number].fullmatch(char) is not None
        return fits

    def _place(self, text: str, position: int) -> Any:
        before = text[position - 1] if position else ""
        after = text[position] if position < len(text) else ""
        last = not after or (after == "\n" and position == len(text) - 1)
        is_boundary = self._needs_words and _is_word(before) != _is_word(after)
        is_ascii_boundary = self._needs_ascii_words and _is_ascii_word(before) != _is_ascii_word(
            after
        )
        return _Position.of(
            not before,
            not after,
            last,
            before == "\n",
            after == "\n",
            is_boundary,
            is_ascii_boundary,
        )


_END = 0  # the state in which the pattern has been found


def _is_word(char: str) -> bool:
    return bool(char) and (char.isalnum() or char == "_")


def _is_ascii_word(char: str) -> bool:
    return char.isascii() and _is_word(char)


class _Position(dict[str, bool]):
    """Conditions that hold at a position between two characters.

    There is one object for each combination, so that it can be a dict key.
    """

    _known: dict[tuple[bool, ...], _Position] = {}  # noqa: RUF012 - shared on purpose

    @classmethod
    def of(cls, *facts: bool) -> _Position:
        place = cls._known.get(facts)
        if place is None:
            start, end, last, after_newline, before_newline, boundary, ascii_boundary = facts
            place = cls._known[facts] = cls(
                start=start,
                end=end,
                end_or_newline=last,
                line_start=start or after_newline,
                line_end=end or before_newline,
                word=boundary,
                not_word=not boundary,
                ascii_word=ascii_boundary,
                not_ascii_word=not ascii_boundary,
            )
        return place

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none; these are shared objects
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class _AutomatonBuilder:
    """Builder of a pattern's automaton, from the end: each part gets the state that follows it."""

    def __init__(self, text: str) -> None:
        self.edges: list[list[Edge]] = [[]]
        self.classes: list[re.Pattern[str]] = []
        self._numbers: dict[Characters, int] = {}
        self.start = self._build(parse_pattern(text), _END)

    def _state(self, *edges: Edge) -> int:
        if len(self.edges) >= MAX_STATES:
            raise CompileError("a pattern that is too big once its counted repeats are written out")
        self.edges.append(list(edges))
        return len(self.edges) - 1

    def _build(self, node: Node, after: int) -> int:
        match node:
            case Characters():
                return self._state((self._class(node), after))
            case Assertion(name):
                return self._state((name, after))
            case PatternGroup(branches):
                starts = [self._sequence(branch, after) for branch in branches]
                return (
                    starts[0]
                    if len(starts) == 1
                    else self._state(*((None, start) for start in starts))
                )
            case Repeat():
                return self._repeat(node, after)

    def _sequence(self, items: tuple[Node, ...], after: int) -> int:
        for item in reversed(items):
            after = self._build(item, after)
        return after

    def _repeat(self, node: Repeat, after: int) -> int:
        if node.least > MAX_STATES or (node.most or 0) > MAX_STATES:
            raise CompileError("a pattern that is too big once its counted repeats are written out")
        if node.most is None:
            loop = self._state((None, after))
            self.edges[loop].append((None, self._build(node.item, loop)))
            after = loop
        else:
            end = after
            for _ in range(node.most - node.least):
                after = self._state((None, self._build(node.item, after)), (None, end))
        for _ in range(node.least):
            before = self._build(node.item, after)
            # an empty part: repeating it adds no state, so nothing would bound the time
            if before == after:
                break
            after = before
        return after

    def _class(self, characters: Characters) -> int:
        """Return the number of a character class. Python's engine decides which characters fit."""
        if characters not in self._numbers:
            self._numbers[characters] = len(self.classes)
            self.classes.append(re.compile(characters.source, characters.flags))
        return self._numbers[characters]
