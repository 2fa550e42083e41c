r"""Match regular expressions in linear time: Python's syntax, without backtracking. Pure.

Python's own engine takes exponential time on patterns like `^(a+)+$` and cannot be interrupted, so
an event could stop a worker. This engine reads every character of the text once. It refuses
constructs that need backtracking (back-references, look-around).

google-re2 cannot replace this engine, because it differs in the documented syntax. In it `\d`,
`\w`, `\s` and `\b` know ASCII only, `$` does not match before a line end that ends the text,
`a{,3}` is literal text, and `\Z`, `\u00fc`, `(?x)`, `(?a:…)` and `a{1001}` are errors. A text with
a lone surrogate, which JSON can hold, raises an error too. `test_patterns` compares this engine
with `re`.

`re.compile` decides whether a pattern is valid, and which characters a class or an escape matches.
The parser here only finds where each part of a valid pattern begins and ends, so it needs no
private module of the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.core.errors import CompileError

MAX_PATTERN_CHARACTERS: Final = 1000
MAX_NESTED_GROUPS: Final = 100

#: The flags that decide which characters a class or an escape matches.
CHARACTER_FLAGS: Final = re.IGNORECASE | re.DOTALL | re.ASCII
#: The characters of inline flags, such as those of `(?i)`.
INLINE_FLAGS: Final[Mapping[str, re.RegexFlag]] = {
    "a": re.ASCII,
    "i": re.IGNORECASE,
    "m": re.MULTILINE,
    "s": re.DOTALL,
    "u": re.UNICODE,
    "x": re.VERBOSE,
}


@dataclass(frozen=True, slots=True)
class Characters:
    """One character: the source of a literal, escape, `.` or class, and its flags."""

    source: str
    flags: int


@dataclass(frozen=True, slots=True)
class Assertion:
    """A condition on the position between two characters."""

    name: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """A repeated part; `most` is None without an upper bound."""

    item: Node
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class PatternGroup:
    """A choice of at least one sequence."""

    branches: tuple[tuple[Node, ...], ...]


Node = Characters | Assertion | Repeat | PatternGroup

ESCAPE = (
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|0[0-7]{0,2}|[1-3][0-7]{2}|.)"
)
#: The parts of a valid pattern. The order matters: the first alternative that matches is the part.
PATTERN_TOKEN: Final = re.compile(
    rf"""
    (?P<comment>\(\?\#[^)]*\))
    | (?P<flags>\(\?(?P<added>[aimsuxL]*)(?:-(?P<removed>[imsx]+))?(?P<end>[:)]))
    | (?P<group>\((?:\?P<[^>]*>)?(?!\?))
    | (?P<close>\))
    | (?P<choice>\|)
    | (?P<repeat>(?:[*+?]|\{{(?!\}})(?P<least>[0-9]*)(?P<comma>,(?P<most>[0-9]*))?\}})
        (?P<suffix>[?+]?))
    | (?P<assertion>\\[AZzbB]|[\^$])
    | (?P<characters>{ESCAPE}|\[\^?\]?(?:\\.|[^\]\\])*\]|[^(])
    """,
    re.VERBOSE | re.DOTALL,
)
IGNORED_IN_VERBOSE: Final = re.compile(r"(?:[ \t\n\r\v\f]|\#[^\n]*)+")
BACK_REFERENCE: Final = re.compile(r"\\[1-9](?![0-7]{2})|\\[4-9]|\(\?(?:P=|\()")
REPEAT_BOUNDS: Final = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse_pattern(text: str) -> PatternGroup:
    """Return the tree of a pattern.

    Raise CompileError if it is invalid or too long, or cannot run in linear time.
    """
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise CompileError(
            f"a pattern of {len(text)} characters, allowed: {MAX_PATTERN_CHARACTERS}"
        )
    try:
        flags = re.compile(text).flags
    except (re.error, RecursionError, OverflowError, ValueError) as error:
        reason = getattr(error, "msg", "too many nested groups")
        raise CompileError(f"not a regular expression: {reason}") from None
    return _Parser(text, flags).parse()


@dataclass(slots=True)
class _OpenGroup:
    """A group that is not closed: its flags, finished branches and the current branch's items."""

    flags: int
    branches: list[tuple[Node, ...]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)

    def end_branch(self) -> None:
        self.branches.append(tuple(self.items))
        self.items = []


class _Parser:
    """Parser of a pattern that `re.compile` has accepted, without recursion."""

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._open = [_OpenGroup(flags)]

    def parse(self) -> PatternGroup:
        position = 0
        while position < len(self._text):
            if self._open[-1].flags & re.VERBOSE and (
                blank := IGNORED_IN_VERBOSE.match(self._text, position)
            ):
                position = blank.end()
                continue
            token = PATTERN_TOKEN.match(self._text, position)
            if BACK_REFERENCE.match(self._text, position):
                raise _refused_construct("a back-reference")
            if token is None:  # a group with another `?` construct
                raise _refused_construct("look-around or a possessive repeat")
            position = token.end()
            TOKEN_READERS[token.lastgroup or ""](self, token)
        return self._close()

    def read_nothing(self, _token: re.Match[str]) -> None:
        """Skip a comment."""

    def read_flags(self, token: re.Match[str]) -> None:
        """Open a group with its own flags. `re.compile` has the flags for the whole pattern."""
        if token["end"] == ")":
            return
        added = sum(INLINE_FLAGS[letter] for letter in token["added"])
        removed = sum(INLINE_FLAGS[letter] for letter in token["removed"] or "")
        flags = self._open[-1].flags
        if added & (re.ASCII | re.UNICODE):
            flags &= ~(re.ASCII | re.UNICODE)
        self._begin((flags | added) & ~removed)

    def read_group(self, _token: re.Match[str]) -> None:
        self._begin(self._open[-1].flags)

    def read_close(self, _token: re.Match[str]) -> None:
        group = self._close()
        self._open.pop()
        self._open[-1].items.append(group)

    def read_choice(self, _token: re.Match[str]) -> None:
        self._open[-1].end_branch()

    def read_repeat(self, token: re.Match[str]) -> None:
        if token["suffix"] == "+":
            raise _refused_construct("look-around or a possessive repeat")
        items = self._open[-1].items
        items.append(Repeat(items.pop(), *_bounds(token)))

    def read_assertion(self, token: re.Match[str]) -> None:
        current = self._open[-1]
        kind = 0
        if token[0] in "^$":
            kind = re.MULTILINE
        elif token[0] in (r"\b", r"\B"):
            kind = re.ASCII
        current.items.append(Assertion(ASSERTIONS[token[0], bool(current.flags & kind)]))

    def read_characters(self, token: re.Match[str]) -> None:
        current = self._open[-1]
        source = token[0] if token[0][0] in "\\[." else re.escape(token[0])
        current.items.append(Characters(source, current.flags & CHARACTER_FLAGS))

    def _begin(self, flags: int) -> None:
        if len(self._open) > MAX_NESTED_GROUPS:
            raise CompileError(f"a pattern with more than {MAX_NESTED_GROUPS} nested groups")
        self._open.append(_OpenGroup(flags))

    def _close(self) -> PatternGroup:
        current = self._open[-1]
        current.end_branch()
        return PatternGroup(tuple(current.branches))


#: Token -> the method of the parser that reads it.
TOKEN_READERS: Final[Mapping[str, Callable[[_Parser, re.Match[str]], None]]] = {
    "comment": _Parser.read_nothing,
    "flags": _Parser.read_flags,
    "group": _Parser.read_group,
    "close": _Parser.read_close,
    "choice": _Parser.read_choice,
    "repeat": _Parser.read_repeat,
    "assertion": _Parser.read_assertion,
    "characters": _Parser.read_characters,
}
#: (Source, whether the flag that changes it is set) -> the name of the condition.
ASSERTIONS: Final[Mapping[tuple[str, bool], str]] = {
    ("^", False): "start",
    ("^", True): "line_start",
    ("$", False): "end_or_newline",
    ("$", True): "line_end",
    (r"\A", False): "start",
    (r"\Z", False): "end",
    (r"\z", False): "end",  # of Python 3.14
    (r"\b", False): "word",
    (r"\b", True): "ascii_word",
    (r"\B", False): "not_word",
    (r"\B", True): "not_ascii_word",
}


def _bounds(token: re.Match[str]) -> tuple[int, int | None]:
    if token["least"] is None:
        return REPEAT_BOUNDS[token["repeat"][0]]
    least = int(token["least"] or 0)
    if token["comma"] is None:
        return least, least
    return least, int(token["most"]) if token["most"] else None


def _refused_construct(construct: str) -> CompileError:
    return CompileError(f"{construct} cannot run in bounded time; write the pattern without it")


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
            states, is_match = step
            if is_match:
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
