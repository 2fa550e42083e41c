"""A JSON value as a tree of bounded size, for a page. Pure.

The tree is a list of parts in the order of the page, so that no template and no function recurses:
a payload may be nested as deeply as it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import orjson

from bridge.core.json_values import escape_step
from bridge.core.model import JSON

MAX_NODES: Final = 2000
MAX_CHARS: Final = 64 * 1024
MAX_SMALL_NODES: Final = 400  # of the inputs, and of the outputs, of one delivery or run
MAX_SMALL_CHARS: Final = 16 * 1024
MAX_STRING_CHARS: Final = 2000
MAX_NAME_CHARS: Final = 200
MAX_PATH_CHARS: Final = 1000  # a longer path is not shown, and has no link
MAX_DEPTH: Final = 60  # deeper values have a link to a page of their own
OPEN_DEPTH: Final = 6
OPEN_MEMBERS: Final = 30  # a larger object or list is folded, unless it is the first


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePart:
    """One part: `open` and `close` of an object or a list, a `leaf`, or `more` that is left out.

    `name`: the key in its object or list. `path`: as `match` writes it. `text`: the value, or the
    kind of brackets. `count`: the members, or how many are left out. `kind`: of a leaf, `string` or
    `other`. `pointer`: its place; with `start` also that of what is left out. `has_link`: its
    pointer is short enough for a link.
    """

    part: str
    name: str | None = None
    path: str = ""
    text: str = ""
    count: int = 0
    kind: str = "other"
    is_open: bool = False
    pointer: str = ""
    start: int = 0

    @property
    def has_link(self) -> bool:
        """Whether `pointer` can be opened."""
        return len(self.pointer) <= MAX_PATH_CHARS


@dataclass(slots=True)
class _Container:
    """An object or a list that is being walked."""

    members: Iterator[tuple[str, JSON]]
    pointer: str
    path: str
    total: int
    done: int


@dataclass(slots=True)
class _Budget:
    """The parts and characters of a tree that may still be shown."""

    nodes: int
    chars: int
    stack: list[_Container] = field(default_factory=list)

    @property
    def is_spent(self) -> bool:
        return self.nodes <= 0 or self.chars <= 0


def build_tree(
    value: JSON,
    *,
    path: str = "body",
    pointer: str = "",
    start: int = 0,
    max_nodes: int = MAX_NODES,
    max_chars: int = MAX_CHARS,
) -> list[TreePart]:
    """Return the parts of a value. `start`: leave out so many members of the outermost one."""
    budget = _Budget(max_nodes, max_chars)
    parts: list[TreePart] = []
    _add(parts, budget, None, value, path, pointer, start)
    while budget.stack:
        inner = budget.stack[-1]
        member = None if budget.is_spent else next(inner.members, None)
        if member is None:
            left = inner.total - inner.done
            if left > 0:
                parts.append(_make_more(inner.pointer, inner.done, left))
            parts.append(TreePart(part="close"))
            budget.stack.pop()
            continue
        inner.done += 1
        name, child = member
        _add(
            parts,
            budget,
            name,
            child,
            f"{inner.path}.{name}",
            f"{inner.pointer}/{escape_step(name)}",
        )
    return parts


def build_small_tree(value: JSON, path: str) -> list[TreePart]:
    """Return the parts of a value that is one of several on a page; none for null."""
    if value is None:
        return []
    return build_tree(value, path=path, max_nodes=MAX_SMALL_NODES, max_chars=MAX_SMALL_CHARS)


def write_path(root: str, pointer: str) -> str:
    """Return the path that a JSON pointer leads to, as `match` writes it."""
    return root + pointer.replace("/", ".").replace("~1", "/").replace("~0", "~")


def _add(
    parts: list[TreePart],
    budget: _Budget,
    name: str | None,
    value: JSON,
    path: str,
    pointer: str,
    start: int = 0,
) -> None:
    budget.nodes -= 1
    if name is not None and len(name) > MAX_NAME_CHARS:
        name = f"{name[:MAX_NAME_CHARS]}…"
    budget.chars -= len(name or "")
    path = path[: MAX_PATH_CHARS + 1]
    pointer = pointer[: MAX_PATH_CHARS + 1]
    members = _members_of(value)
    if not members:
        text, kind = _write_leaf(value)
        budget.chars -= len(text)
        parts.append(
            TreePart(
                part="leaf",
                name=name,
                path=_shown_path(path),
                text=text,
                kind=kind,
                pointer=pointer,
            )
        )
        return
    depth = len(budget.stack)
    if depth >= MAX_DEPTH:
        parts.append(_make_more(pointer, 0, len(members), name=name))
        return
    parts.append(_make_open(name, members, path, pointer, depth))
    named = islice(name_members(value), start, None)
    done = min(start, len(members))
    budget.stack.append(_Container(named, pointer, path, len(members), done))


def name_members(value: JSON) -> Iterator[tuple[str, JSON]]:
    """Return the members of an object or a list with their names; none of other values."""
    if isinstance(value, Mapping):
        return iter(value.items())
    if isinstance(value, list | tuple):
        return ((str(index), member) for index, member in enumerate(value))
    return iter(())


def write_scalar(value: JSON) -> str:
    """Return a string as it is, and another value as JSON writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # orjson writes none beyond 64 bits
    return orjson.dumps(value).decode()


def _members_of(value: JSON) -> Sequence[JSON] | Mapping[str, JSON]:
    """Return an object or a list that is not empty; nothing for other values."""
    return value if isinstance(value, dict | list | tuple) else ()


def _write_leaf(value: JSON) -> tuple[str, str]:
    if isinstance(value, str):
        cut = len(value) - MAX_STRING_CHARS
        more = f" … {cut:,} more characters" if cut > 0 else ""
        return f'"{value[:MAX_STRING_CHARS]}"{more}', "string"
    return write_scalar(value)[:MAX_STRING_CHARS], "other"


def _make_open(
    name: str | None,
    members: Sequence[JSON] | Mapping[str, JSON],
    path: str,
    pointer: str,
    depth: int,
) -> TreePart:
    return TreePart(
        part="open",
        name=name,
        path=_shown_path(path),
        text="{}" if isinstance(members, Mapping) else "[]",
        count=len(members),
        pointer=pointer,
        is_open=depth == 0 or (depth < OPEN_DEPTH and len(members) <= OPEN_MEMBERS),
    )


def _make_more(pointer: str, start: int, count: int, name: str | None = None) -> TreePart:
    return TreePart(part="more", name=name, pointer=pointer, start=start, count=count)


def _shown_path(path: str) -> str:
    return path if len(path) <= MAX_PATH_CHARS else ""
