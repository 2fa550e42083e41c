"""Places that a filter tests, and conditions on them as expressions. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bridge.importers.hook_references import NotCarried, Reference, write_path
from bridge.importers.rule_clauses import (
    FALSE,
    TRUE,
    Both,
    Condition,
    Either,
    Leaf,
    Neither,
)

ELEMENT: Final = "@"


@dataclass(frozen=True, slots=True)
class FilterPlace:
    """The place of a value: below a root of the event, or below an element of a list.

    Without steps, it is the element itself.
    """

    steps: tuple[str, ...]
    in_element: bool = False

    def below(self, *steps: str) -> FilterPlace:
        """Return the place of a value inside."""
        return FilterPlace((*self.steps, *steps), self.in_element)

    @property
    def expression(self) -> str:
        """The place as an expression, within the element if it is in one."""
        if not self.in_element:
            return write_path(self.steps)
        if not self.steps:
            return ELEMENT
        # write_path does not quote a root, so this one is written and taken away again
        return write_path(("x", *self.steps)).removeprefix("x").removeprefix(".")

    @property
    def key(self) -> str | None:
        """The place as a key of `match`; null where only an expression can say it."""
        return None if self.in_element else Reference(self.steps).key


def make_leaf(place: FilterPlace, test: Any, expression: str) -> Condition:
    """Return a test of a place: a clause of `match` where it can have one, else `when`."""
    return Leaf("when", expression) if place.key is None else Leaf(place.key, test)


def find_in_list(place: FilterPlace, inner: Condition, *, may_be_single: bool = False) -> Condition:
    """Return the condition that an element of the list at a place meets a condition, which is
    relative to it.

    `may_be_single`: the value may also be no list; it is then the only element.
    """
    if inner == FALSE:
        return FALSE
    listed = f"to_array({place.expression})" if may_be_single else place.expression
    return Leaf("when", f"{listed}[?{write_condition(inner)}]")


def write_condition(condition: Condition) -> str:
    """Return a condition whose clauses are all expressions as one expression."""
    if condition in (TRUE, FALSE):
        return "`true`" if condition == TRUE else "`false`"
    if isinstance(condition, Leaf):
        if condition.key != "when":
            raise NotCarried("an element of a list has no paths of `match`")
        return str(condition.value)
    if isinstance(condition, Neither):
        return f"!({write_condition(condition.part)})"
    word, wraps = _WORDS[type(condition)]
    return word.join(
        f"({text})" if isinstance(part, wraps) else text
        for part, text in ((part, write_condition(part)) for part in condition.parts)
    )


#: The word between the parts, and the parts that need parentheses.
_WORDS: Final[dict[type, tuple[str, type]]] = {Both: (" && ", Either), Either: (" || ", Both)}


def is_object(place: FilterPlace) -> Condition:
    """Return the condition that the value at a place is an object."""
    return Leaf("when", f"type({place.expression}) == 'object'")
