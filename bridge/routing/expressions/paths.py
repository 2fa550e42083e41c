"""The paths that an expression reads, checked against given values for misspelt names. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bridge.core.model import JSON
from bridge.core.typos import find_typo
from bridge.routing.expressions.roots import Node
from bridge.routing.expressions.unparse import name_text

Steps = tuple[str | int, ...]
IsFree = Callable[[Steps], bool]

EACH_ELEMENT: Final = -1  # the step from a list to each of its elements
EACH_MEMBER: Final = "*"  # the step from an object to each of its members
_CHAINS: Final = frozenset(
    {"subexpression", "index_expression", "pipe", "current", "identity", "slice"}
)
_PROJECTIONS: Final = frozenset({"projection", "value_projection", "filter_projection"})


@dataclass(frozen=True, slots=True)
class PathReading:
    """A path that an expression reads, and its values.

    `meant`: a similar path that exists, if this one looks misspelt.
    """

    path: Steps = ()
    values: tuple[JSON, ...] = ()
    meant: Steps | None = None

    @property
    def is_missing(self) -> bool:
        """Whether the path has no value; null counts as no value."""
        return self.meant is not None or all(value is None for value in self.values)


COMPUTED: Final = PathReading()  # a computed value, not a path of the event


def follow_path(
    steps: Sequence[str], contexts: Sequence[Mapping[str, JSON]], is_free: IsFree = lambda _: False
) -> PathReading:
    """Follow a dotted path of `match` through the contexts.

    The names in an object at an `is_free` path are not checked.
    """
    reading = PathReading(values=tuple(contexts))
    for step in steps:
        is_index = (
            step.isascii()
            and step.isdigit()
            and any(isinstance(value, list) for value in reading.values)
        )
        reading = _element(reading, int(step)) if is_index else _member(reading, step, is_free)
    return reading


def read_paths(
    tree: Node, contexts: Sequence[Mapping[str, JSON]], is_free: IsFree = lambda _: False
) -> list[PathReading]:
    """Return each path that an expression reads, with its values in the contexts.

    `is_free` as in `follow_path`.
    """
    walk = _PathWalk(is_free)
    walk.use(tree, PathReading(values=tuple(contexts)))
    return walk.readings


def write_path(path: Steps, *, dotted: bool = False) -> str:
    """Return a path as an expression writes it, or as a dotted path of `match`."""
    if dotted:
        return ".".join("0" if step == EACH_ELEMENT else str(step) for step in path)
    written = ""
    for step in path:
        part = (
            f"[{'' if step == EACH_ELEMENT else step}]"
            if isinstance(step, int)
            else step
            if step == EACH_MEMBER
            else name_text(step)
        )
        written += f".{part}" if written and isinstance(step, str) else part
    return written


def _member(reading: PathReading, name: str, is_free: IsFree) -> PathReading:
    """Step to a member of an object, or to a similar name if no object has this member."""
    if reading == COMPUTED:
        return reading
    path = (*reading.path, name)
    real = reading.path if reading.meant is None else reading.meant
    objects = [value for value in reading.values if isinstance(value, dict)]
    values = tuple(value[name] for value in objects if name in value)
    if values:
        return PathReading(
            path,
            _without_free(values, path, is_free),
            None if reading.meant is None else (*real, name),
        )
    names = dict.fromkeys(key for value in objects for key in value)
    near = find_typo(name, names) if reading.path else None
    if near is None:
        return PathReading(path, (), reading.meant)
    meant = (*real, near)
    return PathReading(
        path,
        _without_free(tuple(value[near] for value in objects if near in value), meant, is_free),
        meant,
    )


def _without_free(values: tuple[JSON, ...], path: Steps, is_free: IsFree) -> tuple[JSON, ...]:
    return (
        tuple(value for value in values if not isinstance(value, dict)) if is_free(path) else values
    )


def _element(reading: PathReading, index: int) -> PathReading:
    """Step to an element of a list, with the values of all elements.

    In another event, any of them may be at this index.
    """
    if reading == COMPUTED:
        return reading
    elements = tuple(
        element for value in reading.values if isinstance(value, list) for element in value
    )
    meant = None if reading.meant is None else (*reading.meant, index)
    return PathReading((*reading.path, index), elements, meant)


class _PathWalk:
    """Walks an expression tree and collects the paths that it reads."""

    def __init__(self, is_free: IsFree) -> None:
        self.is_free = is_free
        self.readings: list[PathReading] = []

    def use(self, node: Node, at: PathReading) -> PathReading:
        """Collect the path that `node` reads, if it is one, and return it."""
        reading = self.step(node, at)
        if len(reading.path) > 1 and reading not in self.readings:
            self.readings.append(reading)
        return reading

    def step(self, node: Node, at: PathReading) -> PathReading:
        """Return the path of `node`, starting from `at`."""
        kind = node["type"]
        parts = list(self._parts(node))
        if kind == "field":
            return _member(at, node["value"], self.is_free)
        if kind == "index":
            return _element(at, node["value"])
        if kind in _CHAINS:
            for part in parts:
                at = self.step(part, at)
            return at
        if kind == "flatten":
            return self._flatten(self.step(parts[0], at))
        if kind in _PROJECTIONS:
            return self._project(node, parts, at)
        return self._combine(kind, parts, at)

    def _combine(self, kind: str, parts: Sequence[Node], at: PathReading) -> PathReading:
        """Collect the parts of a computed value, which has no path itself."""
        # an alternative may be for other events: report it only if all are missing
        if kind == "or_expression":
            walks = [_PathWalk(self.is_free) for _ in parts]
            sides = [walk.use(part, at) for walk, part in zip(walks, parts, strict=True)]
            noted = [reading for walk in walks for reading in walk.readings]
            self.readings += (
                noted
                if all(side.is_missing for side in sides)
                else [reading for reading in noted if not reading.is_missing]
            )
            return COMPUTED
        arguments = [self.use(part, at) for part in parts if part["type"] != "expref"]
        elements = tuple(
            element
            for argument in arguments
            for value in argument.values
            if isinstance(value, list)
            for element in value
        )
        over = next(
            (
                argument.path
                for argument in arguments
                if any(isinstance(value, list) for value in argument.values)
            ),
            (),
        )
        for part in parts:
            if part["type"] == "expref":
                self.use(
                    part["children"][0],
                    PathReading((*over, EACH_ELEMENT), elements) if over else COMPUTED,
                )
        return COMPUTED

    def _project(self, node: Node, parts: Sequence[Node], at: PathReading) -> PathReading:
        base = self.step(parts[0], at)
        if node["type"] == "value_projection":
            members = tuple(
                member
                for value in base.values
                if isinstance(value, dict)
                for member in value.values()
            )
            inner = PathReading(
                (*base.path, EACH_MEMBER), members, base.meant and (*base.meant, EACH_MEMBER)
            )
        else:
            inner = _element(base, EACH_ELEMENT)
        if len(parts) > 2:
            self.use(parts[2], inner)
        projected = self.step(parts[1], inner)
        return replace(projected, values=(list(projected.values),) if projected.values else ())

    @staticmethod
    def _flatten(base: PathReading) -> PathReading:
        lists = [value for value in base.values if isinstance(value, list)]
        flat = [
            inner
            for value in lists
            for element in value
            for inner in (element if isinstance(element, list) else [element])
        ]
        return replace(base, values=(flat,) if lists else ())

    @staticmethod
    def _parts(node: Node) -> Iterator[Node]:
        return (child for child in node["children"] if isinstance(child, dict))
