"""Places of a filter while it is read, each with its findings and the lists around it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from bridge.importers.filter_places import FilterPlace, find_in_list
from bridge.importers.hook_references import MASKED_HEADERS, NotCarried
from bridge.importers.model import FindingLog
from bridge.importers.payload_shapes import PayloadShapes
from bridge.importers.rule_clauses import Condition
from bridge.importers.secret_texts import may_hold_secret

FILTER_PARTS: Final = ("headers", "body", "query", "path")  # of a request, that a filter tests
TEXT_ROOTS: Final = ("headers", "query")  # their values are always texts
_INDEX: Final = "[$index]"
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d{1,6})\]")


@dataclass(frozen=True, slots=True)
class FilterSpot:
    """A place of a filter. `path` is the whole one; `lists` are the paths of the lists around it,
    each within the one before.
    """

    path: tuple[str, ...]
    place: FilterPlace
    log: FindingLog
    shapes: PayloadShapes
    lists: tuple[tuple[str, ...], ...] = ()

    @property
    def name(self) -> str:
        """The whole path, for findings."""
        return ".".join(self.path)

    @property
    def is_text(self) -> bool:
        """Whether the value is a header or a query parameter."""
        return self.path[0] in TEXT_ROOTS and len(self.path) > 1

    @property
    def is_single(self) -> bool:
        """Whether the value is no list: a root, an element, a text, or single in the samples."""
        is_root = len(self.path) == 1 or (self.place.in_element and not self.place.steps)
        return is_root or self.is_text or self.shapes.is_single(self.path[1:])

    @property
    def is_known_object(self) -> bool:
        """Whether the value is an object in all samples, or the root."""
        if len(self.path) == 1:
            return True
        return self.shapes.types.get(self.path[1:]) == frozenset({"object"})

    def at(self, *steps: str | int) -> FilterSpot:
        """Return the same place, at a deeper place of the file."""
        return replace(self, log=self.log.at(*steps))

    def below(self, key: str) -> FilterSpot:
        """Return the place of a key; `NotCarried` where an event does not have it."""
        if "${" in key:
            raise NotCarried("a name with ${ cannot be written into routes.yaml")
        step = key.lower() if self.path == ("headers",) else key
        if self.path == ("headers",) and step in MASKED_HEADERS:
            raise NotCarried(f"the header {key[:60]} is a credential, which an event does not have")
        return replace(
            self,
            path=(*self.path, step),
            place=self.place.below(step),
            log=self.log.at(key),
        )

    def element(self) -> FilterSpot:
        """Return the place of an element of the list here."""
        inner = FilterPlace((), in_element=True)
        return replace(self, place=inner, lists=(*self.lists, self.place.steps))

    def test_each(self, make: Callable[[FilterSpot], Condition]) -> Condition:
        """Return a condition on the value, or on an element where the value is a list."""
        if self.is_single:
            return make(self)
        is_list = not self.place.in_element and self.shapes.is_list(self.path[1:])
        return find_in_list(self.place, make(self.element()), may_be_single=not is_list)

    def check_secret(self, value: object) -> None:
        """Raise `NotCarried` where a credential may be compared: `match` must not have one."""
        for compared in value if isinstance(value, list) else [value]:
            if isinstance(compared, str) and may_hold_secret(self.path[-1], compared):
                raise NotCarried(
                    "it seems to compare a credential, and `match` must not have one; let the"
                    " source verify it (`provider: token`)"
                )

    def refer(self, text: object) -> FilterPlace:
        """Return the place that a `$ref` names; `NotCarried` where it cannot be reached from here.

        It begins at the root of this part. `[$index]` is the present element of a list.
        """
        if not isinstance(text, str) or not text:
            raise NotCarried("`$ref` needs a path")
        *before, last = text.split(_INDEX)
        if not self.lists:
            if before:
                raise NotCarried("`[$index]` outside of a list")
            return FilterPlace((*self.path[:1], *_read_steps(text)))
        outer = [_read_steps(part) for part in before]
        inside = [self.lists[0][1:], *self.lists[1:]]  # without the root
        if outer == inside:
            return FilterPlace(_read_steps(last), in_element=True)
        joined = tuple(step for steps in inside for step in steps)
        target = _read_steps(text) if not before else ()
        if target[: len(joined)] != joined or len(target) == len(joined):
            raise NotCarried("`$ref` to a value outside of what may be a list")
        return FilterPlace(target[len(joined) :], in_element=True)


def _read_steps(text: str) -> tuple[str, ...]:
    """Return the steps of `a.b[0].c`."""
    steps: list[str] = []
    at = 0
    rest = text.removeprefix("$.")
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None:
            raise NotCarried("`$ref` needs a path such as items[0].price")
        steps.append(match[1] or match[2])
        at = match.end()
    return tuple(steps)
