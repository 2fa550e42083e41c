"""The comparisons of version 1 of n8n's IF and Filter nodes, as conditions of a route. Pure.

They are those of JavaScript, without a check of types: a missing value is 0 to a comparison of
numbers, and only `startsWith` and `endsWith` stop the workflow, at a value that is no text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.core.model import JSON
from bridge.services.importers.hook_references import NotCarried, Reference
from bridge.services.importers.js_patterns import matches_empty_text, translate_js_pattern
from bridge.services.importers.model import FindingLog
from bridge.services.importers.n8n_outcomes import RowOutcome, has_type, is_missing
from bridge.services.importers.n8n_values import COMPARISONS, is_number, write_number, write_text
from bridge.services.importers.rule_clauses import TRUE, Condition, Leaf, either

#: Kind of a comparison -> its operation and value where the workflow leaves them out; in the order
#: in which n8n makes the comparisons.
DEFAULTS: Final[Mapping[str, tuple[str, JSON]]] = {
    "boolean": ("equal", False),
    "dateTime": ("after", ""),
    "number": ("smaller", 0),
    "string": ("equal", ""),
}
OPPOSITES: Final = {
    "notEqual": "equal",
    "notContains": "contains",
    "notStartsWith": "startsWith",
    "notEndsWith": "endsWith",
    "notRegex": "regex",
    "isNotEmpty": "isEmpty",
}


@dataclass(frozen=True, slots=True)
class OldRow:
    """One comparison: the place, its key in `match`, the operation and the value beside it."""

    reference: Reference
    key: str
    kind: str
    operation: str
    value: JSON


def read_old_row(row: OldRow, log: FindingLog) -> RowOutcome:
    """Return the condition that the comparison holds.

    Raises `NotCarried` if routes.yaml cannot express it.
    """
    opposite = OPPOSITES.get(row.operation)
    made = _ROWS.get(opposite or row.operation)
    if made is None or row.kind == "dateTime":
        raise NotCarried(f"the operation {row.kind}:{row.operation} has no counterpart")
    make, doubt = made
    outcome = make(row)
    if doubt and row.reference.is_typed:
        log.doubt(doubt)
    return outcome.reverse() if opposite else outcome


def _equals(row: OldRow) -> RowOutcome:
    if row.value is None or isinstance(row.value, dict | list):
        raise NotCarried("it compares with a list, an object or nothing")
    return RowOutcome(Leaf(row.key, row.value))


def _compare(operator: str) -> Callable[[OldRow], RowOutcome]:
    sign, compare = COMPARISONS[operator]

    def make(row: OldRow) -> RowOutcome:
        if not isinstance(row.value, int | float) or not is_number(row.value):
            raise NotCarried("it compares with something that is not a number")
        number = f"to_number({row.reference.expression})"  # of text, as JavaScript reads it
        test: Condition = Leaf("when", f"{number} {sign} {write_number(row.value)}")
        if compare(0, row.value):
            test = either([test, is_missing(row.key), Leaf(row.key, ["", False])])
        return RowOutcome(test)

    return make


def _contains(row: OldRow) -> RowOutcome:
    text = write_text(row.value)
    return RowOutcome(Leaf(row.key, {"contains": text}) if text else TRUE)


def _begins_or_ends(operator: str) -> Callable[[OldRow], RowOutcome]:
    def make(row: OldRow) -> RowOutcome:
        if not isinstance(row.value, str):
            raise NotCarried("it compares with something that is not a text")
        test = Leaf(row.key, {operator: row.value})
        if row.reference.is_typed:
            return RowOutcome(test, has_type(row.reference, "string"), implies=True)
        return RowOutcome(test, Leaf(row.key, {"exists": True}), implies=True)

    return make


def _matches(row: OldRow) -> RowOutcome:
    pattern = translate_js_pattern(write_text(row.value), ignores_case=False)
    test: Condition = Leaf(row.key, {"regex": pattern})
    if matches_empty_text(pattern):
        test = either([test, is_missing(row.key)])
    return RowOutcome(test)


def _is_empty(row: OldRow) -> RowOutcome:
    return RowOutcome(either([is_missing(row.key), Leaf(row.key, ["", [], {}])]))


_AS_NUMBER: Final = "n8n compares true, lists and objects as numbers; here they do not match"
_AS_TEXT: Final = "n8n also searches numbers and lists, written as text; here they do not match"
#: Operation -> the row, and the doubt where the value may be other than text.
_ROWS: Final[Mapping[str, tuple[Callable[[OldRow], RowOutcome], str]]] = {
    "equal": (_equals, ""),
    "larger": (_compare("gt"), _AS_NUMBER),
    "largerEqual": (_compare("gte"), _AS_NUMBER),
    "smaller": (_compare("lt"), _AS_NUMBER),
    "smallerEqual": (_compare("lte"), _AS_NUMBER),
    "contains": (_contains, _AS_TEXT),
    "startsWith": (_begins_or_ends("starts_with"), ""),
    "endsWith": (_begins_or_ends("ends_with"), ""),
    "regex": (_matches, _AS_TEXT),
    "isEmpty": (_is_empty, ""),
}
