"""The operators of Hookdeck's and Convoy's filters, one row each, as conditions. Pure.

The operators of the two programs look alike. A row has the function of each, null if that program
lacks the operator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.errors import CompileError
from bridge.core.model import JSON
from bridge.importers.filter_places import (
    FilterPlace,
    find_in_list,
    make_leaf,
)
from bridge.importers.go_patterns import translate_pattern
from bridge.importers.hook_references import NotCarried, write_literal
from bridge.importers.rule_clauses import Condition, Leaf, both, either, neither

Make = Callable[[FilterPlace, JSON], Condition]
NULL_IS_MISSING: Final = "null is a missing value here, and there it is a value"
_NULL_DIFFERS: Final = "there, null passes; here it is a missing value, and does not"
_IN_LISTS: Final = (
    "a text with it, or a list with it, as Hookdeck documents; its library simple-json-match 1.3.0"
    " never matches a list"
)


@dataclass(frozen=True, slots=True)
class FilterOperator:
    """An operator of one program. `doubt`: how it may differ here, for the value it compares."""

    make: Make
    doubt: Callable[[JSON], str | None] = lambda _value: None


# -- tests of one value


def equals(place: FilterPlace, value: JSON) -> Condition:
    """Return the condition that a value is the same JSON value; null is a missing value."""
    if value is None:
        return exists(place, is_present=False)
    expression = f"{place.expression} == {write_literal(value)}"
    if not isinstance(value, dict | list):
        return make_leaf(place, value, expression)
    if "null" in json.dumps(value):  # which a mapping of YAML would leave empty
        return Leaf("when", expression)
    return make_leaf(place, {"eq": value}, expression)


def exists(place: FilterPlace, *, is_present: bool = True) -> Condition:
    """Return the condition that a value exists and is not null, or that it does not."""
    sign = "!=" if is_present else "=="
    return make_leaf(place, {"exists": is_present}, f"{place.expression} {sign} `null`")


def differs(place: FilterPlace, value: JSON) -> Condition:
    """Return the condition that a value exists and differs."""
    if value is None:
        return exists(place)
    return both([exists(place), neither(equals(place, value))])


def is_one_of(place: FilterPlace, values: list[Any]) -> Condition:
    """Return the condition that a value is one of these texts, numbers and booleans."""
    if place.key is not None:
        return Leaf(place.key, values[0] if len(values) == 1 else values)
    if len(values) > 2:
        return Leaf("when", f"contains({write_literal(values)}, {place.expression})")
    return either([equals(place, value) for value in values])


def _order(name: str, sign: str) -> Make:
    def make(place: FilterPlace, value: JSON) -> Condition:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise NotCarried("it orders by something that is neither a number nor a text")
        kind = "string" if isinstance(value, str) else "number"
        path = place.expression
        expression = f"type({path}) == '{kind}' && {path} {sign} {write_literal(value)}"
        return make_leaf(place, {name: value}, expression)

    return make


def _affix(name: str) -> Make:
    def make(place: FilterPlace, value: JSON) -> Condition:
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise NotCarried("it needs a text, or a list of texts")
        path = place.expression
        return either(
            [
                make_leaf(
                    place,
                    {name: text},
                    f"type({path}) == 'string' && {name}({path}, {write_literal(text)})",
                )
                for text in texts
            ]
        )

    return make


def _contains(place: FilterPlace, value: JSON) -> Condition:
    path = place.expression
    kinds = ("string", "array") if isinstance(value, str) else ("array",)
    is_kind = either([Leaf("when", f"type({path}) == '{kind}'") for kind in kinds])
    if place.key is not None:
        return Leaf(place.key, {"contains": value})
    return both([is_kind, Leaf("when", f"contains({path}, {write_literal(value)})")])


def _exist(place: FilterPlace, value: JSON) -> Condition:
    if not isinstance(value, bool):
        raise NotCarried("`$exist` needs true or false")
    return exists(place, is_present=value)


def _regex(place: FilterPlace, value: JSON) -> Condition:
    if not isinstance(value, str):
        raise NotCarried("a pattern must be a text")
    if place.key is None:
        raise NotCarried(f"`match` cannot name {place.expression}, and `when` has no patterns")
    try:
        return Leaf(place.key, {"regex": translate_pattern(value)})
    except CompileError as error:
        raise NotCarried(f"the pattern has no counterpart: {error}") from None


# -- what differs between the two


def _scalars(value: JSON) -> list[Any]:
    listed = value if isinstance(value, list) else []
    if not listed or not all(_is_listed(scalar) for scalar in listed):
        raise NotCarried("it needs a list of texts and numbers")
    return listed


def _is_listed(value: JSON) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _hookdeck_in(place: FilterPlace, value: JSON) -> Condition:
    """Return the condition that the place has one of a list of values, or contains a value."""
    if isinstance(value, list):
        return is_one_of(place, _scalars(value))
    if not _is_listed(value):
        raise NotCarried("it needs a text, a number, or a list of them")
    return _contains(place, value)


def _hookdeck_not_in(place: FilterPlace, value: JSON) -> Condition:
    return both([exists(place), neither(_hookdeck_in(place, value))])


def _convoy_in(place: FilterPlace, value: JSON) -> Condition:
    """Return the condition that the place has one of the values, or is a list with the value."""
    if isinstance(value, list):
        return is_one_of(place, _scalars(value))
    if value is None or isinstance(value, dict):
        raise NotCarried("it needs a text, a number, a boolean, or a list of them")
    return find_in_list(place, equals(FilterPlace((), in_element=True), value))


def _convoy_not_in(place: FilterPlace, value: JSON) -> Condition:
    condition = _convoy_in(place, value)
    if isinstance(value, list):
        return both([exists(place), neither(condition)])
    return both([Leaf("when", f"type({place.expression}) == 'array'"), neither(condition)])


def _numbers_only(make: Make) -> Make:
    def made(place: FilterPlace, value: JSON) -> Condition:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise NotCarried("Convoy orders numbers only")
        return make(place, value)

    return made


def _say(text: str) -> Callable[[JSON], str | None]:
    return lambda _value: text


#: Operators that order -> the sign in expressions; in `match` they have the same names.
ORDER_SIGNS: Final = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_ORDERS: Final = {name: _order(name[1:], sign) for name, sign in ORDER_SIGNS.items()}
_EQUAL: Final = FilterOperator(equals, lambda value: NULL_IS_MISSING if value is None else None)
_NOT_EQUAL: Final = FilterOperator(differs, lambda value: None if value is None else _NULL_DIFFERS)
_EXIST: Final = FilterOperator(_exist, _say(NULL_IS_MISSING))

HOOKDECK_OPERATORS: Final[Mapping[str, FilterOperator]] = {
    "$eq": _EQUAL,
    "$neq": _NOT_EQUAL,
    **{name: FilterOperator(make) for name, make in _ORDERS.items()},
    "$in": FilterOperator(
        _hookdeck_in, lambda value: None if isinstance(value, list) else _IN_LISTS
    ),
    "$nin": FilterOperator(
        _hookdeck_not_in, lambda value: _NULL_DIFFERS if isinstance(value, list) else _IN_LISTS
    ),
    "$startsWith": FilterOperator(_affix("starts_with")),
    "$endsWith": FilterOperator(_affix("ends_with")),
    "$exist": _EXIST,
}
CONVOY_OPERATORS: Final[Mapping[str, FilterOperator]] = {
    "$eq": _EQUAL,
    "$neq": _NOT_EQUAL,
    **{name: FilterOperator(_numbers_only(make)) for name, make in _ORDERS.items()},
    "$in": FilterOperator(_convoy_in),
    "$nin": FilterOperator(
        _convoy_not_in, lambda value: _NULL_DIFFERS if isinstance(value, list) else None
    ),
    "$exist": _EXIST,
    "$regex": FilterOperator(_regex),
}
