"""Parse Python regular expressions into a tree of characters, assertions, choices and repeats.
Pure.

`re.compile` decides whether a pattern is valid, and which characters a class or an escape matches.
This module only finds where each part of a valid pattern begins and ends, so it needs no private
module of the standard library. It refuses every construct that cannot run in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

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
