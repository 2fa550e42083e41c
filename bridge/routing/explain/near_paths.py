"""Find the path that was probably meant by one that an event does not have. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from bridge.core.errors import CompileError
from bridge.core.locators import dig
from bridge.core.model import JSON
from bridge.core.typos import find_typo
from bridge.routing.expressions.paths import write_path
from bridge.routing.matching.matcher import path_steps

MAX_NEAR: Final = 3  # paths or values that are listed for one clause
MAX_KEYS: Final = 1000  # of one object, and elements of one list, that are compared
MAX_INNER_ELEMENTS: Final = 20  # of a list one level down
MAX_RENAMED_STEPS: Final = 3  # misspelt steps of one path

#: Roots in which a value is looked for that is written under another one.
_OTHER_ROOTS: Final = ("body", "event", "headers", "query", "form")
_SEPARATORS: Final = re.compile(r"[\W_]+")

Steps = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A path or a value that was probably meant. `note` says for a person how it differs."""

    value: JSON
    note: str = ""
    is_path: bool = False


def find_near_paths(
    steps: Steps, roots: Mapping[str, JSON], *, dotted: bool = True
) -> tuple[NearMiss, ...]:
    """Return paths with a value that are near a path without one; none for a path that exists.

    `dotted`: write them as `match` does, not as an expression does.
    """
    place, parent = _find_end(steps, roots)
    if place == len(steps):
        return ()
    notes: dict[Steps, str] = {}
    write = _write_dotted if dotted else lambda path: _write_expression(path, roots)
    for path, note in _candidates(steps, place, parent, write):
        if path != steps and dig(roots, path) is not None and (not dotted or _is_writable(path)):
            notes.setdefault(path, note)
        if len(notes) == MAX_NEAR:
            break
    return tuple(NearMiss(write(path), note, is_path=True) for path, note in notes.items())


def find_inside(steps: Steps, actual: JSON, accept: Callable[[JSON], bool]) -> tuple[NearMiss, ...]:
    """Return the path of the first accepted value inside an object or a list: a member, an element,
    or a member of an element.
    """
    for below, value, note in _members(actual):
        path = (*steps, *below)
        if accept(value) and _is_writable(path):
            return (NearMiss(_write_dotted(path), note, is_path=True),)
    return ()


def _fold_name(text: str) -> str:
    """Return a text in lower case without separators: `X_Event-Id` is `xeventid`."""
    return _SEPARATORS.sub("", text).casefold()


def _find_end(steps: Steps, roots: Mapping[str, JSON]) -> tuple[int, JSON]:
    """Return how many steps exist, and the value there. A null value exists."""
    value: JSON = roots
    for place, step in enumerate(steps):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and _is_index(step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return place, value
    return len(steps), value


def _candidates(
    steps: Steps, place: int, parent: JSON, write: Callable[[Steps], str]
) -> Iterator[tuple[Steps, str]]:
    """Yield paths that may be meant, the most likely first, each with a note."""
    before = steps[:place]
    rest = steps[place:]
    if place:
        yield from ((path, "") for path in _renamed(before, rest, parent, MAX_RENAMED_STEPS))
        if isinstance(parent, list) and not _is_index(rest[0]):
            note = f"{write(before)} is a list"
            yield from (((*before, *below), note) for below in _in_elements(parent, rest))
    if place and len(rest) > 1:
        yield (*before, *rest[1:]), f"without {rest[0]}"
    if place > 1:
        yield (*before[:-1], *rest), "one level up"
    if place and isinstance(parent, dict):
        yield from (((*before, *below), "one level down") for below in _in_members(parent, rest))
    if len(steps) > 1:
        for root in _OTHER_ROOTS:
            if root != steps[0]:
                yield (root, *steps[1:]), f"in {root}"


def _renamed(before: Steps, rest: Steps, parent: JSON, max_renames: int) -> Iterator[Steps]:
    """Yield paths in which misspelt steps are replaced by the similar names of the event."""
    if not rest:
        yield before
        return
    if not isinstance(parent, dict):
        return
    step, *others = rest
    below = tuple(others)
    if step in parent:
        yield from _renamed((*before, step), below, parent[step], max_renames)
        return
    if max_renames:
        for key in _similar(step, parent):
            yield from _renamed((*before, key), below, parent[key], max_renames - 1)


def _similar(name: str, keys: Iterable[str]) -> list[str]:
    """Return the keys that differ from a name in case or separators only, then the nearest."""
    candidates = list(islice(keys, MAX_KEYS))
    folded = _fold_name(name)
    equal = [key for key in candidates if _fold_name(key) == folded][:MAX_NEAR] if folded else []
    typo = find_typo(name, candidates)
    return equal if typo is None or typo in equal else [*equal, typo]


def _in_elements(elements: Sequence[JSON], rest: Steps, limit: int = MAX_KEYS) -> Iterator[Steps]:
    """Yield the path of the first element with a value at `rest`."""
    for index, element in enumerate(islice(elements, limit)):
        if dig(element, rest) is not None:
            yield (str(index), *rest)
            return


def _in_members(members: Mapping[str, JSON], rest: Steps) -> Iterator[Steps]:
    for key, member in islice(members.items(), MAX_KEYS):
        if isinstance(member, dict) and dig(member, rest) is not None:
            yield (key, *rest)
        elif isinstance(member, list):
            yield from ((key, *below) for below in _in_elements(member, rest, MAX_INNER_ELEMENTS))


def _members(value: JSON) -> Iterator[tuple[Steps, JSON, str]]:
    """Yield the values one level inside a value, and the members of a list's elements."""
    if isinstance(value, dict):
        for key, member in islice(value.items(), MAX_KEYS):
            yield (key,), member, "the value is an object"
    elif isinstance(value, list):
        elements = [(str(index), element) for index, element in enumerate(islice(value, MAX_KEYS))]
        for index, element in elements:
            yield (index,), element, "the value is a list: use contains"
        for index, element in elements:
            if isinstance(element, dict):
                for key, member in islice(element.items(), MAX_KEYS):
                    yield (index, key), member, "the value is a list of objects"


def _write_dotted(steps: Steps) -> str:
    """Return a path as `match` writes it."""
    return ".".join(steps)


def _write_expression(steps: Steps, roots: Mapping[str, JSON]) -> str:
    """Return a path that exists as an expression writes it: the values tell lists from objects."""
    path: list[str | int] = []
    value: JSON = dict(roots)
    for step in steps:
        path.append(int(step) if isinstance(value, list) else step)
        value = dig(value, (step,))
    return write_path(tuple(path))


def _is_writable(steps: Steps) -> bool:
    """Return whether `match` can write a path: no name may hold a dot or an operator."""
    try:
        return path_steps(_write_dotted(steps)) == steps
    except CompileError:
        return False


def _is_index(step: str) -> bool:
    return step.isascii() and step.isdigit() and len(step) < 10
