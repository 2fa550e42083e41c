"""The comparisons of n8n's IF and Filter nodes since version 2, as conditions of a route. Pure.

With strict types, a value of another type than the operator stops the workflow with an error, also
where it is only asked whether the value exists. Otherwise n8n converts the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.core.model import JSON
from bridge.importers.hook_references import NotCarried, Reference, expected_values
from bridge.importers.js_patterns import matches_empty_text, translate_js_pattern
from bridge.importers.n8n_outcomes import RowOutcome, has_type, is_missing
from bridge.importers.n8n_values import (
    BLANK_IS_NO_NUMBER,
    COMPARISONS,
    find_falsy,
    is_number,
    write_number,
)
from bridge.importers.rule_clauses import TRUE, Condition, Leaf, either

OPPOSITES: Final = {
    "notEquals": "equals",
    "notContains": "contains",
    "notStartsWith": "startsWith",
    "notEndsWith": "endsWith",
    "notRegex": "regex",
    "notEmpty": "empty",
    "notExists": "exists",
}


@dataclass(frozen=True, slots=True)
class FilterRules:
    """The options of a node's conditions."""

    is_strict: bool
    ignores_case: bool
    version: float


@dataclass(frozen=True, slots=True)
class FilterRow:
    """One comparison: the place, its key in `match`, the operator, and the converted value."""

    reference: Reference
    key: str
    type: str
    operation: str
    value: JSON
    rules: FilterRules

    @property
    def decides(self) -> Condition:
        """The condition that n8n can compare a value that is no number."""
        is_converted = not self.rules.is_strict and self.type in ("string", "boolean")
        if is_converted or self.type in ("any", "dateTime"):
            return TRUE
        return has_type(self.reference, self.type, "null")

    @property
    def number(self) -> str:
        """The expression of the value as a number."""
        return f"to_number({self.reference.expression})"


def read_filter_row(row: FilterRow) -> RowOutcome:
    """Return the condition that the comparison holds.

    Raises `NotCarried` if routes.yaml cannot express it, and CompileError for a pattern without a
    counterpart.
    """
    opposite = OPPOSITES.get(row.operation)
    make = _find_row(row, opposite or row.operation)
    if make is None:
        raise NotCarried(f"the operation {row.type}:{row.operation} has no counterpart")
    outcome = make(row)
    return outcome.reverse() if opposite else outcome


def _find_row(row: FilterRow, operation: str) -> _Make | None:
    rows = _STRICT_ROWS if row.rules.is_strict else _LOOSE_ROWS
    return rows.get((row.type, operation)) or _ROWS.get((row.type, operation))


# -- any type


def _is_missing(row: FilterRow) -> RowOutcome:
    return RowOutcome(is_missing(row.key), row.decides, implies=True)


def _exists(row: FilterRow) -> RowOutcome:
    return _is_missing(row).reverse()


# -- text


def _text_is_empty(row: FilterRow) -> RowOutcome:
    test = either([is_missing(row.key), Leaf(row.key, "")])
    return RowOutcome(test, row.decides, implies=True)


def _text_equals(row: FilterRow) -> RowOutcome:
    text = str(row.value or "")
    if not text:
        return _text_is_empty(row)
    if row.rules.ignores_case:
        return _search(row, rf"\A{re.escape(text)}\Z")
    values = [text] if row.rules.is_strict else expected_values(text, row.reference)
    test = Leaf(row.key, values[0] if len(values) == 1 else values)
    return RowOutcome(test, row.decides, implies=True)


def _text_part(operator: str, pattern: str) -> Callable[[FilterRow], RowOutcome]:
    def make(row: FilterRow) -> RowOutcome:
        text = str(row.value or "")
        if not text:
            return RowOutcome(TRUE, row.decides)
        if row.rules.ignores_case:
            return _search(row, pattern.format(re.escape(text)))
        is_sure = operator != "contains"  # it also looks into lists
        return RowOutcome(Leaf(row.key, {operator: text}), row.decides, implies=is_sure)

    return make


def _search(row: FilterRow, pattern: str) -> RowOutcome:
    test = Leaf(row.key, {"regex": f"(?i){pattern}"})
    return RowOutcome(test, row.decides, implies=True)


def _text_matches(row: FilterRow) -> RowOutcome:
    pattern = translate_js_pattern(str(row.value or ""), ignores_case=row.rules.ignores_case)
    test: Condition = Leaf(row.key, {"regex": pattern})
    if matches_empty_text(pattern):
        test = either([test, is_missing(row.key)])
    return RowOutcome(test, row.decides, implies=True)


# -- numbers


def _blank(row: FilterRow) -> Condition:
    return Leaf(row.key, ["", []])


def _number_decides(row: FilterRow) -> Condition:
    if row.rules.is_strict:
        blanks = [_blank(row)] if row.rules.version >= BLANK_IS_NO_NUMBER else []
        return either([has_type(row.reference, "number", "null"), *blanks])
    is_number_text = Leaf("when", f"type({row.number}) == 'number'")
    return either([is_number_text, is_missing(row.key), _blank(row)])


def _is_read_as_zero(row: FilterRow) -> bool:
    return not row.rules.is_strict and row.rules.version < BLANK_IS_NO_NUMBER


def _compared_number(row: FilterRow) -> float:
    if not isinstance(row.value, int | float) or not is_number(row.value):
        raise NotCarried("it compares with something that is not a number")
    return row.value


def _number_equals(row: FilterRow) -> RowOutcome:
    value = _compared_number(row)
    if row.rules.is_strict:
        test: Condition = Leaf(row.key, value)
    else:
        test = Leaf("when", f"{row.number} == {write_number(value)}")
    if value == 0 and _is_read_as_zero(row):
        test = either([test, _blank(row)])
    return RowOutcome(test, _number_decides(row), implies=True)


def _number_compares(operator: str) -> Callable[[FilterRow], RowOutcome]:
    sign, compare = COMPARISONS[operator]

    def make(row: FilterRow) -> RowOutcome:
        value = _compared_number(row)
        if row.rules.is_strict:
            test: Condition = Leaf(row.key, {operator: value})
        else:
            test = Leaf("when", f"{row.number} {sign} {write_number(value)}")
        reads_blank = not row.rules.is_strict or row.rules.version >= BLANK_IS_NO_NUMBER
        if reads_blank and compare(0, value):  # JavaScript compares null as 0
            test = either([test, _blank(row)])
        return RowOutcome(test, _number_decides(row), implies=True)

    return make


def _number_is_empty(row: FilterRow) -> RowOutcome:
    blanks = [_blank(row)] if row.rules.version >= BLANK_IS_NO_NUMBER else []
    test = either([is_missing(row.key), *blanks])
    return RowOutcome(test, _number_decides(row), implies=True)


# -- true and false


def _is_true(row: FilterRow) -> RowOutcome:
    return RowOutcome(Leaf(row.key, True), row.decides, implies=True)


def _boolean_equals(row: FilterRow) -> RowOutcome:
    if not isinstance(row.value, bool):
        raise NotCarried("it compares with something that is neither true nor false")
    return RowOutcome(Leaf(row.key, row.value), row.decides, implies=True)


def _is_truthy(row: FilterRow) -> RowOutcome:
    return RowOutcome(Leaf(row.key, {"exists": True, "not_in": find_falsy(row.rules.version)}))


def _truth_equals(row: FilterRow) -> RowOutcome:
    if not isinstance(row.value, bool):
        raise NotCarried("it compares with something that is neither true nor false")
    if row.value:
        return _is_truthy(row)
    return RowOutcome(Leaf(row.key, find_falsy(row.rules.version)))


# -- lists and objects


def _list_contains(row: FilterRow) -> RowOutcome:
    if row.rules.ignores_case and isinstance(row.value, str):
        raise NotCarried("a list is searched without regard to case")
    if isinstance(row.value, dict | list) or row.value is None:
        raise NotCarried("it looks for a list, an object or nothing")
    return RowOutcome(Leaf(row.key, {"contains": row.value}), row.decides)


def _container_is_empty(row: FilterRow) -> RowOutcome:
    nothing: JSON = [] if row.type == "array" else {}
    test = either([is_missing(row.key), Leaf(row.key, {"eq": nothing})])
    return RowOutcome(test, row.decides, implies=True)


_Make = Callable[[FilterRow], RowOutcome]
_Rows = Mapping[tuple[str, str], _Make]
_ROWS: Final[_Rows] = {
    **{
        (kind, "exists"): _exists
        for kind in ("any", "dateTime", "string", "boolean", "array", "object")
    },
    **{(kind, "empty"): _is_missing for kind in ("dateTime", "boolean")},
    ("string", "equals"): _text_equals,
    ("string", "contains"): _text_part("contains", "{}"),
    ("string", "startsWith"): _text_part("starts_with", r"\A{}"),
    ("string", "endsWith"): _text_part("ends_with", r"{}\Z"),
    ("string", "regex"): _text_matches,
    ("string", "empty"): _text_is_empty,
    ("number", "equals"): _number_equals,
    **{("number", name): _number_compares(name) for name in COMPARISONS},
    ("number", "exists"): lambda row: _number_is_empty(row).reverse(),
    ("number", "empty"): _number_is_empty,
    ("array", "contains"): _list_contains,
    **{(kind, "empty"): _container_is_empty for kind in ("array", "object")},
}
#: Where the types are strict.
_STRICT_ROWS: Final[_Rows] = {
    ("boolean", "true"): _is_true,
    ("boolean", "false"): lambda row: _is_true(row).reverse(),
    ("boolean", "equals"): _boolean_equals,
}
#: Where n8n converts the value.
_LOOSE_ROWS: Final[_Rows] = {
    ("boolean", "true"): _is_truthy,
    ("boolean", "false"): lambda row: _is_truthy(row).reverse(),
    ("boolean", "equals"): _truth_equals,
}
